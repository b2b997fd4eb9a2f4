"""Intake: whole fetches in, batches out, a few of them in flight, and progress reported in order.

One intake serves one topic. It holds back the agent that feeds it while enough batches are in flight, so memory
is bounded whatever the servers do; Kafka keeps the rest.

No hole: of each partition it knows the offset that comes next (the committed one, or the end of what was gathered
last), and takes a fetch only if that begins there or before it. A fetch that begins behind it shows that records were
read and lost on the way, by whatever fault: it is refused and counted, and the partition is read again from the
expected offset.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from pipeline.intake.batching import Gatherer, Limits
from pipeline.intake.sequence import ReadingSequence, Restored
from pipeline.records.record import Fetch, GatheredBatch

log = logging.getLogger(__name__)

TICK_S = 0.05

Deliver = Callable[[GatheredBatch, Awaitable[None], "asyncio.Future[None]", "asyncio.Future[None]"], Awaitable[None]]


class Pending(Struct, eq=False):
    """A batch in flight: where it ends, and whether it is done."""

    next_offset: int
    task: asyncio.Task[None] | None = None
    done: bool = False


class Feed(Struct, eq=False):
    """One assigned partition: what gathers its batches, and which are in flight, oldest first.

    ``released`` is set when the partition was given away: nothing more of it may be begun, because the worker that
    has it now has read the ledger already.
    """

    generation: int
    gatherer: Gatherer
    in_flight: deque[Pending]
    counts_sent: asyncio.Future[None]
    released: bool = False


class Intake:
    """Takes the fetches of one topic.

    Args:
        topic: the topic without prefix.
        limits: when a batch is cut.
        most_in_flight: how many batches are delivered at a time.
        sequence: has a partition read again where a fetch does not follow on.
        restore: returns where a partition that was assigned is read from.
        deliver: delivers a batch; must not return before all of it is acknowledged. The futures it is given are for
            the counts and for the stages: see :meth:`pipeline.store.deliver.Delivery.deliver`.
        done: told how far a partition is done, in order.
        failed: told when a delivery failed in a way that nobody foresaw; the worker has to stop.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        topic: str,
        *,
        limits: Limits,
        most_in_flight: int,
        most_in_stages: int,
        sequence: ReadingSequence,
        restore: Callable[[int], Awaitable[Restored]],
        deliver: Deliver,
        done: Callable[[int, int], None],
        failed: Callable[[BaseException], None],
        clock: Callable[[], float],
    ) -> None:
        self.topic = topic
        self._limits = limits
        self._most_in_stages = most_in_stages
        self._slots = asyncio.Semaphore(most_in_flight)
        self._sequence = sequence
        self._restore = restore
        self._deliver = deliver
        self._done = done
        self._failed = failed
        self._clock = clock
        self._feeds: dict[int, Feed] = {}
        self._releases: Counter[int] = Counter()
        self._starting = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._untaken = 0
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, partition: int, fetch: Fetch) -> None:
        """Take one fetch; returns when there is room for the next one, or when the partition was released meanwhile.

        A fetch of a new generation of the consumer group means that the partition is read again, from where it was
        committed; one of an old generation is nobody's any more.
        """
        feed = await self.open(partition, fetch.generation)
        if fetch.end < feed.gatherer.next_offset:
            # The log is shorter than what was read of it: the topic was made again, or cut off.
            feed = await self._reopen(partition, feed, fetch.generation)
        if feed.released or feed.generation != fetch.generation:
            return
        if fetch.start > feed.gatherer.next_offset and not await self._follows_on(feed, partition, fetch):
            return
        async with self._starting:
            for batch in feed.gatherer.add(fetch.record_batches, fetch.next_offset, self._clock()):
                await self._start(feed, batch)

    async def open(self, partition: int, generation: int) -> Feed:
        """Begin to read a partition that was assigned in a generation, unless it is read in that one already."""
        async with self._opening:
            feed = self._feeds.get(partition)
            if feed is None or feed.generation < generation:
                feed = await self._open(partition, generation)
            return feed

    async def renew(self, incarnation: str) -> None:
        """Begin anew with the partitions that are read as those of an earlier life of the topic: it was made again."""
        for partition, feed in list(self._feeds.items()):
            if feed.gatherer.source.incarnation != incarnation:
                feed = await self._reopen(partition, feed, feed.generation)
                await self._sequence.start_over(partition, feed.gatherer.next_offset)

    async def _reopen(self, partition: int, feed: Feed, generation: int) -> Feed:
        async with self._opening:
            if self._feeds.get(partition) is feed:
                feed = await self._open(partition, generation)
            return feed

    async def _follows_on(self, feed: Feed, partition: int, fetch: Fetch) -> bool:
        """Say whether a fetch may be taken though it begins behind the expected offset; seek back where it may not."""
        begin = await self._sequence.expired(partition, feed.gatherer.next_offset)
        async with self._starting:
            for batch in feed.gatherer.skip_expired(begin, self._clock()):
                await self._start(feed, batch)
        if fetch.start <= feed.gatherer.next_offset:
            return True
        await self._sequence.seek_back(partition, feed.gatherer.next_offset, fetch.start)
        return False

    async def look_after(self, generation: int) -> None:
        """Seek back partitions of this generation that are read on behind what is expected, and no fetch shows it."""
        for partition, feed in list(self._feeds.items()):
            if feed.generation == generation and not self._starting.locked():
                await self._sequence.look_after(partition, feed.gatherer.next_offset)

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
                for feed in sorted(self._feeds.values(), key=lambda feed: -feed.gatherer.waiting_bytes):
                    if self._slots.locked() or self._untaken >= self._most_in_stages:
                        break
                    batch = feed.gatherer.due(self._clock())
                    if batch is not None:
                        await self._start(feed, batch)

    async def release(self, partitions: Iterable[int], grace_s: float) -> None:
        """Forget partitions that were revoked, and end what is in flight of them.

        It may take ``grace_s`` seconds to become done by itself; what is not done by then is given up, so that it
        does not go on beside the worker that does it again.
        """
        tasks: set[asyncio.Task[None]] = set()
        for partition in partitions:
            self._releases[partition] += 1
            feed = self._feeds.pop(partition, None)
            if feed is not None:
                feed.released = True
                tasks.update(pending.task for pending in feed.in_flight if pending.task)
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

    async def _open(self, partition: int, generation: int) -> Feed:
        """Begin to read a partition, as the ledger says it was left; called with :attr:`_opening` held."""
        releases = self._releases[partition]
        earlier = self._feeds.pop(partition, None)
        if earlier is not None:
            earlier.released = True
            tasks = [pending.task for pending in earlier.in_flight if pending.task]
            await asyncio.gather(*tasks, return_exceptions=True)
        source, from_offset, begun = await self._restore(partition)
        if begun:
            log.info("%s-%d: from offset %d, %d batches to do again", self.topic, partition, from_offset, len(begun))
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        feed = Feed(generation, Gatherer(source, from_offset, begun, self._limits), deque(), sent)
        if self._releases[partition] == releases:
            self._feeds[partition] = feed
        else:
            feed.released = True
        return feed

    async def _start(self, feed: Feed, batch: GatheredBatch) -> None:
        """Start to deliver a batch when there is room; called with :attr:`_starting` held."""
        await self._slots.acquire()
        if feed.released:
            self._slots.release()
            return
        batch.generation = feed.generation
        pending = Pending(batch.boundaries.last + 1)
        feed.in_flight.append(pending)
        previous, feed.counts_sent = feed.counts_sent, asyncio.get_running_loop().create_future()
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        taken.add_done_callback(self._was_taken)
        self._untaken += 1
        task = asyncio.create_task(self._run(feed, batch, pending, previous, feed.counts_sent, taken))
        pending.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _was_taken(self, _taken: asyncio.Future[None]) -> None:
        self._untaken -= 1
        self._room.set()

    async def _run(
        self,
        feed: Feed,
        batch: GatheredBatch,
        pending: Pending,
        previous: asyncio.Future[None],
        counts_sent: asyncio.Future[None],
        taken: asyncio.Future[None],
    ) -> None:
        try:
            await self._deliver(batch, previous, counts_sent, taken)
        except asyncio.CancelledError:
            counts_sent.cancel()  # the batches that wait for them are given up as well
            raise
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
            self._done(batch.source.partition, next_offset)
