"""Gather: what was read of one partition becomes batches with fixed boundaries. Pure; time is an argument.

What is read are Kafka's record batches, which stay as they are: where a boundary falls into one, both batches hold it,
and each takes the records that are its own.

After a crash or a rebalance the partition is read again from the committed offset. Batches that had been begun by
then are formed again with exactly the boundaries they had; what comes after them is gathered anew.

Offsets are committed at the end of a batch only, so a batch that begins before the committed offset, or before the
end of another, was begun by two workers at once, or somebody moved the offset. It keeps its boundaries, and with
them its token, but only those of its records that are not done: had it arrived, its token drops them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct

from pipeline.records import Boundaries, GatheredBatch, RecordBatch, Source

ENOUGH = 4
"""The part of a batch's largest size that is worth an insert: a fourth. An insert costs ClickHouse about what 600 rows
do, however few it has."""


class Limits(Struct, frozen=True):
    """When a batch is cut: at so many records or bytes, or so many seconds after its first record came.

    ``bytes`` are those of the record batches as they are held, compressed; ``decompressed_bytes`` those of the records.
    """

    records: int
    bytes: int
    decompressed_bytes: int
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
        self._held: list[RecordBatch] = []
        self._start = self._records = self._bytes = self._decompressed = 0
        self._waiting_since: float | None = None
        self.next_offset = committed

    def add(self, record_batches: Iterable[RecordBatch], now: float) -> list[GatheredBatch]:
        """Take record batches in the order of their offsets; return the batches that are full with them."""
        full: list[GatheredBatch] = []
        for record_batch in record_batches:
            while self.next_offset <= record_batch.last:
                first = max(self.next_offset, record_batch.first)
                full += self._close_before(first)
                if not self._held:
                    self._start, self._waiting_since = first, now
                self._hold(record_batch, first)
                if self._is_full():
                    full.append(self._cut())
        return full

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait to become a batch."""
        return self._bytes

    def due(self, now: float) -> GatheredBatch | None:
        """Return the batch that is large enough or has waited for long enough, if there is one.

        Begun batches wait until they are complete.
        """
        if self._waiting_since is None or self._in_begun:
            return None
        enough = self._share_of_limits() * ENOUGH >= 1
        if not enough and now - self._waiting_since < self._limits.linger_s:
            return None
        return self._cut()

    @property
    def _in_begun(self) -> bool:
        """Whether what is held is of a begun batch."""
        return self._waiting_since is not None and bool(self._again) and self._start >= self._again[0].first

    def _close_before(self, offset: int) -> list[GatheredBatch]:
        """Close what cannot hold this offset: a begun batch that ended before it, or new records before one."""
        closed: list[GatheredBatch] = []
        if self._again and self._held and offset >= self._again[0].first > self._start:
            closed.append(self._cut())
        while self._again and offset > self._again[0].last:
            if self._held:
                closed.append(self._cut())
            else:
                self._again.popleft()
        return closed

    def _hold(self, record_batch: RecordBatch, first: int) -> None:
        """Hold a record batch from an offset on, as far as the batch that is being formed may go."""
        last = record_batch.last
        if self._in_begun:
            last = min(last, self._again[0].last)
        else:
            last = min(last, first + self._limits.records - self._records - 1)
            if self._again:
                last = min(last, self._again[0].first - 1)
        # One with holes may be cut before its records are as many as may be held: then more of it follows.
        if not self._held or self._held[-1] is not record_batch:
            self._held.append(record_batch)
            self._bytes += len(record_batch.data)
            self._decompressed += record_batch.size
        self._records += min(record_batch.count, last + 1 - first)
        self.next_offset = last + 1

    def _is_full(self) -> bool:
        if self._in_begun:
            return self.next_offset > self._again[0].last
        return self._share_of_limits() >= 1

    def _share_of_limits(self) -> float:
        """Return how full the batch is."""
        limits = self._limits
        return max(
            self._records / limits.records, self._bytes / limits.bytes, self._decompressed / limits.decompressed_bytes
        )

    def _cut(self) -> GatheredBatch:
        begun_before = self._in_begun
        boundaries = self._again.popleft() if begun_before else Boundaries(self._start, self.next_offset - 1)
        batch = GatheredBatch(self.source, boundaries, self._start, self._held, begun_before)
        self._held, self._waiting_since = [], None
        self._records = self._bytes = self._decompressed = 0
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
