"""The wiring: topics, agents and timers of the Faust worker. What happens in them is in the other modules.

Three kinds of agents, all fed with whole fetches:

* ``errors`` and ``spans``: intake, the pure stages, ClickHouse and ``counts``;
* ``counts``: the windows, and the alerts that follow;
* ``alerts``, ``sessions``, ``logs`` and the others: intake, their tables.

Beside them every worker follows all of ``issue-changes``, and begins when it knows what is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline.config.settings import Settings
from pipeline.counts.alert_topic import AlertTopic
from pipeline.counts.consumer import CountsConsumer
from pipeline.counts.issue_store import IssueStore, IssueStoreThreads
from pipeline.counts.window_changelog import WindowChangelog
from pipeline.edges import aiokafka_private, faust_private
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.clickhouse_threads import ClickHouseThreads
from pipeline.edges.compression import compress_fast
from pipeline.edges.raw_fetches import fetch_handler
from pipeline.intake.batching import BatchLimits
from pipeline.intake.group_consumer import GroupConsumer
from pipeline.intake.intake import Intake, IntakeLimits
from pipeline.intake.ledger import Ledger
from pipeline.issues.follower import IssueFollower
from pipeline.issues.states import IssueStates
from pipeline.runtime.metrics import Metrics
from pipeline.stages.pool import StagePool
from pipeline.store.batch_inserts import BatchInserts
from pipeline.store.deliver import Delivery
from pipeline.store.repeated_inserts import Repeats
from pipeline.tables.columns import COLUMNS
from pipeline.worker.failure import Failure, end_in_any_case
from pipeline.worker.faust_app import PassedThrough, make_app
from pipeline.worker.health import Health
from pipeline.worker.partitions import TICK_S, Partitions
from pipeline.worker.producer import Producer
from schemas.issue_change import IssueChange
from schemas.topics import COUNTS, ERRORS, STORED

DECOMPRESSED_BYTES = 96 * 1024 * 1024
"""So much of events is gathered for a batch at most, however little it is when compressed: ClickHouse takes a batch as
one block, and holds all of it in memory."""
MOST_INSERTS = 4
"""So many tables get rows of one batch at most. Each insert has a thread while its batch is in the stages; one that had
to wait for the others' threads would hold up the stages, which the others wait for."""


