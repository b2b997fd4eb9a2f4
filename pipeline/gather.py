"""Gather: the records of one partition become batches with fixed boundaries. Pure; time is an argument.

After a crash or a rebalance the partition is read again from the committed offset. Batches that had been begun by
then are formed again with exactly the boundaries they had; what comes after them is gathered anew.

Offsets are committed at the end of a batch only, so a batch that begins before the committed offset, or before the
end of another, was begun by two workers at once, or somebody moved the offset. It keeps its boundaries, and with
them its token, but only those of its records that are not done: had it arrived, its token drops them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from pipeline.records import Batch, Boundaries, Record, Source

ENOUGH = 4
"""The part of a batch's largest size that is worth an insert: a fourth. An insert costs ClickHouse about what 600 rows
do, however few it has."""


class Limits(Struct, frozen=True):
    """When a batch is cut: at so many records or bytes, or so many seconds after its first record came."""

    records: int
    bytes: int
    linger_s: float


class Gatherer:
    """Forms the batches of one partition.

    Args:
        source: the partition.
        committed: the offset from which it is read; everything before is done.
        begun: the batches that hold offsets from there on and were begun before.
        limits: when a new batch is cut.
    """

    def __init__(self, source: Source, committed: int, begun: Sequence[Boundaries], limits: Limits) -> None:
        self.source = source
        self._limits = limits
        self._again = deque(planned(committed, begun))
        self._records: list[Record] = []
        self._bytes = 0
        self._waiting_since: float | None = None
        self.next_offset = committed

    def add(self, records: Sequence[Record], now: float) -> list[Batch]:
        """Take records in the order of their offsets; return the batches that are full with them."""
        full: list[Batch] = []
        for record in records:
            if record.offset < self.next_offset:
                continue
            self.next_offset = record.offset + 1
            full.extend(self._close_before(record.offset))
            if not self._records:
                self._waiting_since = now
            self._records.append(record)
            self._bytes += len(record.value or b"")
            if self._is_full(record.offset):
                full.append(self._cut())
        return full

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of values wait to become a batch."""
        return self._bytes

    def due(self, now: float) -> Batch | None:
        """Return the batch that is large enough or has waited for long enough, if there is one.

        Begun batches wait until they are complete.
        """
        if self._waiting_since is None:
            return None
        limits = self._limits
        enough = len(self._records) * ENOUGH >= limits.records or self._bytes * ENOUGH >= limits.bytes
        if not enough and now - self._waiting_since < limits.linger_s:
            return None
        if self._again and self._records[0].offset >= self._again[0].first:
            return None
        return self._cut()

    def _close_before(self, offset: int) -> list[Batch]:
        """Close what cannot hold this offset: a begun batch that ended before it, or new records before one."""
        closed: list[Batch] = []
        if self._again and self._records and offset >= self._again[0].first > self._records[0].offset:
            closed.append(self._cut())
        while self._again and offset > self._again[0].last:
            if self._records:
                closed.append(self._cut())
            else:
                self._again.popleft()
        return closed

    def _is_full(self, offset: int) -> bool:
        if self._again and self._records[0].offset >= self._again[0].first:
            return offset == self._again[0].last
        return len(self._records) >= self._limits.records or self._bytes >= self._limits.bytes

    def _cut(self) -> Batch:
        begun_before = bool(self._again) and self._records[0].offset >= self._again[0].first
        if begun_before:
            boundaries = self._again.popleft()
        else:
            boundaries = Boundaries(self._records[0].offset, self._records[-1].offset)
        batch = Batch(self.source, boundaries, self._records, begun_before)
        self._records, self._bytes, self._waiting_since = [], 0, None
        return batch


def planned(committed: int, begun: Sequence[Boundaries]) -> list[Boundaries]:
    """Return the batches to be formed again, in order: those that hold offsets that no other before them holds."""
    again: list[Boundaries] = []
    cursor = committed
    for boundaries in sorted(begun):
        if boundaries.last >= cursor:
            again.append(boundaries)
            cursor = boundaries.last + 1
    return again
