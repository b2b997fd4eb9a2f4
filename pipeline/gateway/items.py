"""Items: which topic an item goes to, under which key, and what kind of data it counts as. Pure.

===================  =============  ===================================
item                 topic          key
===================  =============  ===================================
event                ``errors``     event id
transaction          ``spans``      trace id
span (one, many)     ``spans``      trace id, one message each
log (one, many)      ``logs``       trace id, one message each
session              ``sessions``   session id
sessions             ``sessions``   none
check_in             ``check-ins``  monitor
feedback             ``feedback``   event id
user_report          ``feedback``   event id
everything else      none           counted as ``no_topic`` and dropped
===================  =============  ===================================

Payloads become messages as they came, byte for byte; the worker decodes, mends or refuses them. Only two things are
changed, where they have to be: the event id, when the envelope names another, and times, when the client's clock is
wrong. Even then every other field keeps its bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from pipeline.gateway.drift import Fields, shift
from pipeline.gateway.envelope import Item, event_id_of
from pipeline.gateway.rejection import Rejected, bad, too_large
from pipeline.payload.route import route
from schemas.topics import CHECK_INS, ERRORS, FEEDBACK, LOGS, SESSIONS, SPANS

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


MOST_SESSIONS = 100
"""The most sessions of an envelope, and the most buckets of a ``sessions`` item."""

CONTAINERS = ("span", "log")

MOST_CONTAINED = 5000
"""The most spans and logs in all containers of an envelope; SDKs send them a hundred or a thousand at a time."""

LONGEST_KEY = 200


class Message(NamedTuple):
    """A message for Kafka. ``topic`` has no prefix; ``project`` becomes a header.

    So does ``weight``, how many like it the message stands for, as a decimal number; empty for one.
    """

    topic: str
    key: bytes | None
    value: bytes
    project: str
    weight: str = ""


class _Head(Struct):
    event_id: Raw = Raw(b"null")
    type: Raw = Raw(b"null")


class _Container(Struct):
    items: list[Raw]


class _Aggregates(Struct):
    aggregates: list[Raw] = []


_HEAD = msgspec.json.Decoder(_Head)
_CONTAINER = msgspec.json.Decoder(_Container)
_AGGREGATES = msgspec.json.Decoder(_Aggregates)
_FIELDS = msgspec.json.Decoder(Fields)
_TEXT = msgspec.json.Decoder(str)


def category(item: Item) -> str:
    """Return an item's data category."""
    return CATEGORIES.get(item.type, "default")


def check(items: Sequence[Item]) -> None:
    """Check what holds for an envelope as a whole.

    Raises:
        Rejected: an item is over its limit, or there are too many of a kind.
    """
    for item in items:
        if len(item.payload) > LARGEST.get(item.type, len(item.payload)):
            raise too_large(f"the {item.type} has more than {LARGEST[item.type]} bytes")
        if item.type == "sessions" and _buckets(item.payload) > MOST_SESSIONS:
            raise too_large(f"the sessions item has more than {MOST_SESSIONS} buckets")
    if sum(item.type == "session" for item in items) > MOST_SESSIONS:
        raise too_large(f"the envelope has more than {MOST_SESSIONS} sessions")
    if _too_many_entries([item.payload for item in items if item.type in CONTAINERS]):
        raise too_large(f"the envelope has more than {MOST_CONTAINED} spans or logs")
    if sum(item.type in EVENTS for item in items) > 1:
        raise bad("the envelope has more than one event or transaction")


def _buckets(payload: bytes) -> int:
    try:
        return len(_AGGREGATES.decode(payload).aggregates)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 0


def _too_many_entries(containers: Sequence[bytes]) -> bool:
    """Return whether containers hold too many spans or logs altogether."""
    # Every one is an object: almost all are cleared without being decoded.
    if sum(payload.count(b"{") for payload in containers) <= MOST_CONTAINED:
        return False
    return sum(len(_contained(payload)) for payload in containers) > MOST_CONTAINED


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
    make = _MAKERS.get(item.type)
    return [] if make is None else make(item.payload, identity, project, drift_s)


def has_topic(item: Item) -> bool:
    """Return whether :func:`messages_of` makes messages of such an item."""
    return item.type in _MAKERS


def _event(payload: bytes, identity: str, project: str, drift_s: float) -> list[Message]:
    payload = _amended(payload, identity, drift_s)
    return [Message(ERRORS.name, identity.encode(), payload, project)]


def _transaction(payload: bytes, identity: str, project: str, drift_s: float) -> list[Message]:
    payload = _amended(payload, identity, drift_s)
    return [Message(SPANS.name, _key(payload), payload, project)]


def _spans(payload: bytes, _identity: str, project: str, drift_s: float) -> list[Message]:
    payloads = [_shifted(one, drift_s) for one in _contained(payload)]
    return [Message(SPANS.name, _key(one), one, project) for one in payloads]


def _logs(payload: bytes, _identity: str, project: str, drift_s: float) -> list[Message]:
    payloads = [_shifted(one, drift_s) for one in _contained(payload)]
    return [Message(LOGS.name, _named(one, "trace_id"), one, project) for one in payloads]


def _session(payload: bytes, _identity: str, project: str, drift_s: float) -> list[Message]:
    payload = _shifted(payload, drift_s)
    return [Message(SESSIONS.name, _named(payload, "sid"), payload, project)]


def _check_in(payload: bytes, _identity: str, project: str, _drift_s: float) -> list[Message]:
    return [Message(CHECK_INS.name, _named(payload, "monitor_slug"), payload, project)]


def _feedback(payload: bytes, identity: str, project: str, drift_s: float) -> list[Message]:
    payload = _amended(payload, identity, drift_s) if identity else _shifted(payload, drift_s)
    return [Message(FEEDBACK.name, _named(payload, "event_id"), payload, project)]


def _user_report(payload: bytes, _identity: str, project: str, _drift_s: float) -> list[Message]:
    # Its event_id is that of the event it is about.
    return [Message(FEEDBACK.name, _named(payload, "event_id"), payload, project)]


_MAKERS: dict[str, Callable[[bytes, str, str, float], list[Message]]] = {
    "event": _event,
    "transaction": _transaction,
    "span": _spans,
    "log": _logs,
    "session": _session,
    "sessions": _session,
    "check_in": _check_in,
    "feedback": _feedback,
    "user_report": _user_report,
}
"""The items that have a topic."""


def _contained(payload: bytes) -> list[bytes]:
    """Return what a container holds; a payload that is none is one of them, or whatever the worker says it is."""
    try:
        return [bytes(one) for one in _CONTAINER.decode(payload).items]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [payload]


def _key(payload: bytes) -> bytes | None:
    """Return the trace id of a transaction or a span, ``None`` without one."""
    try:
        found = route(payload)
    except ValueError:
        return None
    return found.key if found.topic == SPANS.name else None


def _named(payload: bytes, field: str) -> bytes | None:
    """Return the text of a field as a key, ``None`` without one."""
    try:
        found = _TEXT.decode(_FIELDS.decode(payload)[field])
    except (KeyError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found.encode("utf-8", "replace")[:LONGEST_KEY] or None


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
