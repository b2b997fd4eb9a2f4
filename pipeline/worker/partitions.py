"""The partitions that the group's coordinator has assigned: read from the first moment, watched, and given up."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import faust
from faust.types import TP

from pipeline.counts.consumer import CountsConsumer
from pipeline.errors import Unavailable
from pipeline.intake.group_consumer import GroupConsumer
from pipeline.intake.intake import Intake
from pipeline.intake.transport import topic_partitions
from pipeline.worker.failure import Failure
from schemas.topics import COUNTS

TICK_S = 1.0
LIVES_EVERY = 5
"""Every so many ticks it is looked whether a topic was made again."""


class Partitions:
    """The partitions of all topics that this worker reads.

    Args:
        app: the Faust app.
        consumer: this worker's member of the group.
        intakes: the intakes by topic.
        counts: the consumer of ``counts``.
        failure: ends the worker.
        prefix: what stands before every topic's name in Kafka.
        grace_s: how long what is in flight of revoked partitions may take to become done.
    """

    def __init__(
        self,
        app: faust.App,
        consumer: GroupConsumer,
        intakes: Mapping[str, Intake],
        counts: CountsConsumer,
        failure: Failure,
        *,
        prefix: str,
        grace_s: float,
    ) -> None:
        self._app = app
        self._consumer = consumer
        self._intakes = intakes
        self._counts = counts
        self._failure = failure
        self._prefix = prefix
        self._grace_s = grace_s

    async def look_after(self) -> None:
        """Begin to read what is assigned, also where no record comes, and see to it that nothing is passed over."""
        for number in itertools.count(1):
            await asyncio.sleep(TICK_S)
            await self._failure.guard(self._look_once())
            if number % LIVES_EVERY == 0:
                await self._failure.guard(self._look_for_new_lives())

    async def tick(self) -> None:
        """Let time pass for the windows."""
        if not self._reading:
            return
        for partition in self._assigned(COUNTS.name):
            await self._failure.guard(self._counts.open(partition, self._app.consumer_generation_id))
        await self._failure.guard(self._counts.tick(self._counts_waiting))

    async def give_up(self, _app: faust.App, revoked: set[TP], **_kwargs: Any) -> None:
        """End what is in flight of revoked partitions; Faust calls it before the group's next generation begins."""
        releases = [
            intake.release(topic_partitions(revoked, self._prefix + topic), self._grace_s)
            for topic, intake in self._intakes.items()
        ]
        counts = topic_partitions(revoked, self._prefix + COUNTS.name)
        await asyncio.gather(*releases, self._counts.release(counts, self._grace_s))

    async def drain(self) -> None:
        """Let what is in flight become done, so that the next worker does not have to do it again."""
        drained = asyncio.gather(*(intake.drain() for intake in self._intakes.values()))
        with suppress(TimeoutError):
            await asyncio.wait_for(drained, self._grace_s)

    async def _look_once(self) -> None:
        generation = self._app.consumer_generation_id
        if not self._reading:
            return
        assigned = {topic: self._assigned(topic) for topic in self._intakes}
        for topic, intake in self._intakes.items():
            for partition in assigned[topic]:
                if self._app.consumer_generation_id == generation and self._reading:
                    await intake.open(partition, generation)
        if self._reading and not self._app.consumer.handing_over:
            for intake in self._intakes.values():
                await intake.look_after(generation)
            await self._counts.look_after(generation)

    async def _look_for_new_lives(self) -> None:
        """See whether topics were made again while they are read."""
        with suppress(Unavailable):
            for topic, incarnation in (await self._consumer.incarnations()).items():
                if topic in self._intakes:
                    await self._intakes[topic].renew(incarnation)

    def _assigned(self, topic: str) -> list[int]:
        return topic_partitions(self._app.consumer.assignment(), self._prefix + topic)

    def _counts_waiting(self, partition: int) -> bool:
        """Say whether messages of a counts partition are known to be there that were not applied yet."""
        end = self._consumer.end(COUNTS.name, partition)
        applied = self._counts.next_offset(partition)
        return end is None or applied is None or applied < end

    @property
    def _reading(self) -> bool:
        return not self._app.rebalancing and self._app.consumer.flow_active
