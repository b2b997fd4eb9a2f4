"""Intake: fetches in, batches out, a few of them in flight, and offsets committed in order.

One intake serves one topic. Backpressure: while enough batches are in flight it holds back the agent that feeds it, so
memory is bounded whatever the servers do; Kafka keeps the rest.

No hole: of each partition it knows the offset that comes next (the committed one, or the end of what was taken last),
and takes a fetch only if that begins there or before it. A fetch that begins behind it shows that records were read and
lost on the way, by whatever fault: it is refused and counted, and the partition is read again from the expected offset.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from msgspec import Struct

from pipeline.intake.assigned import AssignedPartition, AssignedPartitions
from pipeline.intake.batching import Batcher, BatchLimits
from pipeline.intake.sequence import PartitionConsumer, ReadingSequence, Restored
from pipeline.records.record import Fetch, RawBatch
from pipeline.runtime.metrics import Metrics

log = logging.getLogger(__name__)

TICK_S = 0.05

Deliver = Callable[[RawBatch, "asyncio.Future[None]"], Awaitable[None]]
"""Delivers a batch, and returns when all of it is acknowledged. The future is set when the stages have taken it."""


class IntakeConsumer(PartitionConsumer, Protocol):
    """The group's consumer, and what the ledger says of a partition."""

    async def restore(self, topic: str, partition: int) -> Restored:
        """Return where a partition that was assigned is read from, however long the servers are away."""


class IntakeLimits(Struct, frozen=True):
    """When a batch is cut, how many are delivered at a time, and how many of these may wait for the stages."""

    batch: BatchLimits
    in_flight: int
    in_stages: int


class Pending(Struct, eq=False):
    """A batch in flight: where it ends, and whether it is done."""

    next_offset: int
    task: asyncio.Task[None] | None = None
    done: bool = False


class Feed(AssignedPartition, eq=False, kw_only=True):
    """An assigned partition: what cuts its batches, and which are in flight, oldest first."""

    batcher: Batcher
    in_flight: deque[Pending]


