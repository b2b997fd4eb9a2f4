"""The wiring: topics, table, agents and timers of the Faust worker. What happens in them is in the other modules.

Three kinds of agents, all fed with whole fetches:

* ``errors`` and ``spans``: intake, the pure stages, ClickHouse and ``counts``;
* ``counts``: the windows, and the alerts that follow;
* ``alerts``, ``sessions``, ``logs`` and the others: intake, their tables.

Beside them every worker follows all of ``issue-changes``, and begins when it knows what is there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import faust
from aiokafka.errors import KafkaError
from faust.serializers.schemas import Schema
from faust.types import TP
from mode import Service

from pipeline.config.settings import Settings
from pipeline.counts.consumer import Counting
from pipeline.counts.issue_store import IssueStore
from pipeline.counts.window_state import Changelog, is_progress
from pipeline.counts.windows import Windows
from pipeline.edges import kafka
from pipeline.edges import kafka_connection as connection
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.compression import compress_fast
from pipeline.edges.retry import until_available
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import AftershockError, Unavailable
from pipeline.intake.assignment import Assignment
from pipeline.intake.batching import Limits
from pipeline.intake.intake import Intake
from pipeline.intake.ledger import Ledger
from pipeline.intake.raw_fetches import fetch_handler
from pipeline.intake.reconnecting import Transport
from pipeline.intake.sequence import ReadingSequence
from pipeline.intake.transport import topic_partitions
from pipeline.issues.states import IssueStates
from pipeline.records.record import Record
from pipeline.runtime.metrics import Metrics
from pipeline.stages.pool import StagePool
from pipeline.store.deliver import Delivery
from pipeline.store.repeated_inserts import Repeats
from pipeline.tables.alerts import alert_ids
from pipeline.tables.columns import COLUMNS
from pipeline.tables.issues import change_of
from pipeline.worker.health import Health
from schemas.alert import Alert, encode_alert
from schemas.topics import ALERTS, CONSUMER_GROUP, COUNTS, ERRORS, ISSUE_CHANGES, MAX_MESSAGE_BYTES, STORED, WINDOWS

log = logging.getLogger(__name__)

FETCH_BYTES = 768 * 1024
"""The most that is fetched of one partition at a time, as it was compressed, and stays."""
FETCHES_WAITING = 2
DECOMPRESSED_BYTES = 96 * 1024 * 1024
"""So much of events is gathered for a batch at most, however little it is when compressed: ClickHouse takes a batch as
one block, and holds all of it in memory."""
TICK_S = 1.0
LIVES_EVERY = 5
"""Every so many ticks it is looked whether a topic was made again."""
METADATA_S = 15
"""How old the consumer's metadata may become: partitions that were added are read so long afterwards at the latest."""
MOST_SENT_BEFORE = 10_000
MOST_INSERTS = 4
"""So many tables get rows of one batch at most. Each insert has a thread while its batch is in the stages; one that had
to wait for the others' threads would hold up the stages, which the others wait for."""
LONGEST_END_S = 20.0
"""How long a worker that stops, or has failed, may take to end in order, before it ends at once. Its supervisor waits
for that, and whatever it may still be waiting for is done again by the next one."""


class Whole(Schema):  # type: ignore[misc]
    """Passes on what the transport delivers as it is."""

    def loads_key(self, _app: Any, message: Any, **_options: Any) -> Any:
        """Return the key."""
        return message.key

    def loads_value(self, _app: Any, message: Any, **_options: Any) -> Any:
        """Return the list of records."""
        return message.value


class App(faust.App):  # type: ignore[misc]
    """A Faust app that keeps nothing on disk."""

    def _create_directories(self) -> None:
        """Make none: windows are kept in a topic, and no table has files."""

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)


