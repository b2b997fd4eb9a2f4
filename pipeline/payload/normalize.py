"""Normalise: one meaning for what SDKs spell in several ways (times, ids, levels, environments).

Nothing here looks at more than the event it is given; the same event always normalises to the same values.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import xxhash

DEFAULT_ENVIRONMENT = "production"
"""What an event without an environment belongs to; SDKs fill in the same."""
DEFAULT_PROJECT = "default"

MOST_LATE_MS = 30 * 24 * 60 * 60 * 1000
MOST_EARLY_MS = 60 * 1000
"""How far a client's clock may be behind or ahead of Kafka's before its time is not believed any more.

The figures are those of Sentry's ingestion (30 days back, one minute ahead), so that moving over changes nothing:
https://develop.sentry.dev/sdk/data-model/event-payloads/#required-attributes
"""
MOST_WEIGHT = 1_000_000
"""The most events that a producer may say one of its events stands for."""
_EARLIEST_S = -2_208_988_800.0  # 1900-01-01, ClickHouse's DateTime64 begins there
_LATEST_S = 10_413_791_999.0  # 2299-12-31

_LEVELS = {
    "fatal": "fatal",
    "critical": "fatal",
    "error": "error",
    "warning": "warning",
    "warn": "warning",
    "info": "info",
    "log": "info",
    "debug": "debug",
    "trace": "debug",
}
_HEX_DIGITS = "0123456789abcdef"


def milliseconds(value: float | str | None) -> int | None:
    """Return a timestamp, as :func:`seconds` takes it, in milliseconds; ``None`` if it is none."""
    found = seconds(value)
    return None if found is None else int(found * 1000)


def seconds(value: float | str | None) -> float | None:
    """Return a timestamp (seconds since 1970, or RFC 3339 text) in seconds; ``None`` if it is neither.

    Text without an offset is UTC, as SDKs mean it. The result lies between 1900 and 2299, and is exact to the
    microsecond.
    """
    found: Any = value  # an integer of hundreds of digits is no float, where this is compiled
    if isinstance(found, str):
        try:
            parsed = datetime.fromisoformat(found.strip())
        except ValueError:
            found = _number(found)
        else:
            found = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    return None if found is None else _bounded(found)


def _bounded(value: Any) -> float:
    """Return a number of seconds, or the nearest between 1900 and 2299."""
    if value >= _LATEST_S:
        return _LATEST_S
    return float(value) if value > _EARLIEST_S else _EARLIEST_S


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if found == found else None


def clamp(timestamp_ms: int | None, received_ms: int) -> int:
    """Return the time an event is filed under: its own, or Kafka's when its own is missing or astray."""
    if timestamp_ms is None or not received_ms - MOST_LATE_MS <= timestamp_ms <= received_ms + MOST_EARLY_MS:
        return received_ms
    return timestamp_ms


def event_id(sent: str | None, topic: str, partition: int, offset: int) -> str:
    """Return the event id as 32 hexadecimal digits; one that is missing or no UUID is derived from the offset."""
    if sent:
        text = sent.replace("-", "").lower()
        if len(text) == 32 and not text.strip(_HEX_DIGITS):
            return text
    return xxhash.xxh3_128_hexdigest(f"{topic}/{partition}/{offset}".encode())


def level(sent: str | None) -> str:
    """Return one of ``fatal``, ``error``, ``warning``, ``info``, ``debug``; ``error`` for anything else."""
    return _LEVELS.get(sent.lower(), "error") if sent else "error"


def text(value: str | float | None, limit: int = 200) -> str:
    """Return a scalar as text, without blanks around it and not longer than ``limit`` characters."""
    if value is None:
        return ""
    return str(value).strip()[:limit]


def weight(sent: str) -> int | float:
    """Return how many events one stands for, where its producer sampled: a number from 1 to a million, else 1."""
    if not sent:
        return 1
    try:
        found = float(sent)
    except ValueError:
        return 1
    if not 1 <= found <= MOST_WEIGHT:
        return 1
    return int(found) if found.is_integer() else found