class Intake:
    """Takes the fetches of one topic.

    Args:
        topic: the topic without prefix.
        limits: how large batches become, and how many there are.
        consumer: the group's consumer, and where a partition that was assigned is read from.
        deliver: delivers a batch.
        failed: told when a delivery failed in a way that nobody foresaw; the worker has to stop.
        metrics: what is counted on the way.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        topic: str,
        *,
        limits: IntakeLimits,
        consumer: IntakeConsumer,
        deliver: Deliver,
        failed: Callable[[BaseException], None],
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.topic = topic
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._consumer = consumer
        self._sequence = ReadingSequence(consumer, metrics, topic, clock)
        self._deliver = deliver
        self._failed = failed
        self._clock = clock
        self._feeds = AssignedPartitions(self._begin)
        self._starting = asyncio.Lock()
        self._untaken = 0
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, partition: int, fetch: Fetch) -> None:
        """Take one fetch; returns when there is room for the next one, or when the partition was released meanwhile.

        A fetch of a new generation of the consumer group means that the partition is read again, from where it was
        committed; one of an old generation is nobody's any more.
        """
        feed = await self.open(partition, fetch.generation)
        if fetch.end < feed.batcher.next_offset:
            # The log is shorter than what was read of it: the topic was made again, or cut off.
            feed = await self._feeds.read_anew(feed, fetch.generation)
        if feed.revoked or feed.generation != fetch.generation:
            return
        if fetch.start > feed.batcher.next_offset and not await self._follows_on(feed, partition, fetch):
            return
        async with self._starting:
            for batch in feed.batcher.add(fetch.record_batches, fetch.next_offset, self._clock()):
                await self._start(feed, batch)

    async def open(self, partition: int, generation: int) -> Feed:
        """Begin to read a partition that was assigned in a generation, unless it is read in that one already."""
        return await self._feeds.read(partition, generation)

    async def renew(self, incarnation: str) -> None:
        """Begin anew with the partitions that are read as those of an earlier life of the topic: it was made again."""
        for feed in self._feeds.all():
            if feed.batcher.source.incarnation != incarnation:
                anew = await self._feeds.read_anew(feed, feed.generation)
                await self._sequence.start_over(anew.partition, anew.batcher.next_offset)

    async def _follows_on(self, feed: Feed, partition: int, fetch: Fetch) -> bool:
        """Say whether a fetch may be taken though it begins behind the expected offset; seek back where it may not."""
        begin = await self._sequence.expired(partition, feed.batcher.next_offset)
        async with self._starting:
            for batch in feed.batcher.skip_expired(begin, self._clock()):
                await self._start(feed, batch)
        if fetch.start <= feed.batcher.next_offset:
            return True
        await self._sequence.seek_back(partition, feed.batcher.next_offset, fetch.start)
        return False

    async def look_after(self, generation: int) -> None:
        """Seek back partitions of this generation that are read on behind what is expected, and no fetch shows it."""
        for feed in self._feeds.all():
            if feed.generation == generation and not self._starting.locked():
                await self._sequence.look_after(feed.partition, feed.batcher.next_offset)

    async def cut_due(self) -> None:
        """Cut the batches that are due, the largest first, for ever: whenever there is room, or every 50 milliseconds.

        Not while another batch waits for the stages or too many are in flight: it would not be delivered any sooner,
        and may as well grow. So batches are as large as the load makes them: an insert of many rows costs less a row.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), TICK_S)
            self._room.clear()
            # Not while a fetch is being taken: its batches come first, and batches must start in their order.
            async with self._starting:
                for feed in sorted(self._feeds.all(), key=lambda feed: -feed.batcher.waiting_bytes):
                    if self._slots.locked() or self._untaken >= self._limits.in_stages:
                        break
                    batch = feed.batcher.due(self._clock())
                    if batch is not None:
                        await self._start(feed, batch)

    async def release(self, partitions: Iterable[int], grace_s: float) -> None:
        """Forget partitions that were revoked, and end what is in flight of them.

        It may take ``grace_s`` seconds to become done by itself; what is not done by then is given up, so that it
        does not go on beside the worker that does it again.
        """
        revoked = self._feeds.revoke(partitions)
        tasks = {pending.task for feed in revoked for pending in feed.in_flight if pending.task}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()

    async def drain(self) -> None:
        """Wait until nothing is in flight."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    @property
    def in_flight(self) -> int:
        """How many batches are being delivered."""
        return len(self._tasks)

    async def _begin(self, partition: int, generation: int, earlier: Feed | None) -> Feed:
        """Begin to read a partition, as the ledger says it was left."""
        if earlier is not None:
            # What it has in flight will be in the ledger, or will not be: not while that is being read.
            tasks = [pending.task for pending in earlier.in_flight if pending.task]
            await asyncio.gather(*tasks, return_exceptions=True)
        source, from_offset, begun = await self._consumer.restore(self.topic, partition)
        if begun:
            log.info("%s-%d: from offset %d, %d batches to do again", self.topic, partition, from_offset, len(begun))
        batcher = Batcher(source, from_offset, begun, self._limits.batch)
        return Feed(partition=partition, generation=generation, batcher=batcher, in_flight=deque())

    async def _start(self, feed: Feed, batch: RawBatch) -> None:
        """Start to deliver a batch when there is room; called with :attr:`_starting` held."""
        await self._slots.acquire()
        if feed.revoked:
            self._slots.release()
            return
        batch.generation = feed.generation
        pending = Pending(batch.boundaries.last + 1)
        feed.in_flight.append(pending)
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        taken.add_done_callback(self._was_taken)
        self._untaken += 1
        task = asyncio.create_task(self._run(feed, batch, pending, taken))
        pending.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _was_taken(self, _taken: asyncio.Future[None]) -> None:
        self._untaken -= 1
        self._room.set()

    async def _run(self, feed: Feed, batch: RawBatch, pending: Pending, taken: asyncio.Future[None]) -> None:
        try:
            await self._deliver(batch, taken)
        except Exception as error:  # noqa: BLE001  whatever it is, nothing may be committed past this batch
            self._failed(error)
            return
        finally:
            taken.cancel()  # if it did not come so far
            self._slots.release()
            self._room.set()
        pending.done = True
        next_offset = None
        while feed.in_flight and feed.in_flight[0].done:
            next_offset = feed.in_flight.popleft().next_offset
        if next_offset is not None:
            self._consumer.done(self.topic, feed.partition, next_offset)
