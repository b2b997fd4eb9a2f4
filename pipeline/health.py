"""Health: what a worker says of itself over HTTP, and how it knows.

* ``/health/live``: 503 when a stage stands still although messages are waiting. A supervisor should restart it.
* ``/health/ready``: 503 until partitions are assigned and restored, and while ClickHouse or Kafka does not answer.
* ``/metrics``: Prometheus.

The lag is read from the broker by a client of its own, so that a consumer that has quietly stopped is seen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP
from msgspec import Struct

from pipeline import kafka
from pipeline.config import Settings
from pipeline.errors import Unavailable
from pipeline.intake import Intake
from pipeline.metrics import Metrics
from schemas.topics import CONSUMED as CONSUMED_TOPICS

log = logging.getLogger(__name__)

LOOK_S = 5.0
LONGEST_LOOK_S = 30.0
CONSUMED = tuple(topic.name for topic in CONSUMED_TOPICS)


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
        clickhouse_answers: asks ClickHouse.
        clock: a monotonic clock in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        app: faust.App,
        intakes: Callable[[], Mapping[str, Intake]],
        clickhouse_answers: Callable[[], Awaitable[bool]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._app = app
        self._intakes = intakes
        self._ask_clickhouse = clickhouse_answers
        self._clock = clock
        self._progress: dict[TP, Progress] = {}
        self._kafka_answers = False
        self._clickhouse_answers = False
        self._placed = False

    async def watch(self) -> None:
        """Look at the broker every five seconds, for ever."""
        while True:
            try:
                async with kafka.consumer(self._settings.kafka) as client:
                    while True:
                        async with asyncio.timeout(LONGEST_LOOK_S):
                            await self._look(client)
                        await asyncio.sleep(LOOK_S)
            except (Unavailable, KafkaError, TimeoutError) as error:
                self._kafka_answers = False
                log.warning("cannot read the lag: %s", str(error) or type(error).__name__)
                await asyncio.sleep(LOOK_S)

    async def _look(self, client: Any) -> None:
        consumer = self._app.consumer
        assigned = [TP(*tp) for tp in consumer.assignment() if self._is_consumed(tp.topic)]
        # A worker more than there are partitions has none, and waits to step in.
        self._placed = bool(assigned) or consumer.lease.holds(self._app.consumer_generation_id)
        kafka_tps = [TopicPartition(*tp) for tp in assigned]
        ends = await client.end_offsets(kafka_tps) if assigned else {}
        begins = await client.beginning_offsets(kafka_tps) if assigned else {}
        self._kafka_answers = True
        self._clickhouse_answers = await self._ask_clickhouse()
        for tp in set(self._progress) - set(assigned):
            del self._progress[tp]
            self._metrics.lag.remove(tp.topic, tp.partition)
        for tp, end in ends.items():
            self._note(TP(*tp), begins[tp], end)
        self._metrics.in_flight.set(sum(intake.in_flight for intake in self._intakes().values()))

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
        missing = []
        if not self._kafka_answers:
            missing.append("kafka")
        if not self._clickhouse_answers:
            missing.append("clickhouse")
        if self._app.rebalancing or not self._placed:
            missing.append("partitions")
        if self.stalled():
            missing.append("progress")
        lag = {f"{tp.topic}-{tp.partition}": progress.lag for tp, progress in sorted(self._progress.items())}
        return {"ready": not missing, "missing": missing, "lag": lag}


def serve(app: faust.App, health: Health) -> None:
    """Add the pages to the app's web server."""

    async def live(view: Any, _request: Any) -> Any:
        state = health.live()
        return view.json(state, status=200 if state["live"] else 503)

    async def ready(view: Any, _request: Any) -> Any:
        state = health.ready()
        return view.json(state, status=200 if state["ready"] else 503)

    async def metrics(view: Any, _request: Any) -> Any:
        return view.bytes(health.exposition(), content_type="text/plain")

    for path, page in (("/health/live", live), ("/health/ready", ready), ("/metrics", metrics)):
        app.page(path)(page)