class Worker:
    """One worker: a Faust app and everything its agents call, with the processes of the stages beside it.

    Args:
        settings: all settings.

    Raises:
        Misconfigured: this version of aiokafka or Faust is not known.
    """

    def __init__(self, settings: Settings) -> None:
        # Before anything is started: what does not fit is said in one line.
        aiokafka_private.check()
        faust_private.check()
        fetch_handler()
        prefix, grace_s = settings.kafka.topic_prefix, settings.kafka.session_timeout_s / 2
        self._settings = settings
        self.metrics = Metrics()
        self._stages = StagePool(settings)
        compress_fast()
        self._threads = ClickHouseThreads(4 + MOST_INSERTS * settings.worker.stage_processes, self.metrics)
        self._clickhouse = ClickHouse(settings.clickhouse)
        self._ledger = Ledger(self._clickhouse)
        self._states = IssueStates()
        self._issues = IssueFollower(settings.kafka, self._note_change, self.metrics)
        self._watching: asyncio.Task[None] | None = None
        self.app = make_app(settings)
        self._failure = Failure(self.app)
        self._producer = Producer(self.app, prefix)
        self._consumer = GroupConsumer(
            consumer=lambda: self.app.consumer,
            prefix=prefix,
            ledger=self._ledger,
            blocking=self._threads.run,
            metrics=self.metrics,
        )
        self._intakes = {topic.name: self._intake(topic.name) for topic in STORED}
        self._counts = self._counts_consumer()
        self._partitions = Partitions(
            self.app,
            self._consumer,
            self._intakes,
            self._counts,
            self._failure,
            prefix=prefix,
            grace_s=grace_s,
        )
        self.health = Health(settings, self.metrics, self.app, lambda: self._intakes, self.ask_clickhouse)
        self._wire()

    @property
    def failure(self) -> BaseException | None:
        """What has ended the worker; ``None`` while nothing has."""
        return self._failure.error

    async def stages_ready(self) -> None:
        """Return when the processes of the stages are there.

        Raises:
            Misconfigured: the stages cannot be compiled for the settings.
            StagesEnded: one ended.
        """
        await self._threads.run(self._stages.wait_ready)

    async def ask_clickhouse(self) -> None:
        """Return when ClickHouse has answered.

        Raises:
            Unavailable: it does not.
            RequestRejected: it does not let this worker in, or has no such database.
        """
        await self._threads.run(self._clickhouse.ping)

    def watch(self) -> None:
        """Begin to look at the servers: before Faust starts, whose own tasks wait for Kafka."""
        self._watching = self.app.loop.create_task(self._failure.guard(self.health.watch()))

    def close(self) -> None:
        """End what runs beside the app, when the app has ended."""
        self._stages.close()

    def _intake(self, topic: str) -> Intake:
        worker = self._settings.worker
        batch = BatchLimits(worker.batch_events, worker.batch_bytes, DECOMPRESSED_BYTES, worker.linger_ms / 1000)
        return Intake(
            topic,
            limits=IntakeLimits(batch, worker.batches_in_flight, worker.stage_processes),
            consumer=self._consumer,
            deliver=self._delivery().deliver,
            failed=self._failure.fail,
            metrics=self.metrics,
            clock=time.monotonic,
        )

    def _delivery(self) -> Delivery:
        inserts = BatchInserts(
            COLUMNS,
            clickhouse=self._clickhouse,
            repeats=Repeats(self._clickhouse, self.metrics),
            executor=self._threads.executor,
            metrics=self.metrics,
        )
        return Delivery(
            self._stages,
            inserts,
            held=self._consumer.held,
            ledger=self._ledger,
            send=self._producer.send,
            metrics=self.metrics,
        )

    def _counts_consumer(self) -> CountsConsumer:
        settings, threads = self._settings, self._threads
        windows = WindowChangelog(
            settings,
            states=self._states,
            incarnation=lambda: self._consumer.incarnation(COUNTS.name),
            known_issues=lambda: threads.answer(lambda: self._ledger.known_issues(ERRORS.name)),
            send=self._producer.send,
            metrics=self.metrics,
        )
        return CountsConsumer(
            consumer=self._consumer,
            windows=windows,
            alerts=AlertTopic(settings.kafka, self._producer.send, self.metrics),
            reactions=IssueStoreThreads(IssueStore(self._clickhouse), threads),
            metrics=self.metrics,
            flush_interval_s=settings.worker.flush_interval_s,
            clock=time.time,
        )

    def _wire(self) -> None:
        app = self.app
        for topic in STORED:
            app.agent(self._channel(topic.name), name=topic.name, concurrency=1)(self._intake_agent(topic.name))
        app.agent(self._channel(COUNTS.name), name=COUNTS.name, concurrency=1)(self._counts_agent)
        app.timer(TICK_S, name="tick")(self._tick)
        app.task(self._follow_issues)
        app.task(self._look_after_partitions)
        app.on_partitions_revoked.connect(self._partitions.give_up)
        app.on_before_shutdown.connect(self._on_shutdown)

    def _channel(self, topic: str) -> Any:
        return self.app.topic(self._settings.kafka.topic_prefix + topic, schema=PassedThrough(), acks=True)

    def _intake_agent(self, topic: str) -> Callable[[Any], Awaitable[None]]:
        async def take(stream: Any) -> None:
            intake = self._intakes[topic]
            await self._issues.all_read.wait()
            cutting = asyncio.create_task(self._failure.guard(intake.cut_due()))
            try:
                async for event in stream.noack().events():
                    await intake.take(event.message.partition, event.message.value)
            finally:
                cutting.cancel()

        async def agent(stream: Any) -> None:
            await self._failure.guard(take(stream))

        return agent

    async def _counts_agent(self, stream: Any) -> None:
        await self._issues.all_read.wait()
        async for event in stream.noack().events():
            await self._failure.guard(self._counts.take(event.message.partition, event.message.value))

    async def _tick(self) -> None:
        if self._issues.all_read.is_set():
            await self._partitions.tick()

    async def _look_after_partitions(self) -> None:
        await self._issues.all_read.wait()
        await self._partitions.look_after()

    async def _follow_issues(self) -> None:
        await self._failure.guard(self._issues.follow())

    def _note_change(self, project: str, fingerprint: str, change: IssueChange | None) -> None:
        self._states.put(project, fingerprint, change)
        self._stages.note(project, fingerprint, change)

    async def _on_shutdown(self, _app: Any, **_kwargs: Any) -> None:
        end_in_any_case(0)  # Faust's last commit waits for Kafka, however long it is away
        if self._watching is not None:
            self._watching.cancel()
        await self._partitions.drain()
