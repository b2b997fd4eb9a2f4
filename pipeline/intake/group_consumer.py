"""This worker's member of the consumer group: offsets, seeks, fencing, and from where a partition is read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from faust.types import TP

from pipeline.edges.retry import until_available
from pipeline.errors import Misconfigured, Unavailable
from pipeline.intake.ledger import Ledger, Life
from pipeline.intake.sequence import Begun, Restored, first_to_read
from pipeline.intake.transport import Consumer
from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Source
from pipeline.runtime.metrics import Metrics

log = logging.getLogger(__name__)


class GroupConsumer:
    """This worker's member of the consumer group; topics are named without their prefix.

    Args:
        consumer: returns the group's consumer.
        prefix: what stands before every topic's name in Kafka.
        ledger: which batches were begun.
        blocking: runs what blocks in a thread.
        metrics: where retries and holes in the ledger are counted.
    """

    def __init__(
        self,
        *,
        consumer: Callable[[], Consumer],
        prefix: str,
        ledger: Ledger,
        blocking: Callable[[Callable[[], Any]], Awaitable[Any]],
        metrics: Metrics,
    ) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self._ledger = ledger
        self._blocking = blocking
        self._metrics = metrics

    async def offsets(self, topic: str, partition: int) -> LogOffsets:
        """Return a partition's offsets, however long Kafka is away."""
        tp = self._tp(topic, partition)
        return await until_available(lambda: self._consumer().offsets(tp), self._metrics.retries.labels("kafka").inc)

    async def seek_to(self, topic: str, partition: int, offset: int) -> None:
        """Have a partition read on from an offset, if it is still assigned."""
        await self._consumer().seek_to(self._tp(topic, partition), offset)

    async def start_over(self, topic: str, partition: int, offset: int) -> None:
        """Forget how far a partition is done, which was made again, and have it read from an offset."""
        self._consumer().forget(self._tp(topic, partition))
        await self.seek_to(topic, partition, offset)

    def position(self, topic: str, partition: int) -> int | None:
        """Return the offset from which a partition is read next; ``None`` where that is not settled."""
        return self._consumer().read_position(self._tp(topic, partition))

    def done(self, topic: str, partition: int, next_offset: int) -> None:
        """Say that everything before an offset is done and may be committed."""
        self._consumer().done(self._tp(topic, partition), next_offset)

    def end(self, topic: str, partition: int) -> int | None:
        """Return where a partition's log ended when it was last fetched; ``None`` where it was not fetched yet."""
        return self._consumer().log_end(self._tp(topic, partition))

    def holds(self, generation: int) -> bool:
        """Return whether no other worker can have the partitions of this generation yet."""
        return self._consumer().membership.holds(generation)

    async def held(self, generation: int) -> None:
        """Return when that is known to be so.

        Raises:
            Fenced: the generation is over.
        """
        await self._consumer().membership.held(generation)

    async def restore(self, topic: str, partition: int) -> Restored:
        """Return where a partition is read from, however long the servers are away.

        Raises:
            Misconfigured: the topic was made by something else than ``aftershock migrate``.
        """

        async def once() -> Restored:
            life, offsets = await asyncio.gather(self._life(topic), self.offsets(topic, partition))
            return await self._restored(Source(topic, life.incarnation, partition), life, offsets)

        return await until_available(once, self._metrics.retries.labels("clickhouse").inc)

    async def first_to_read(self, topic: str, partition: int) -> int:
        """Return the offset from which a partition is read of a topic whose batches are not in the ledger."""
        return first_to_read(await self.offsets(topic, partition), None)

    async def incarnation(self, topic: str) -> str:
        """Return which life of a topic this is, however long ClickHouse is away.

        Raises:
            Misconfigured: the topic was made by something else than ``aftershock migrate``.
        """
        retried = self._metrics.retries.labels("clickhouse").inc
        return (await until_available(lambda: self._life(topic), retried)).incarnation

    async def incarnations(self) -> dict[str, str]:
        """Return the present life of every topic.

        Raises:
            Unavailable: ClickHouse does not answer now.
        """
        found: dict[str, str] = await self._blocking(self._ledger.incarnations)
        return found

    async def _restored(self, source: Source, life: Life, offsets: LogOffsets) -> Restored:
        begun = await self._begun(source, 0 if offsets.committed is None else offsets.committed)
        if begun.last is not None and begun.last >= offsets.end:
            raise Unavailable(
                f"{source.topic}-{source.partition} ends at offset {offsets.end}, but {begun.last} was read before: "
                "if the topic was made again, run `aftershock migrate`"
            )
        if begun.last is None and life.follows_another:
            # What was committed was committed of the topic of that name that was there before.
            offsets = offsets._replace(committed=None)
        from_offset = first_to_read(offsets, begun.last)
        if from_offset != offsets.committed:
            begun = await self._begun(source, from_offset)
        if begun.last is not None and begun.before != from_offset - 1 and from_offset > offsets.begin:
            self._note_hole(source, from_offset, begun)
        return Restored(source, from_offset, begun.batches)

    async def _begun(self, source: Source, from_offset: int) -> Begun:
        found: Begun = await self._blocking(lambda: self._ledger.begun(source, from_offset))
        return found

    def _note_hole(self, source: Source, from_offset: int, begun: Begun) -> None:
        if any(batch.first < from_offset for batch in begun.batches):
            return  # a batch that goes on behind the committed offset, which somebody has moved
        self._metrics.ledger_holes.labels(source.topic).inc()
        log.error(
            "%s-%d is committed up to offset %d, but no batch ends before it (the last one before ends at %s): "
            "see `aftershock audit`",
            source.topic,
            source.partition,
            from_offset,
            begun.before,
        )

    async def _life(self, topic: str) -> Life:
        lives: dict[str, Life] = await self._blocking(self._ledger.lives)
        if topic not in lives:
            raise Misconfigured(f"topic {topic} is not known to the ledger: run `aftershock migrate`")
        return lives[topic]

    def _tp(self, topic: str, partition: int) -> TP:
        return TP(self._prefix + topic, partition)
