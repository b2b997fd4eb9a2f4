"""What a reader of a topic asks of its partitions in Kafka, and how a partition begins to be read when it is assigned.

The consumer's position is moved by polls whose records may never arrive, so nothing is derived from it. Reading begins
at the offset that Kafka and the ledger agree on, and goes on without a hole; see :mod:`pipeline.intake.intake`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Boundaries, Source
from pipeline.runtime.metrics import Metrics

log = logging.getLogger(__name__)

ASTRAY_S = 5.0
"""How long a partition is left alone that is read on behind the expected offset while nothing is on its way."""


class Begun(NamedTuple):
    """What the ledger has of a partition.

    ``batches`` are those that were begun and hold offsets from some offset on, ``before`` is the last offset before it
    that is in a batch, and ``last`` the last of all; ``None`` where there is none.
    """

    batches: list[Boundaries]
    before: int | None
    last: int | None


class Restored(NamedTuple):
    """Where an assigned partition is read from: everything before is done. ``begun`` batches are formed again."""

    source: Source
    from_offset: int
    begun: list[Boundaries]


class PartitionConsumer(Protocol):
    """The group's consumer, as a reader of one topic sees it; topics are named without their prefix."""

    async def offsets(self, topic: str, partition: int) -> LogOffsets:
        """Return a partition's offsets, however long Kafka is away."""

    async def seek_to(self, topic: str, partition: int, offset: int) -> None:
        """Have a partition read on from an offset, if it is still assigned."""

    async def start_over(self, topic: str, partition: int, offset: int) -> None:
        """Forget how far a partition is done, which was made again, and have it read from an offset."""

    def position(self, topic: str, partition: int) -> int | None:
        """Return the offset from which a partition is read next; ``None`` where that is not settled."""

    def done(self, topic: str, partition: int, next_offset: int) -> None:
        """Say that everything before an offset is done and may be committed."""


def first_to_read(offsets: LogOffsets, last_in_ledger: int | None) -> int:
    """Return the offset from which a partition is read.

    That is the committed one. Where it lies behind the end of the log, somebody has moved it, or the log was cut off:
    then the ledger says how far the partition is done.
    """
    if offsets.committed is None:
        return offsets.begin
    if offsets.committed <= offsets.end:
        return offsets.committed
    return offsets.begin if last_in_ledger is None else max(last_in_ledger + 1, offsets.begin)


class ReadingSequence:
    """Sees to it that one partition after the other is read without a hole, and says so where it was not.

    Args:
        consumer: the group's consumer.
        metrics: where fetches that were refused, and records that expired, are counted.
        topic: the topic without prefix.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, consumer: PartitionConsumer, metrics: Metrics, topic: str, clock: Callable[[], float]) -> None:
        self._consumer = consumer
        self._metrics = metrics
        self._topic = topic
        self._clock = clock
        self._astray: dict[int, tuple[int, float]] = {}

    async def seek_back(self, partition: int, expected: int, found: int) -> None:
        """Have a partition read again from the expected offset, where reading went on at another one."""
        self._metrics.out_of_sequence.labels(self._topic).inc()
        log.warning(
            "%s-%d: offset %d was expected and %d read: reading again from there",
            self._topic,
            partition,
            expected,
            found,
        )
        await self._consumer.seek_to(self._topic, partition, expected)

    async def start_over(self, partition: int, offset: int) -> None:
        """Have a partition of a topic that was made again read from an offset of its present life."""
        log.warning("%s-%d was made again: reading from offset %d", self._topic, partition, offset)
        await self._consumer.start_over(self._topic, partition, offset)

    async def expired(self, partition: int, expected: int) -> int:
        """Return the expected offset, or the first that Kafka still has if it is a later one; say what is lost then."""
        begin = (await self._consumer.offsets(self._topic, partition)).begin
        if begin <= expected:
            return expected
        self._metrics.expired.labels(self._topic).inc(begin - expected)
        log.error(
            "%s-%d: offsets %d to %d expired in Kafka before they were read: keep topics for longer than any outage",
            self._topic,
            partition,
            expected,
            begin - 1,
        )
        return begin

    async def look_after(self, partition: int, expected: int) -> None:
        """Seek back where a partition is read on behind the expected offset though no fetch says so.

        Where the last records of a partition were read and lost on the way, no fetch follows that could show it. To be
        called every second or so while nothing that was read is on its way; it acts when it has found the same for
        :data:`ASTRAY_S`.
        """
        position = self._consumer.position(self._topic, partition)
        if position is None or position <= expected:
            self._astray.pop(partition, None)
            return
        seen, since = self._astray.setdefault(partition, (expected, self._clock()))
        if seen != expected:
            self._astray[partition] = (expected, self._clock())
        elif self._clock() - since >= ASTRAY_S:
            del self._astray[partition]
            await self.seek_back(partition, expected, position)
