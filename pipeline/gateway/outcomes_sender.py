"""Outcomes sender: what :class:`pipeline.gateway.outcomes.Outcomes` has added up, off to Kafka every second."""

from __future__ import annotations

import asyncio
import logging
import time

from pipeline.errors import AftershockError
from pipeline.gateway.delivery import Delivery
from pipeline.gateway.items import Message
from pipeline.gateway.outcomes import Outcomes

log = logging.getLogger(__name__)

EVERY_S = 1.0


class OutcomesSender:
    """Sends outcomes for as long as the process runs.

    Args:
        outcomes: where they are added up.
        delivery: where messages go; while Kafka is away that is the spool.
    """

    def __init__(self, outcomes: Outcomes, delivery: Delivery) -> None:
        self._outcomes = outcomes
        self._delivery = delivery
        self._waiting: list[Message] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Send what is left, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._send()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self._send()

    async def _send(self) -> None:
        """Send what was added up; while there is no room for it anywhere, what is counted meanwhile stays together."""
        if not self._waiting:
            self._waiting = self._outcomes.take(time.time())
        try:
            await self._delivery.send(self._waiting)
        except AftershockError as error:
            log.warning("outcomes wait: %s", error)
        else:
            self._waiting = []
