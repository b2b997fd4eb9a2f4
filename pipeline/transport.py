"""A Faust transport that hands over whole fetches: one Faust message for all that was fetched of a partition.

Faust's own path costs about 200 microseconds a message before an agent sees it. Here that price is paid once a
fetch: the message's value is the list of record batches, unopened, and its offset is the last one in them. Consumer
groups, agents, timers and the web server stay Faust's.

What is committed is no longer derived from acknowledged messages, because a batch may end in the middle of a
fetch: the worker says how far each partition is done (:meth:`Consumer.done`), and that is what gets committed.

Faust finds this module by its entry point (group ``faust.transports``) for broker addresses that begin with
``aftershock://``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, UnknownMemberIdError
from aiokafka.protocol.group import HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from pipeline.lease import Lease
from pipeline.record_batches import described
from pipeline.unopened import hand_over_unopened

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


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, with short polls."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop=loop)
        consumer._fetch_max_wait_ms = LONGEST_POLL_MS  # Faust has no setting for it; read when the consumer starts
        return consumer

    async def on_start(self) -> None:
        """Connect, and have the lease follow what the group's coordinator says, before the group is joined."""
        await super().on_start()
        hand_over_unopened(self._ensure_consumer())
        confirm_by_answers(self._ensure_consumer()._coordinator, self.consumer.lease)

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


def confirm_by_answers(coordinator: Any, lease: Lease) -> None:
    """Have a lease follow the answers that aiokafka's group coordinator gets.

    aiokafka tells nobody when a heartbeat was answered, so its one way to the coordinator is watched.
    """
    send = coordinator._send_req

    async def watched(request: Any) -> Any:
        generation, sent_at = coordinator.generation, lease.clock()
        if isinstance(request, LeaveGroupRequest):
            lease.end()
        answer = await send(request)
        if isinstance(request, (HeartbeatRequest, SyncGroupRequest)):
            if answer.error_code == 0:
                lease.confirm(generation, sent_at)
            elif answer.error_code in OVER:
                lease.end()
        return answer

    coordinator._send_req = watched


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Faust's Kafka consumer, delivering fetches whole."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lease = Lease(self.app.conf.broker_session_timeout)
        self._done: dict[TP, int] = {}

    def done(self, tp: TP, next_offset: int) -> None:
        """Say that everything before ``next_offset`` is done with and may be committed."""
        self._done[tp] = next_offset

    def committed(self, tp: TP) -> int:
        """Return the offset that was committed last for a partition, 0 when there is none."""
        return self._committed_offset[tp] or 0

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109  Faust's signature
        """Yield what was fetched, a fetch of one partition at a time.

        What comes in while the flow is stopped is dropped: whoever resumes it seeks first, to where the partitions are
        done, as soon as it is settled whose they are.
        """
        fetched, active = await self._wait_next_records(min(timeout, LONGEST_WAIT_S))
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        for kafka_tp, records in fetched.items():
            tp = ensure_TP(kafka_tp)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if records and (active is None or tp in active or tp in self._buffered_partitions):
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._whole(tp, records)

    def _whole(self, tp: TP, records: list[Any]) -> Message:
        last = records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0 if last.timestamp is not None else None,
            last.timestamp_type,
            (),
            None,
            [described(record.value) for record in records],
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

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


class Transport(driver.Transport):  # type: ignore[misc]
    """Kafka through aiokafka, with fetches delivered whole."""

    Consumer = Consumer


def topic_partitions(partitions: Iterable[TP], topic: str) -> list[int]:
    """Return the partitions of one topic out of an assignment, sorted."""
    return sorted(tp.partition for tp in partitions if tp.topic == topic)
