"""The store endpoint of older SDKs: one event as the whole body, in any of the forms they sent it. Pure."""

from __future__ import annotations

import base64
import binascii
import json

import msgspec

from pipeline.gateway.encodings import inflate
from pipeline.gateway.envelope import Envelope, Header, Item
from pipeline.gateway.rejection import bad


class _Kind(msgspec.Struct):
    type: msgspec.Raw = msgspec.Raw(b"null")


_KIND = msgspec.json.Decoder(_Kind)


def parse(body: bytes, limit: int) -> Envelope:
    """Return the body as an envelope with one event or transaction: JSON, or base64 of JSON or of zlib of JSON.

    Raises:
        Rejected: it is none of these, or has more than ``limit`` bytes.
    """
    payload = body.strip()
    if payload[:1] != b"{":
        payload = _unpacked(payload, limit)
    return Envelope(Header(), (Item(_item_type(payload), payload),))


def _unpacked(text: bytes, limit: int) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise bad("the body is neither a JSON object nor base64 of one") from None
    return packed if packed[:1] == b"{" else inflate(packed, limit)


def _item_type(payload: bytes) -> str:
    try:
        return "transaction" if bytes(_KIND.decode(payload).type) == b'"transaction"' else "event"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # NaN and Infinity are not JSON, but SDKs send them.
        if isinstance(json.loads(payload), dict):
            return "event"
    except (ValueError, RecursionError):
        pass
    raise bad("the body is not a JSON object")
