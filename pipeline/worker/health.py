"""Health: what a worker says of itself over HTTP, and how it knows.

* ``/health/live``: 503 when a stage stands still although messages are waiting. A supervisor should restart it.
* ``/health/ready``: 503 until partitions are assigned and restored, and while ClickHouse or Kafka does not answer.
* ``/metrics``: Prometheus.

The lag is read from the broker by a client of its own, so that a consumer that has quietly stopped is seen. Each server
is asked apart from the other, every :data:`LOOK_S` seconds, and has :data:`LONGEST_LOOK_S` to answer: so a server that
is gone, or hangs, is named within the sum of both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import faust
from aiokafka import TopicPartition
from faust.types import TP
from msgspec import Struct

from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.errors import AftershockError, Unavailable
from pipeline.intake.intake import Intake
from pipeline.runtime.logs import left_out
from pipeline.runtime.metrics import Metrics
from schemas.topics import CONSUMED as CONSUMED_TOPICS

log = logging.getLogger(__name__)

LOOK_S = 2.0
LONGEST_LOOK_S = 5.0
CONSUMED = tuple(topic.name for topic in CONSUMED_TOPICS)

Server = Literal["kafka", "clickhouse"]
NAMES: Mapping[Server, str] = {"kafka": "Kafka", "clickhouse": "ClickHouse"}


class Progress(Struct):
    """How far one partition was committed, when that last changed, and how much is waiting."""

    committed: int
    moved_at: float
    lag: int = 0


class Health:
    """Watches one worker.

    Args:
        settings: all settings.
        metrics: where lag is shown.
        app: the Faust app.
        intakes: the intakes by topic, for what is in flight.
        ask_clickhouse: returns when ClickHouse has answered; raises :class:`~pipeline.errors.AftershockError`.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        app: faust.App,
        intakes: Callable[[], Mapping[str, Intake]],
        ask_clickhouse: Callable[[], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._app = app
        self._intakes = intakes
        self._ask_clickhouse = ask_clickhouse
        self._clock = clock
        self._progress: dict[TP, Progress] = {}
        self._missing: dict[Server, str] = {server: f"{name} has not answered yet" for server, name in NAMES.items()}
        self._answered_at: dict[Server, float] = {}
        self._placed = False
        self._was_placed = False

    async def watch(self) -> None:
        """Look at both servers, for ever."""
        await asyncio.gather(self._watch_kafka(), self._watch_clickhouse())

    async def _watch_kafka(self) -> None:
        while True:
            try:
                async with kafka.consumer(self._settings.kafka) as client:
                    while True:
                        await self._look_in_time(client)
                        await asyncio.sleep(LOOK_S)
            except Unavailable as error:
                self.missed("kafka", str(error))
            await asyncio.sleep(LOOK_S)

    async def _look_in_time(self, client: Any) -> None:
        try:
            async with asyncio.timeout(LONGEST_LOOK_S):
                await self._look(client)
        except TimeoutError:
            raise Unavailable(self._hangs("kafka", self._settings.kafka.bootstrap)) from None

    async def _watch_clickhouse(self) -> None:
        asked: asyncio.Future[None] | None = None
        while True:
            # A thread waits for the answer and cannot be called back: while one does, no other is set to it.
            asked = asked or asyncio.ensure_future(self._ask_clickhouse())
            try:
                async with asyncio.timeout(LONGEST_LOOK_S):
                    await asyncio.shield(asked)
            except AftershockError as error:
                asked = None
                self.missed("clickhouse", str(error))
            except TimeoutError:
                self.missed("clickhouse", self._hangs("clickhouse", self._settings.clickhouse.url))
            else:
                asked = None
                self.answered("clickhouse")
            await asyncio.sleep(LOOK_S)

    def _hangs(self, server: Server, address: str) -> str:
        return f"{NAMES[server]} at {address} has not answered for {LONGEST_LOOK_S:.0f} s"

    def answered(self, server: Server) -> None:
        """Note that a server has answered."""
        now = self._clock()
        if self._missing.pop(server, None) is not None and server in self._answered_at:
            quiet = left_out(server)
            also = f"; {quiet:,} lines about it were left out" if quiet else ""
            log.info("%s answers again after %.1f s%s", NAMES[server], now - self._answered_at[server], also)
        self._answered_at[server] = now

    def missed(self, server: Server, why: str) -> None:
        """Note that a server does not answer, with a sentence that says what was seen."""
        if server not in self._missing:
            log.warning("%s", why)
        self._missing[server] = why

    async def _look(self, client: Any) -> None:
        consumer = self._app.consumer
        assigned = self._assigned()
        # A worker more than there are partitions has none, and waits to step in.
        self._placed = bool(assigned) or consumer.membership.holds(self._app.consumer_generation_id)
        self._was_placed = self._was_placed or self._placed
        kafka_tps = [TopicPartition(*tp) for tp in assigned]
        if not assigned:
            await kafka.partitions_of(client, self._settings.kafka.topic_prefix + CONSUMED[0])
        ends = await client.end_offsets(kafka_tps) if assigned else {}
        begins = await client.beginning_offsets(kafka_tps) if assigned else {}
        self.answered("kafka")
        for tp in set(self._progress) - set(assigned):
            del self._progress[tp]
            self._metrics.lag.remove(tp.topic, tp.partition)
        for tp, end in ends.items():
            self._note(TP(*tp), begins[tp], end)
        self._metrics.in_flight.set(sum(intake.in_flight for intake in self._intakes().values()))

    def _assigned(self) -> list[TP]:
        try:
            return [TP(*tp) for tp in self._app.consumer.assignment() if self._is_consumed(tp.topic)]
        except faust.exceptions.ConsumerNotStarted:
            return []

    def _note(self, tp: TP, begin: int, end: int) -> None:
        # What has expired waits no more, even if it was never committed.
        committed = max(self._app.consumer.committed(tp), begin)
        seen = self._progress.get(tp)
        lag = max(end - committed, 0)
        if seen is None or seen.committed != committed or lag == 0:
            self._progress[tp] = Progress(committed, self._clock(), lag)
        else:
            seen.lag = lag
        self._metrics.lag.labels(tp.topic, tp.partition).set(lag)

    def _is_consumed(self, topic: str) -> bool:
        return topic.removeprefix(self._settings.kafka.topic_prefix) in CONSUMED

    def stalled(self) -> list[str]:
        """Return the partitions where messages wait and nothing was committed for longer than allowed."""
        limit = self._settings.worker.stall_after_s
        now = self._clock()
        return sorted(
            f"{tp.topic}-{tp.partition}"
            for tp, progress in self._progress.items()
            if progress.lag > 0 and now - progress.moved_at > limit
        )

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return self._metrics.exposition()

    def live(self) -> dict[str, Any]:
        """Return whether the worker should be left running, and what stands still."""
        stalled = self.stalled()
        return {"live": not stalled, "stalled": stalled}

    def ready(self) -> dict[str, Any]:
        """Return whether the worker does its work, and what is missing."""
        why = {str(server): sentence for server, sentence in self._missing.items()}
        # A worker that waits at its start for a server joins the group afterwards.
        joining = bool(why) and not self._was_placed
        if not joining and (self._app.rebalancing or not self._placed):
            why["partitions"] = "the consumer group has not assigned this worker its partitions yet"
        stalled = self.stalled()
        if stalled:
            why["progress"] = f"messages wait and nothing is committed in {', '.join(stalled)}"
        lag = {f"{tp.topic}-{tp.partition}": progress.lag for tp, progress in sorted(self._progress.items())}
        return {"ready": not why, "missing": list(why), "why": why, "lag": lag}
