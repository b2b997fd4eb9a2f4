"""A Faust transport that hands over whole fetches: one Faust message for all that was fetched of a partition.

Faust's own path costs about 200 microseconds a message before an agent sees it. Here that price is paid once a
fetch: the message's value is a :class:`pipeline.records.record.Fetch`, whose record batches are unopened. Consumer
groups, agents, timers and the web server stay Faust's.

aiokafka moves a partition's position when a poll hands its records over, in the consumer's thread; between there and
an agent Faust may drop them: the flow was stopped, the generation is another, a buffer was cleared. So the position
says nothing about what was taken. What counts is that each fetch says which offsets it covers, and that whoever takes
them (:class:`pipeline.intake.intake.Intake`, :class:`pipeline.counts.consumer.Counting`) takes no fetch that begins
behind the offset that it expects: it seeks back instead (:meth:`Consumer.seek_to`). What is dropped here is sought
back to at once.

What is committed is no longer derived from acknowledged messages, because a batch may end in the middle of a
fetch: the worker says how far each partition is done (:meth:`Consumer.done`), and that is what gets committed.

Faust finds this module by its entry point (group ``faust.transports``) for broker addresses that begin with
``aftershock://``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalGenerationError, IllegalStateError, KafkaError, UnknownMemberIdError
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from pipeline.edges import aiokafka_private
from pipeline.edges.raw_fetches import FetchedRange, fetch_raw
from pipeline.errors import Unavailable
from pipeline.intake.fencing import Membership
from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Fetch
from pipeline.records.record_batches import described

T = TypeVar("T")

LONGEST_POLL_MS = 100
"""How long the broker may hold a fetch that finds nothing.

The consumer has one fetch at a time under way to a broker, for those partitions of which it has nothing at hand. What
arrives in the others meanwhile, or waits there, is asked for only when that one is back; Faust's own 1.5 seconds made
every quiet topic a brake for the busy ones.
"""

LONGEST_WAIT_S = 0.05
"""How long a look for records that were fetched may take.

It asks for those partitions whose agent has room when it begins. Faust waits a second; all the while, what was fetched
of a partition whose agent has room again stays where it is, and nothing more of it is fetched.
"""

OVER = frozenset((IllegalGenerationError.errno, UnknownMemberIdError.errno))


class Polled(NamedTuple):
    """What a poll handed over of a partition, in which generation, and where Kafka said that the log ends."""

    generation: int
    end: int
    fetched: FetchedRange


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, with short polls."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop=loop)
        aiokafka_private.poll_at_most(consumer, LONGEST_POLL_MS)
        return consumer

    async def on_start(self) -> None:
        """Connect, and have the membership follow what the group's coordinator says, before the group is joined."""
        await super().on_start()
        fetch_raw(self._ensure_consumer())
        confirm_by_answers(self._ensure_consumer(), self.consumer.membership)

    async def _fetch_records(self, *args: Any, **options: Any) -> dict[TopicPartition, Polled]:
        """Return what a poll hands over, as it stands in the moment in which the positions were moved."""
        fetched = await super()._fetch_records(*args, **options)
        # No other task of the thread runs between the poll's end and here.
        consumer = self._ensure_consumer()
        generation = aiokafka_private.generation_of(consumer)
        return {
            # A poll takes all that was fetched of a partition: one range.
            partition: Polled(generation, consumer.highwater(partition) or 0, ranges[0])
            for partition, ranges in fetched.items()
        }

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what is done in the consumer's thread, beside its queue of calls.

        That queue does two things at a time, and a poll is one of them: what waits for Kafka there would hold up the
        commits and seeks that Kafka waits for.
        """
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))

    async def seek_to(self, partition: TopicPartition, offset: int, unless_moved_from: int | None) -> bool:
        """Have a partition read on from an offset; return whether it does.

        It does not where the partition is not assigned any more, or where its position has moved by itself.
        """
        consumer = self._ensure_consumer()
        try:
            if unless_moved_from is not None and self.position_of(partition) != unless_moved_from:
                return False
            consumer.seek(partition, offset)
        except IllegalStateError:
            return False
        return True

    def position_of(self, partition: TopicPartition) -> int | None:
        """Return the offset from which a partition is read next; ``None`` where that is not settled."""
        state = aiokafka_private.state_of(self._ensure_consumer(), partition)
        return state.position if state is not None and state.has_valid_position else None

    def end_of(self, partition: TopicPartition) -> int | None:
        """Return where a partition's log ended when it was last fetched; ``None`` where it was not fetched yet."""
        state = aiokafka_private.state_of(self._ensure_consumer(), partition)
        return None if state is None else state.highwater

    async def offsets_of(self, partition: TopicPartition) -> tuple[int | None, int, int]:
        """Return the group's committed offset for a partition, ``None`` without one, and where its log begins and ends.

        Raises:
            KafkaError: Kafka did not answer in the request timeout.
        """
        consumer = self._ensure_consumer()
        committed = await consumer.committed(partition)
        begins = await consumer.beginning_offsets([partition])
        ends = await consumer.end_offsets([partition])
        return committed, begins[partition], ends[partition]

    async def seek_to_committed(self) -> Mapping[TopicPartition, int | None]:
        """Have each assigned partition read from its committed offset, or from its beginning if it has none.

        aiokafka leaves a partition without a committed offset where it is, behind what was fetched and dropped.

        Raises:
            IllegalStateError: the partitions were taken away meanwhile.
        """
        committed: dict[TopicPartition, int | None] = await self.call_thread(self._seek_to_committed)
        return committed

    async def _seek_to_committed(self) -> Mapping[TopicPartition, int | None]:
        consumer = self._ensure_consumer()
        if not consumer.assignment():
            return {}
        committed: dict[TopicPartition, int | None] = await consumer.seek_to_committed()
        uncommitted = [partition for partition, offset in committed.items() if not offset]
        if uncommitted:
            await consumer.seek_to_beginning(*uncommitted)
        return committed


