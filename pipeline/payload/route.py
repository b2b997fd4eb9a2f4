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
from msgspec import Raw, Struct

from schemas.topics import ERRORS, SPANS


class Route(NamedTuple):
    """A topic without its prefix, and the key; ``None`` where the event has nothing to make one of."""

    topic: str
    key: bytes | None


class _Head(Struct):
    """The fields that decide, each as it was sent: here nothing is refused for its type."""

    type: Raw = Raw(b"null")
    event_id: Raw = Raw(b"null")
    span_id: Raw = Raw(b"null")
    trace_id: Raw = Raw(b"null")
    contexts: Raw = Raw(b"null")
    exception: Raw = Raw(b"null")
    message: Raw = Raw(b"null")
    logentry: Raw = Raw(b"null")


_HEAD = msgspec.json.Decoder(_Head)
_CONTEXTS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str)


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
    kind = _text(head.type)
    if kind == "transaction":
        return Route(SPANS.name, _key(_trace_id(head.contexts)))
    if kind == "span" or (not kind and _is_span(head)):
        return Route(SPANS.name, _key(_text(head.trace_id)))
    return Route(ERRORS.name, _key(_text(head.event_id)))


def _is_span(head: _Head) -> bool:
    if not _text(head.span_id):
        return False
    return all(bytes(field) == b"null" for field in (head.exception, head.message, head.logentry))


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


def _key(text: str) -> bytes | None:
    return text.encode() if text else None
