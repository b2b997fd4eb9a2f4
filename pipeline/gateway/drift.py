"""Clock drift: the times of a client whose clock is wrong, corrected by when it says it sent the envelope. Pure.

``sent_at`` is read from the same clock as the times in the payloads, so the difference between it and the moment of
arrival is the clock's error, give or take the network. Small differences are the network's and are left alone, and so
almost every payload passes without being touched. See
https://develop.sentry.dev/sdk/foundations/transport/envelopes/#envelope-headers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw

SMALLEST_S = 55.0
"""Differences below this are taken for the network's. Relay has the same bound (``MINIMUM_CLOCK_DRIFT``)."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is not JSON, not UTF-8, or nested too deeply."""

Fields = dict[str, Raw]

_TIMES = ("timestamp", "start_timestamp", "end_timestamp", "started")
_INSIDE = ("breadcrumbs", "spans", "aggregates")
_VALUE = msgspec.json.Decoder(Any)
_FIELDS = msgspec.json.Decoder(Fields)
_LIST = msgspec.json.Decoder(list[Fields])


def drift_s(sent_at: Any, received_s: float) -> float:
    """Return how many seconds have to be added to the client's times; 0 where there is nothing to correct."""
    sent = _seconds(sent_at)
    if sent is None or abs(received_s - sent) < SMALLEST_S:
        return 0.0
    return received_s - sent


def shift(fields: Fields, by_s: float) -> None:
    """Add seconds to every time of an event, a span, a log or a session, in its breadcrumbs, spans, aggregates too."""
    _shift_times(fields, by_s)
    for name in _INSIDE:
        value = fields.get(name)
        if value is None:
            continue
        try:
            fields[name] = Raw(_shift_inside(value, by_s))
        except UNREADABLE:
            continue


def _shift_inside(value: Raw, by_s: float) -> bytes:
    if bytes(value).startswith(b"["):
        return _shift_list(value, by_s)
    around = _FIELDS.decode(value)
    if "values" in around:
        around["values"] = Raw(_shift_list(around["values"], by_s))
    return msgspec.json.encode(around)


def _shift_list(value: Raw, by_s: float) -> bytes:
    entries = _LIST.decode(value)
    for entry in entries:
        _shift_times(entry, by_s)
    return msgspec.json.encode(entries)


def _shift_times(fields: Fields, by_s: float) -> None:
    for name in _TIMES:
        if name in fields:
            seconds = _read(fields[name])
            if seconds is not None:
                fields[name] = Raw(msgspec.json.encode(round(seconds + by_s, 6)))


def _read(value: Raw) -> float | None:
    """Return a field as seconds since 1970; ``None`` for what is no time, which the worker mends."""
    try:
        return _seconds(_VALUE.decode(value))
    except UNREADABLE:
        return None


def _seconds(value: Any) -> float | None:
    """Return a time, seconds since 1970 or ISO 8601 in UTC unless it says otherwise, as seconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        if not isinstance(value, str):
            return float(value)
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