def confirm_by_answers(consumer: AIOKafkaConsumer, membership: Membership) -> None:
    """Have a membership follow the answers that a consumer gets from the group's coordinator."""

    async def watched(send: aiokafka_private.Send, request: Any) -> Any:
        generation, sent_at = aiokafka_private.generation_of(consumer), membership.clock()
        if isinstance(request, LeaveGroupRequest):
            membership.end()
        answer = await send(request)
        if isinstance(request, (HeartbeatRequest, SyncGroupRequest)):
            if answer.error_code == 0:
                membership.confirm(generation, sent_at)
            elif answer.error_code in OVER:
                membership.end()
        return answer

    aiokafka_private.watch_coordinator(consumer, watched)


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Faust's Kafka consumer, delivering fetches whole."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.membership = Membership(self.app.conf.broker_session_timeout)
        self.handing_over = False
        """Whether fetches of a poll wait for the agents to take those before them."""
        self._done: dict[TP, int] = {}

    def done(self, tp: TP, next_offset: int) -> None:
        """Say that everything before ``next_offset`` is done with and may be committed."""
        self._done[tp] = next_offset

    def forget(self, tp: TP) -> None:
        """Forget how far a partition is done and committed: its topic was made again."""
        self._done.pop(tp, None)
        self._committed_offset.pop(tp, None)

    def committed(self, tp: TP) -> int:
        """Return the offset that was committed last for a partition, as far as is known here; 0 when there is none."""
        return self._committed_offset[tp] or 0

    async def offsets(self, tp: TP) -> LogOffsets:
        """Ask Kafka for a partition's offsets.

        Raises:
            Unavailable: Kafka does not answer now.
        """
        try:
            return LogOffsets(*await self._thread.run(self._thread.offsets_of(TopicPartition(*tp))))
        except KafkaError as error:
            raise Unavailable(f"Kafka did not tell the offsets of {tp.topic}-{tp.partition} ({error!r})") from None

    async def seek_to(self, tp: TP, offset: int) -> None:
        """Have a partition read on from an offset, if it is still assigned."""
        await self._thread.run(self._thread.seek_to(TopicPartition(*tp), offset, None))

    def read_position(self, tp: TP) -> int | None:
        """Return the offset from which a partition is read next; ``None`` where that is not settled."""
        thread: ConsumerThread = self._thread
        return thread.position_of(TopicPartition(*tp))

    def log_end(self, tp: TP) -> int | None:
        """Return where a partition's log ended when it was last fetched; ``None`` where it was not fetched yet."""
        thread: ConsumerThread = self._thread
        return thread.end_of(TopicPartition(*tp))

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  Faust's signature
        """Yield what was fetched, a fetch of one partition at a time.

        What came in of a generation that is over, or while the flow is stopped, is dropped and sought back to: for the
        flow may be resumed after positions were set back and before this is handed over.
        """
        polled, _ = await self._wait_next_records(min(timeout, LONGEST_WAIT_S))
        if polled is None:
            return
        waiting = [(ensure_TP(partition), of) for partition, of in polled.items()]
        self.handing_over = True
        try:
            for number, (tp, of) in enumerate(waiting):
                if self.should_stop or not self.flow_active or self.app.consumer_generation_id != of.generation:
                    await self._unread(waiting[number:])
                    return
                self.app.monitor.track_tp_end_offset(tp, of.end)
                # Faust would drop what lies before the last that it has seen, though it was sought back to.
                self._read_offset[tp] = None
                yield tp, _message(tp, of)
        finally:
            self.handing_over = False

    async def _unread(self, dropped: Iterable[tuple[TP, Polled]]) -> None:
        """Have partitions read again what was handed over and not taken, where nothing else has moved them since."""
        if self.should_stop:
            return
        for tp, (_, _, fetched) in dropped:
            await self._thread.run(self._thread.seek_to(TopicPartition(*tp), fetched.start, fetched.next_offset))

    async def commit_and_end_transactions(self) -> None:
        """Commit what is done before the consumer stops; not after a failure, which may have ended its thread.

        Faust would wait for that thread for ever. What is not committed is done again, and known to have been done.
        """
        if not self.app.crashed:
            await super().commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget how far revoked partitions are done: whoever has them next says so."""
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._done.pop(tp, None)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: what is committed does not depend on gaps between messages."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in tuple(self._done) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)


def _message(tp: TP, polled: Polled) -> Message:
    """Return a Faust message that holds all of a fetch."""
    generation, end, (start, next_offset, record_batches) = polled
    fetch = Fetch(start, next_offset, max(end, next_offset), generation, [described(data) for data in record_batches])
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        next_offset - 1,
        None,
        None,
        (),
        None,
        fetch,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


class Transport(driver.Transport):  # type: ignore[misc]
    """Kafka through aiokafka, with fetches delivered whole."""

    Consumer = Consumer


def topic_partitions(partitions: Iterable[TP], topic: str) -> list[int]:
    """Return the partitions of one topic out of an assignment, sorted."""
    return sorted(tp.partition for tp in partitions if tp.topic == topic)
