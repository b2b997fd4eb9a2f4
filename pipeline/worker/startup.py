"""Startup: a worker waits for its servers as it does in operation, before it joins the consumer group.

The pages are up meanwhile and say what is missing. What passes by itself is waited for: a server that is not there,
does not answer, or whose host does not resolve yet. What a person has to mend ends the worker with a line that says so:
credentials that are refused, topics or a database that nobody has made.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import RequestRejected
from pipeline.edges.retry import until_available
from pipeline.errors import AuthenticationFailed, Misconfigured, Unavailable
from pipeline.runtime.metrics import Metrics
from pipeline.worker.health import Health, Server
from schemas.topics import CONSUMED, ISSUE_CHANGES

LONGEST_PAUSE_S = 2.0
NEEDED = (*(topic.name for topic in CONSUMED), ISSUE_CHANGES.name)


class Startup:
    """What a worker does before it joins the group.

    Args:
        settings: all settings.
        health: told which server answers.
        metrics: where attempts are counted.
        ask_clickhouse: returns when ClickHouse has answered.
        stages_ready: returns when the stages' processes are there.
    """

    def __init__(
        self,
        settings: Settings,
        health: Health,
        metrics: Metrics,
        ask_clickhouse: Callable[[], Awaitable[None]],
        stages_ready: Callable[[], Coroutine[None, None, None]],
    ) -> None:
        self._settings = settings
        self._health = health
        self._metrics = metrics
        self._ask_clickhouse = ask_clickhouse
        self._stages_ready = stages_ready

    async def run(self) -> bool:
        """Return whether everything is there; ``False`` after SIGTERM or SIGINT, which end the waiting at once.

        Raises:
            Misconfigured: a person has to change something.
            StagesEnded: a process of the stages ended.
        """
        loop = asyncio.get_running_loop()
        waiting = asyncio.ensure_future(self._wait())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, waiting.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await waiting
            return not waiting.cancelled()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _wait(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stages_ready())
                group.create_task(self._until("kafka", self._ask_kafka))
                group.create_task(self._until("clickhouse", self._ask_clickhouse))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _until(self, server: Server, ask: Callable[[], Awaitable[None]]) -> None:
        async def once() -> None:
            try:
                await ask()
            except (AuthenticationFailed, RequestRejected) as error:
                raise Misconfigured(str(error)) from None
            except Unavailable as error:
                self._health.missed(server, str(error))
                raise
            self._health.answered(server)

        retried = self._metrics.retries.labels(server).inc
        await until_available(once, retried, longest_pause_s=LONGEST_PAUSE_S)

    async def _ask_kafka(self) -> None:
        await kafka.require_topics(self._settings.kafka, NEEDED)
