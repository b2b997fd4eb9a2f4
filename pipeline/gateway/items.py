"""Items: which topic an item goes to, under which key, and what kind of data it counts as. Pure.

=================  ==========  ===================================
item               topic       key
=================  ==========  ===================================
event              ``errors``  event id
transaction        ``spans``   trace id
span (one, many)   ``spans``   trace id, one message each
everything else    none yet    counted as ``no_topic`` and dropped
=================  ==========  ===================================

Payloads become messages as they came, byte for byte; the worker decodes, mends or refuses them. Only two things are
changed, where they have to be: the event id, when the envelope names another, and times, when the client's clock is
wrong. Even then every other field keeps its bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from pipeline.gateway.drift import Fields, shift
from pipeline.gateway.envelope import Item, event_id_of
from pipeline.gateway.rejection import Rejected, bad, too_large
from pipeline.route import route
from schemas.topics import ERRORS, SPANS

KIB = 1024
MIB = 1024 * KIB

EVENTS = ("event", "transaction")
"""The items that an event id belongs to; an envelope has one of them at most."""

CATEGORIES = {
    "event": "error",
    "transaction": "transaction",
    "span": "span",
    "log": "log_item",
    "session": "session",
    "sessions": "session",
    "check_in": "monitor",
    "user_report": "feedback",
    "feedback": "feedback",
    "client_report": "internal",
    "attachment": "attachment",
    "profile": "profile",
    "profile_chunk": "profile_chunk",
    "replay_event": "replay",
    "replay_recording": "replay",
    "replay_video": "replay",
    "statsd": "metric_bucket",
    "metric_buckets": "metric_bucket",
    "trace_metric": "trace_metric",
    "raw_security": "security",
}
"""The data category of each item, as rate limits and client reports name them; ``default`` for items not known here."""

LARGEST = {
    "event": MIB,
    "transaction": MIB,
    "span": MIB,
    "log": MIB,
    "check_in": 100 * KIB,
    "client_report": 4 * KIB,
}
"""The most bytes of a payload, where the protocol limits it by itself."""


class Message(NamedTuple):
    """A message for Kafka. ``topic`` has no prefix; ``project`` becomes its header."""

    topic: str
    key: bytes | None
    value: bytes
    project: str


class _Head(Struct):
    event_id: Raw = Raw(b"null")
    type: Raw = Raw(b"null")


class _Spans(Struct):
    items: list[Raw]


_HEAD = msgspec.json.Decoder(_Head)
_SPANS = msgspec.json.Decoder(_Spans)
_FIELDS = msgspec.json.Decoder(Fields)
_TEXT = msgspec.json.Decoder(str)


def category(item: Item) -> str:
    """Return an item's data category."""
    return CATEGORIES.get(item.type, "default")


def check(items: Sequence[Item]) -> None:
    """Check what holds for an envelope as a whole.

    Raises:
        Rejected: an item is over its limit, or there is more than one event or transaction.
    """
    for item in items:
        if len(item.payload) > LARGEST.get(item.type, len(item.payload)):
            raise too_large(f"the {item.type} has more than {LARGEST[item.type]} bytes")
    if sum(item.type in EVENTS for item in items) > 1:
        raise bad("the envelope has more than one event or transaction")


def event_id(item: Item) -> str:
    """Return the id that an event's own payload has, or a new one."""
    try:
        return event_id_of(_TEXT.decode(_HEAD.decode(item.payload).event_id))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Rejected):
        return uuid.uuid4().hex


def messages_of(item: Item, identity: str, project: str, drift_s: float) -> list[Message]:
    """Return the messages for an item; none where there is no topic for it.

    Args:
        item: the item.
        identity: the event id, which wins over the payload's own.
        project: the project's name.
        drift_s: seconds to add to the client's times.
    """
    if item.type == "event":
        return [_event(item.payload, identity, project, drift_s)]
    if item.type == "transaction":
        payload = _amended(item.payload, identity, drift_s)
        return [Message(SPANS.name, _key(payload), payload, project)]
    if item.type == "span":
        payloads = [_shifted(payload, drift_s) for payload in _spans(item.payload)]
        return [Message(SPANS.name, _key(payload), payload, project) for payload in payloads]
    return []


def has_topic(item: Item) -> bool:
    """Return whether :func:`messages_of` makes messages of such an item."""
    return item.type in ("event", "transaction", "span")


def _event(payload: bytes, identity: str, project: str, drift_s: float) -> Message:
    payload = _amended(payload, identity, drift_s)
    return Message(ERRORS.name, identity.encode(), payload, project)


def _spans(payload: bytes) -> list[bytes]:
    """Return the spans of a container; a payload that is none is one span, or whatever the worker says it is."""
    try:
        return [bytes(span) for span in _SPANS.decode(payload).items]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [payload]


def _key(payload: bytes) -> bytes | None:
    """Return the trace id of a transaction or a span, ``None`` without one."""
    try:
        found = route(payload)
    except ValueError:
        return None
    return found.key if found.topic == SPANS.name else None


def _amended(payload: bytes, identity: str, drift_s: float) -> bytes:
    """Return an event with this id, as it came where it has it already and its clock was right."""
    if not drift_s and _has_id(payload, identity):
        return payload
    fields = _fields(payload)
    if fields is None:
        return payload
    if not _has_id(payload, identity):
        fields["event_id"] = Raw(msgspec.json.encode(identity))
    if drift_s:
        shift(fields, drift_s)
    return msgspec.json.encode(fields)


def _shifted(payload: bytes, drift_s: float) -> bytes:
    fields = _fields(payload) if drift_s else None
    if fields is None:
        return payload
    shift(fields, drift_s)
    return msgspec.json.encode(fields)


def _has_id(payload: bytes, identity: str) -> bool:
    try:
        return event_id_of(_TEXT.decode(_HEAD.decode(payload).event_id)) == identity
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Rejected):
        return False


def _fields(payload: bytes) -> Fields | None:
    """Return the fields of a JSON object with their bytes; ``None`` for anything else, which the worker refuses."""
    try:
        return _FIELDS.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # NaN and Infinity are not JSON, but SDKs send them.
        document = json.loads(payload, parse_constant=lambda _name: None)
        return _FIELDS.decode(msgspec.json.encode(document))
    except (ValueError, RecursionError):
        return None
