"""Usage: how much every key and project has sent this day, month and hour, through all gateways together. Pure.

Each process counts for itself and tells the others every few seconds by a message on the compacted topic ``usage``: its
own counts, whole, under a key that is its own. What the others told is added to what was counted here. So a sum is
exact but for what the others took since they last told, and it outlives every process, because the topic keeps the last
word of each; a process that is killed takes the counts of its last few seconds with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from pipeline.gateway.items import Message
from schemas.topics import USAGE

HOUR_S = 3600
DAY_S = 24 * HOUR_S
HOURS_KEPT = 25
"""The hour that is now, and the day before it."""

Scope = str
"""Whose usage: ``key:<public key>`` or ``project:<name>``."""

Window = str
"""Which time: ``h`` and the hours since 1970, ``d`` and the days since 1970, ``m``, the year and the month."""

Counts = dict[str, dict[Window, int]]
"""By category, then by window."""


class _Told(Struct):
    counts: Counts


_DECODER = msgspec.json.Decoder(_Told)
_encode = msgspec.json.Encoder().encode


class Usage:
    """The counts of this process and of all others."""

    def __init__(self) -> None:
        self.process = uuid.uuid4().hex
        self._own: dict[Scope, Counts] = {}
        self._others: dict[bytes, tuple[Scope, Counts]] = {}
        self._sums: dict[tuple[Scope, str, Window], int] = {}
        self._untold: set[Scope] = set()

    def add(self, scope: Scope, category: str, windows: Iterable[Window], quantity: int) -> None:
        """Count items."""
        counts = self._own.setdefault(scope, {}).setdefault(category, {})
        for window in windows:
            counts[window] = counts.get(window, 0) + quantity
        self._untold.add(scope)

    def total(self, scope: Scope, category: str, window: Window) -> int:
        """Return how many items all gateways have counted."""
        own = self._own.get(scope, {}).get(category, {}).get(window, 0)
        return own + self._sums.get((scope, category, window), 0)

    def learn(self, key: bytes, value: bytes | None) -> None:
        """Take note of what a process told; nothing tells that its counts are of the past."""
        process, _, scope = key.decode("utf-8", "replace").partition("/")
        if process == self.process:
            return
        self._forget(key)
        try:
            told = _DECODER.decode(value) if value else None
        except msgspec.MsgspecError:
            return
        if told is not None:
            self._others[key] = (scope, told.counts)
            self._add_up(scope, told.counts, 1)

    def tell(self, now_s: float) -> list[Message]:
        """Return what the others have to be told: counts that changed, and whose are of the past altogether."""
        current = windows_kept(now_s)
        self._drop_past(current)
        messages = [
            Message(USAGE.name, f"{self.process}/{scope}".encode(), _encode(_Told(self._own[scope])), "")
            for scope in self._untold
            if scope in self._own
        ]
        self._untold.clear()
        past = [key for key, (_, counts) in self._others.items() if not _has_any(counts, current)]
        for key in past:
            self._forget(key)
        return [*messages, *(Message(USAGE.name, key, b"", "") for key in past)]

    def tell_again(self, messages: Iterable[Message]) -> None:
        """Note that these could not be told."""
        for message in messages:
            process, _, scope = (message.key or b"").decode().partition("/")
            if process == self.process:
                self._untold.add(scope)

    def _forget(self, key: bytes) -> None:
        known = self._others.pop(key, None)
        if known is not None:
            self._add_up(*known, -1)

    def _add_up(self, scope: Scope, counts: Counts, sign: int) -> None:
        for category, window, count in _each(counts):
            place = (scope, category, window)
            left = self._sums.get(place, 0) + sign * count
            if left:
                self._sums[place] = left
            else:
                self._sums.pop(place, None)

    def _drop_past(self, current: frozenset[Window]) -> None:
        for scope, counts in list(self._own.items()):
            for category, by_window in list(counts.items()):
                for window in [window for window in by_window if window not in current]:
                    del by_window[window]
                if not by_window:
                    del counts[category]
            if not counts:
                del self._own[scope]


def hour(now_s: float) -> int:
    """Return the hours since 1970."""
    return int(now_s // HOUR_S)


def hour_window(number: int) -> Window:
    """Return the window of an hour, counted from 1970."""
    return f"h{number}"


def day_window(now_s: float) -> Window:
    """Return the day, in UTC."""
    return f"d{int(now_s // DAY_S)}"


def month_window(now_s: float) -> Window:
    """Return the month, in UTC."""
    return datetime.fromtimestamp(now_s, UTC).strftime("m%Y%m")


def windows_kept(now_s: float) -> frozenset[Window]:
    """Return the windows that are still of use."""
    hours = {hour_window(hour(now_s) - back) for back in range(HOURS_KEPT)}
    return frozenset({*hours, day_window(now_s), month_window(now_s)})


def _each(counts: Mapping[str, Mapping[Window, int]]) -> Iterator[tuple[str, Window, int]]:
    for category, by_window in counts.items():
        for window, count in by_window.items():
            yield category, window, count


def _has_any(counts: Mapping[str, Mapping[Window, int]], windows: frozenset[Window]) -> bool:
    return any(window in windows for _, window, _ in _each(counts))
