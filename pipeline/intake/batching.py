"""Batching: the records of one partition, cut into batches of contiguous offsets. Pure; time is an argument.

Records stay in Kafka's record batches, unopened: where a boundary falls into one, both batches hold it, and each takes
its own records out of it.

After a crash or a rebalance the partition is read again from the committed offset. Batches that the ledger has from
there on are formed again with exactly their boundaries, and with them their deduplication tokens; what comes after them
is cut anew, whatever the limits are by then.

Offsets are committed at the end of a batch only. So a batch that begins before the committed offset, or before the end
of another one, was begun by two workers at once, or somebody has moved the offset. It keeps its boundaries and its
token, and only those of its records that are not done: had it arrived, its token drops them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct

from pipeline.records.record import Boundaries, RawBatch, RecordBatch, Source

ENOUGH = 4
"""The part of a batch's largest size that is worth an insert: a fourth. An insert costs ClickHouse about what 600 rows
do, however few it has."""


class BatchLimits(Struct, frozen=True):
    """When a batch is cut: at so many records or bytes, or so many seconds after its first record came.

    ``bytes`` are those of the record batches as they are held, compressed; ``decompressed_bytes`` those of the records.
    """

    records: int
    bytes: int
    decompressed_bytes: int
    linger_s: float


class Batcher:
    """Forms the batches of one partition.

    The batches that it returns follow each other without a hole: each begins where the one before it ends, so also what
    is known to hold no record (transaction markers, what was compacted away) is in a batch, and the ledger has every
    offset once. Only what has expired in Kafka before it was read is left out (:meth:`skip_expired`).

    Args:
        source: the partition.
        committed: the offset from which it is read; everything before is done.
        begun: the batches that hold offsets from there on and were begun before.
        limits: when a new batch is cut.
    """

    def __init__(self, source: Source, committed: int, begun: Sequence[Boundaries], limits: BatchLimits) -> None:
        self.source = source
        self._limits = limits
        self._again = deque(planned(committed, begun))
        self._held: list[RecordBatch] = []
        self._start = committed
        self._records = self._bytes = self._decompressed = 0
        self._waiting_since: float | None = None
        self.next_offset = committed
        """The offset that is expected next: all before it is in a batch, or held for one."""

    def add(self, record_batches: Iterable[RecordBatch], next_offset: int, now: float) -> list[RawBatch]:
        """Take record batches, in the order of their offsets; return the batches that are full with them.

        Args:
            record_batches: all that the log holds from the expected offset (or before it) up to ``next_offset``.
            next_offset: the offset behind what was read, of which the last ones may hold no record.
            now: seconds on the clock that :meth:`due` is asked with.
        """
        full: list[RawBatch] = []
        for record_batch in record_batches:
            full += self._pass_over(record_batch.first, now)
            while self.next_offset <= record_batch.last:
                self._wait(now)
                self._hold(record_batch)
                if self._is_full():
                    full.append(self._cut())
        return full + self._pass_over(next_offset, now)

    def skip_expired(self, next_offset: int, now: float) -> list[RawBatch]:
        """Go on behind records that Kafka has deleted before they were read; return what is full with that.

        They are in no batch: the ledger shows the hole.
        """
        full: list[RawBatch] = []
        while self.next_offset < next_offset:
            if self._in_begun:  # its boundaries are in the ledger already
                full += self._pass_over(min(next_offset, self._again[0].last + 1), now)
                continue
            if self.next_offset > self._start:
                full.append(self._cut())
            else:
                until = next_offset if not self._again else min(next_offset, self._again[0].first)
                self._start = self.next_offset = until
        return full

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait to become a batch."""
        return self._bytes

    def due(self, now: float) -> RawBatch | None:
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
        """Whether the batch that is being formed was begun before."""
        return bool(self._again) and self._start >= self._again[0].first

    @property
    def _farthest(self) -> int | None:
        """The last offset that the batch that is being formed may have, ``None`` where nothing bounds it."""
        if not self._again:
            return None
        return self._again[0].last if self._in_begun else self._again[0].first - 1

    def _wait(self, now: float) -> None:
        if self._waiting_since is None:
            self._waiting_since = now

    def _pass_over(self, offset: int, now: float) -> list[RawBatch]:
        """Take it that no record lies between the expected offset and this one."""
        full: list[RawBatch] = []
        while self.next_offset < offset:
            self._wait(now)
            farthest = self._farthest
            self.next_offset = offset if farthest is None else min(offset, farthest + 1)
            if farthest is not None and self.next_offset > farthest:
                full.append(self._cut())
        return full

    def _hold(self, record_batch: RecordBatch) -> None:
        """Hold a record batch from the expected offset on, as far as the batch that is being formed may go."""
        first, last, farthest = self.next_offset, record_batch.last, self._farthest
        if farthest is not None:
            last = min(last, farthest)
        if not self._in_begun:
            last = min(last, first + self._limits.records - self._records - 1)
        # One with holes may be cut before its records are as many as may be held: then more of it follows.
        if not self._held or self._held[-1] is not record_batch:
            self._held.append(record_batch)
            self._bytes += len(record_batch.data)
            self._decompressed += record_batch.size
        self._records += min(record_batch.count, last + 1 - first)
        self.next_offset = last + 1

    def _is_full(self) -> bool:
        farthest = self._farthest
        if farthest is not None and self.next_offset > farthest:
            return True
        return not self._in_begun and self._share_of_limits() >= 1

    def _share_of_limits(self) -> float:
        """Return how full the batch is."""
        limits = self._limits
        return max(
            self._records / limits.records, self._bytes / limits.bytes, self._decompressed / limits.decompressed_bytes
        )

    def _cut(self) -> RawBatch:
        begun_before = self._in_begun
        boundaries = self._again.popleft() if begun_before else Boundaries(self._start, self.next_offset - 1)
        batch = RawBatch(self.source, boundaries, self._start, self._held, begun_before)
        self._start = self.next_offset
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


def standing(begun: Iterable[tuple[Boundaries, int]]) -> list[Boundaries]:
    """Return those batches, of all that were begun in some generation, that no later generation has begun otherwise.

    They come and are returned in the order of their offsets. A later generation begins again, with the same boundaries,
    what it finds in the ledger: where its batches differ, the earlier one came too late and was not delivered.
    """
    kept: list[tuple[Boundaries, int]] = []
    for boundaries, generation in begun:
        while kept and kept[-1][0].last >= boundaries.first and kept[-1][1] < generation:
            kept.pop()
        if not kept or kept[-1][0].last < boundaries.first or kept[-1][1] == generation:
            kept.append((boundaries, generation))
    return [boundaries for boundaries, _ in kept]