class Worker:
    """One worker: a Faust app and everything its agents call, with the processes of the stages beside it.

    Args:
        settings: all settings.

    Raises:
        Misconfigured: this aiokafka is not known.
    """

    def __init__(self, settings: Settings) -> None:
        fetch_handler()  # where there is none, that is said before anything is started
        self.settings = settings
        self.metrics = Metrics()
        self.failure: BaseException | None = None
        self._stages = StagePool(settings)
        compress_fast()
        threads = 4 + MOST_INSERTS * settings.worker.stage_processes
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="clickhouse")
        self._clickhouse = ClickHouse(settings.clickhouse)
        self._ledger = Ledger(self._clickhouse)
        self._issue_store = IssueStore(self._clickhouse)
        self._states = IssueStates()
        self._states_read = asyncio.Event()
        self._counts_partitions = COUNTS.partitions_with(settings.kafka.partitions)
        self._watching: asyncio.Task[None] | None = None
        self.app = make_app(settings)
        self._assignment = Assignment(
            consumer=lambda: self.app.consumer,
            prefix=settings.kafka.topic_prefix,
            ledger=self._ledger,
            blocking=self._blocking,
            metrics=self.metrics,
        )
        self._intakes = {topic.name: self._intake(topic.name) for topic in STORED}
        self._counting = Counting(
            sequence=self._sequence(COUNTS.name),
            restore=lambda partition: self._assignment.restore_counts(COUNTS.name, partition),
            open_windows=self._open_windows,
            send_alert=self._send_alert,
            write=self._write_state,
            done=lambda partition, offset: self._done(COUNTS.name, partition, offset),
            held=lambda generation: self.app.consumer.lease.holds(generation),
            sent_before=self._sent_before,
            first_seen=lambda releases: self._asked(lambda: self._issue_store.first_seen(releases)),
            store_reactions=lambda reactions: self._asked(lambda: self._issue_store.note(reactions)),
            metrics=self.metrics,
            flush_interval_s=settings.worker.flush_interval_s,
            clock=time.time,
        )
        self.health = Health(settings, self.metrics, self.app, lambda: self._intakes, self.ask_clickhouse)
        self._wire()

    async def stages_ready(self) -> None:
        """Return when the processes of the stages are there.

        Raises:
            Misconfigured: the stages cannot be compiled for the settings.
            StagesEnded: one ended.
        """
        await self._blocking(self._stages.wait_ready)

    def watch(self) -> None:
        """Begin to look at the servers: before Faust starts, whose own tasks wait for Kafka."""
        self._watching = self.app.loop.create_task(self._guard(self.health.watch()))

    def close(self) -> None:
        """End what runs beside the app, when the app has ended."""
        self._stages.close()

    def _wire(self) -> None:
        app = self.app
        for topic in STORED:
            app.agent(self._channel(topic.name), name=topic.name, concurrency=1)(self._intake_agent(topic.name))
        app.agent(self._channel(COUNTS.name), name=COUNTS.name, concurrency=1)(self._counts_agent)
        app.timer(TICK_S, name="tick")(self._tick)
        app.task(self._follow_issues)
        app.task(self._look_after_partitions)
        app.on_partitions_revoked.connect(self._on_revoked)
        app.on_before_shutdown.connect(self._on_shutdown)

    def _channel(self, topic: str) -> Any:
        return self.app.topic(self._full(topic), schema=Whole(), acks=True)

    def _full(self, topic: str) -> str:
        return self.settings.kafka.topic_prefix + topic

    # What runs in the agents

    def _intake_agent(self, topic: str) -> Callable[[Any], Awaitable[None]]:
        async def agent(stream: Any) -> None:
            intake = self._intakes[topic]
            await self._states_read.wait()
            cutting = asyncio.create_task(self._guard(intake.cut_due()))
            try:
                async for event in stream.noack().events():
                    await intake.take(event.message.partition, event.message.value)
            finally:
                cutting.cancel()

        return self._guarded(agent)

    async def _counts_agent(self, stream: Any) -> None:
        await self._states_read.wait()
        async for event in stream.noack().events():
            await self._guard(self._counting.take(event.message.partition, event.message.value))

    async def _look_after_partitions(self) -> None:
        """Begin to read what was assigned, also where no record comes, and see to it that nothing is passed over."""
        await self._states_read.wait()
        for number in itertools.count(1):
            await asyncio.sleep(TICK_S)
            await self._guard(self._look_once())
            if number % LIVES_EVERY == 0:
                await self._guard(self._look_for_new_lives())

    async def _look_for_new_lives(self) -> None:
        """See whether topics were made again while they are read."""
        with suppress(Unavailable):
            for topic, incarnation in (await self._assignment.incarnations()).items():
                if topic in self._intakes:
                    await self._intakes[topic].renew(incarnation)

    async def _look_once(self) -> None:
        consumer, generation = self.app.consumer, self.app.consumer_generation_id
        if not self._reading:
            return
        assigned = consumer.assignment()
        for topic, intake in self._intakes.items():
            for partition in topic_partitions(assigned, self._full(topic)):
                if self.app.consumer_generation_id == generation and self._reading:
                    await intake.open(partition, generation)
        if self._reading and not consumer.handing_over:
            for intake in self._intakes.values():
                await intake.look_after(generation)
            await self._counting.look_after(generation)

    @property
    def _reading(self) -> bool:
        return not self.app.rebalancing and self.app.consumer.flow_active

    async def _tick(self) -> None:
        if not self._reading or not self._states_read.is_set():
            return
        for partition in topic_partitions(self.app.consumer.assignment(), self._full(COUNTS.name)):
            await self._guard(self._counting.open(partition, self.app.consumer_generation_id))
        await self._guard(self._counting.tick(self._counts_waiting))

    def _counts_waiting(self, partition: int) -> bool:
        """Say whether messages of a counts partition are known to be there that were not applied yet."""
        end = self.app.consumer.log_end(TP(self._full(COUNTS.name), partition))
        applied = self._counting.next_offset(partition)
        return end is None or applied is None or applied < end

    async def _on_revoked(self, _app: Any, revoked: set[TP], **_kwargs: Any) -> None:
        grace_s = self.settings.kafka.session_timeout_s / 2
        releases = [
            intake.release(topic_partitions(revoked, self._full(topic)), grace_s)
            for topic, intake in self._intakes.items()
        ]
        counts = topic_partitions(revoked, self._full(COUNTS.name))
        await asyncio.gather(*releases, self._counting.release(counts, grace_s))

    async def _on_shutdown(self, _app: Any, **_kwargs: Any) -> None:
        """Let what is in flight become done, so that the next worker does not have to do it again."""
        end_in_any_case(0)  # Faust's last commit waits for Kafka, however long it is away
        if self._watching is not None:
            self._watching.cancel()
        drained = asyncio.gather(*(intake.drain() for intake in self._intakes.values()))
        with suppress(TimeoutError):
            await asyncio.wait_for(drained, self.settings.kafka.session_timeout_s / 2)

    async def _follow_issues(self) -> None:
        positions: dict[int, int] = {}

        async def follow() -> None:
            async for records, all_read in kafka.keep_up(self.settings.kafka, ISSUE_CHANGES.name, positions):
                for record in records:
                    self._note_change(record)
                if all_read:
                    self._states_read.set()

        await self._guard(until_available(follow, self.metrics.retries.labels("kafka").inc))

    def _note_change(self, record: Record) -> None:
        try:
            change = change_of(record)
        except ValueError as error:
            log.error(
                "%s: offset %d of partition %d skipped: %s", ISSUE_CHANGES.name, record.offset, record.partition, error
            )
        else:
            self._states.put(*change)
            self._stages.note(*change)

    # What the agents call

    def _intake(self, topic: str) -> Intake:
        worker = self.settings.worker
        return Intake(
            topic,
            limits=Limits(worker.batch_events, worker.batch_bytes, DECOMPRESSED_BYTES, worker.linger_ms / 1000),
            most_in_flight=worker.batches_in_flight,
            most_in_stages=worker.stage_processes,
            sequence=self._sequence(topic),
            restore=lambda partition: self._assignment.restore(topic, partition),
            deliver=self._delivery().deliver,
            done=lambda partition, offset: self._done(topic, partition, offset),
            failed=self._fail,
            clock=time.monotonic,
        )

    def _sequence(self, topic: str) -> ReadingSequence:
        return ReadingSequence(self._assignment, self.metrics, topic, time.monotonic)

    def _delivery(self) -> Delivery:
        return Delivery(
            self._stages,
            COLUMNS,
            held=lambda generation: self.app.consumer.lease.held(generation),
            ledger=self._ledger,
            clickhouse=self._clickhouse,
            repeats=Repeats(self._clickhouse, self.metrics),
            executor=self._executor,
            send=self._send,
            metrics=self.metrics,
        )

    def _done(self, topic: str, partition: int, next_offset: int) -> None:
        self.app.consumer.done(TP(self._full(topic), partition), next_offset)

    async def _open_windows(self, partition: int) -> Windows:
        windows = Windows(
            self.settings.rules,
            partition,
            partitions=self._counts_partitions,
            allowed_lateness_s=self.settings.alerts.allowed_lateness_s,
            table=f"{self.settings.clickhouse.database}.errors",
            incarnation=await self._assignment.incarnation(COUNTS.name),
            states=self._states,
        )
        retried = self.metrics.retries.labels("kafka").inc
        windows.load(await until_available(lambda: self._stored_state(partition), retried))
        windows.seed_known(await self._asked(lambda: self._ledger.known_issues(ERRORS.name)))
        return windows

    async def _stored_state(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        """Return the latest entries of a partition's changelog.

        Read anew by a client of its own whenever a partition is assigned. Faust's tables restore what they have
        not read yet on top of what they hold, so entries written while a rebalance begins can be set back by older
        ones; for counts that have to be exact that is not enough.
        """
        stored = Changelog()
        async for record in kafka.read_to_end(self.settings.kafka, WINDOWS.name, only=partition):
            stored.put(record.key, record.value)
        return stored.items()

    async def _write_state(self, partition: int, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write changed entries to the changelog; the sources' progress only when everything else is there."""
        windows = [change for change in changes if not is_progress(change[0])]
        progress = [change for change in changes if is_progress(change[0])]
        for entries in (windows, progress):
            await asyncio.gather(*(self._write_entry(partition, key, value) for key, value in entries))

    async def _write_entry(self, partition: int, key: bytes, value: bytes | None) -> None:
        retried = self.metrics.retries.labels("kafka").inc
        await until_available(lambda: self._send(WINDOWS.name, value, key=key, partition=partition), retried)

    async def _send_alert(self, alert: Alert) -> None:
        retried = self.metrics.retries.labels("kafka").inc
        key = alert.dedup_key.encode()
        await until_available(lambda: self._send(ALERTS.name, encode_alert(alert), key=key), retried)

    async def _sent_before(self) -> Iterable[str]:
        retried = self.metrics.retries.labels("kafka").inc
        topic = self._full(ALERTS.name)
        read = await until_available(lambda: kafka.latest_values(self.settings.kafka, topic, MOST_SENT_BEFORE), retried)
        return alert_ids(read)

    async def _send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        producer = await self.app.maybe_start_producer()
        try:
            await producer.send_and_wait(self._full(topic), key, value, partition, None, list(headers))
        except (KafkaError, faust.exceptions.ProducerSendError) as error:
            raise Unavailable(f"Kafka did not take a message for {topic} ({type(error).__name__})") from None

    async def _asked(self, query: Callable[[], Any]) -> Any:
        """Return ClickHouse's answer, however long it is away."""
        return await until_available(lambda: self._blocking(query), self.metrics.retries.labels("clickhouse").inc)

    async def ask_clickhouse(self) -> None:
        """Return when ClickHouse has answered.

        Raises:
            Unavailable: it does not.
            RequestRejected: it does not let this worker in, or has no such database.
        """
        await self._blocking(self._clickhouse.ping)

    async def _blocking(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    # What happens when something fails that nobody foresaw

    def _guarded(self, agent: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        async def guarded(stream: Any) -> None:
            await self._guard(agent(stream))

        return guarded

    async def _guard(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  Faust would restart the agent and lose its place
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """End the process: what is not committed is done again by the next one, or by another worker."""
        if self.failure is None:
            self.failure = error
            if isinstance(error, AftershockError):
                log.error("%s", error)
            else:
                log.error("the worker stops: %s", type(error).__name__, exc_info=error)
            self.app.loop.create_task(self._stop())
            end_in_any_case(getattr(error, "exit_code", 1))

    async def _stop(self) -> None:
        service: Service = self.app
        await service.crash(self.failure or RuntimeError("the worker failed"))


def end_in_any_case(exit_code: int) -> None:
    """Have the process end within :data:`LONGEST_END_S`, whatever it may still wait for by then."""
    end = threading.Timer(LONGEST_END_S, os._exit, (exit_code,))
    end.daemon = True
    end.start()


def make_app(settings: Settings) -> faust.App:
    """Return the Faust app with everything that is set about Kafka."""
    found = settings.kafka
    return App(
        found.topic_prefix + CONSUMER_GROUP,
        broker=[f"aftershock://{address.strip()}" for address in found.bootstrap.split(",")],
        broker_credentials=credentials(found),
        broker_session_timeout=found.session_timeout_s,
        broker_heartbeat_interval=found.session_timeout_s / 3,
        broker_request_timeout=max(found.session_timeout_s + 5, 30.0),
        broker_commit_interval=1.0,
        broker_max_poll_records=None,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=METADATA_S * 1000,
        producer_compression_type="lz4",
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_linger=0.005,
        store="memory://",
        stream_buffer_maxsize=FETCHES_WAITING,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        logging_config=None,
        autodiscover=False,
    )


def credentials(settings: KafkaSettings) -> faust.auth.Credentials | None:
    """Return what Faust signs in with, ``None`` for a plain connection."""
    context = connection.ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.username,
            password=settings.password,
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return faust.SSLCredentials(context) if context is not None else None
