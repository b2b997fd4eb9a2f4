"""Route: which topic an event belongs on, and under which key, by what is in it. Pure.

=======================  ==========  ==========
event                    topic       key
=======================  ==========  ==========
transaction              ``spans``   trace id
single span              ``spans``   trace id
everything else          ``errors``  event id
=======================  ==========  ==========
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct, field

from pipeline.errors import Refused
from pipeline.payload.kinds import is_span
from schemas.topics import ERRORS, SPANS


class Route(NamedTuple):
    """A topic without its prefix, and the key; ``None`` where the event has nothing to make one of."""

    topic: str
    key: bytes | None


class _Head(Struct, gc=False):
    """The fields that decide, each as it was sent: here nothing is refused for its type.

    Its properties are what :func:`pipeline.payload.decode.decode` makes of them.
    """

    raw_type: Raw = field(default=Raw(b"null"), name="type")
    event_id: Raw = Raw(b"null")
    raw_span_id: Raw = field(default=Raw(b"null"), name="span_id")
    trace_id: Raw = Raw(b"null")
    contexts: Raw = Raw(b"null")
    exception: Raw = Raw(b"null")
    message: Raw = Raw(b"null")
    logentry: Raw = Raw(b"null")

    @property
    def type(self) -> str | None:
        return _scalar(self.raw_type)

    @property
    def span_id(self) -> str | None:
        return _scalar(self.raw_span_id)

    @property
    def exceptions(self) -> list[Raw]:
        try:
            found = _EXCEPTION.decode(self.exception)
        except msgspec.MsgspecError:
            return []
        values = found.values if isinstance(found, _Values) else found
        return [value for value in values or () if bytes(value).startswith(b"{")]

    @property
    def log_entry(self) -> Raw | None:
        if bytes(self.logentry).startswith(b"{"):
            return self.logentry
        said = bytes(self.message).startswith(b"{") or _scalar(self.message) is not None
        return self.message if said else None


class _Values(Struct, gc=False):
    values: list[Raw] | None = None


_HEAD = msgspec.json.Decoder(_Head)
_CONTEXTS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str)
_SCALAR = msgspec.json.Decoder(str | int | float | None)
_EXCEPTION = msgspec.json.Decoder(_Values | list[Raw] | None)


def route(event: bytes) -> Route:
    """Return where one event, a JSON object, is sent.

    Raises:
        ValueError: it is not a JSON object; the message says which byte is wrong, and nothing of the event.
    """
    try:
        head = _HEAD.decode(event)
    except msgspec.ValidationError:
        raise ValueError("JSON, but not an object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON ({error})" if isinstance(error, msgspec.DecodeError) else "not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if head.type == "transaction":
        return Route(SPANS.name, _key(_trace_id(head.contexts)))
    if _is_span(head):
        return Route(SPANS.name, _key(_text(head.trace_id)))
    return Route(ERRORS.name, _key(_text(head.event_id)))


def _is_span(head: _Head) -> bool:
    try:
        return is_span(head, SPANS.name)
    except Refused:
        # The worker says so in a dead letter.
        return False


def _trace_id(contexts: Raw) -> str:
    try:
        trace = _CONTEXTS.decode(contexts).get("trace")
        return _text(_CONTEXTS.decode(trace).get("trace_id", Raw(b"null"))) if trace is not None else ""
    except msgspec.MsgspecError:
        return ""


def _text(value: Raw) -> str:
    try:
        return _TEXT.decode(value)
    except msgspec.MsgspecError:
        return ""


def _scalar(value: Raw) -> str | None:
    """Return a text, or a number as text; ``None`` for everything else."""
    try:
        found = _SCALAR.decode(value)
    except msgspec.MsgspecError:
        return None
    return None if found is None else str(found)


def _key(text: str) -> bytes | None:
    return text.encode() if text else None
