"""Contracts: the bytes of a message as the struct of its contract, or a refusal with a reason. Pure.

The same is mended as of events (bytes that are not UTF-8, lone surrogates, ``NaN``), and the same refused. A field of
the wrong type is refused too: unlike an event, nobody wants half of a session.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from pipeline.errors import Refused
from pipeline.payload.decode import STAGE, as_text, strict_json
from schemas.topics import MAX_EVENT_BYTES

Contract = TypeVar("Contract", bound=Struct)

_AT = re.compile(r"at `\$\.?(?P<path>[^`]*)`$")


class Decoder(Generic[Contract]):
    """Decodes messages of one contract.

    Args:
        contract: the struct.
        schema: the name of its file in ``schemas/json``, for the refusals.
    """

    def __init__(self, contract: type[Contract], schema: str) -> None:
        self._decoder = msgspec.json.Decoder(contract)
        self._schema = schema

    def decode(self, raw: bytes | None) -> tuple[Contract, bytes]:
        """Return the message, and its bytes as JSON that is mended.

        Raises:
            Refused: it cannot be decoded; the reason names the field, and holds nothing of the message.
        """
        if not raw:
            raise Refused(STAGE, f"the message is empty: see schemas/json/{self._schema}")
        if len(raw) > MAX_EVENT_BYTES:
            raise Refused(STAGE, f"the message has {len(raw)} bytes: send at most {MAX_EVENT_BYTES}")
        try:
            payload, _ = as_text(raw)
            return self._decode(payload)
        except msgspec.ValidationError as error:
            found = _AT.search(str(error))
            place = f"the field {found['path']}" if found and found["path"] else "a field"
            raise Refused(STAGE, f"{place} is missing or of the wrong type: see schemas/json/{self._schema}") from None
        except RecursionError:
            raise Refused(STAGE, "the JSON is nested too deeply: send at most 500 levels") from None

    def _decode(self, payload: bytes) -> tuple[Contract, bytes]:
        try:
            return self._decoder.decode(payload), payload
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            payload = strict_json(payload, error)
        return self._decoder.decode(payload), payload

    def again(self, payload: bytes) -> Contract:
        """Decode a message that was decoded before, after the scrubber has replaced values in it.

        Raises:
            Refused: a replaced value made a field one of the wrong type.
        """
        return self.decode(payload)[0]
