"""Retry: the same work again while a server is away, with a growing pause, for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pipeline.errors import Unavailable

T = TypeVar("T")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0

log = logging.getLogger(__name__)


async def until_available(
    work: Callable[[], Awaitable[T]], on_retry: Callable[[], None], *, longest_pause_s: float | None = None
) -> T:
    """Return what the work returns; repeat it after every :class:`Unavailable`.

    The pause doubles from 0.2 to 10 seconds, or to ``longest_pause_s``, with up to a quarter of it added at random, so
    that workers that waited for the same server do not come back at the same moment.
    """
    longest = LONGEST_PAUSE_S if longest_pause_s is None else longest_pause_s
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except Unavailable as error:
            log.warning("%s; trying again in %.1f s", error, pause)
            on_retry()
        await asyncio.sleep(pause * (1 + random.random() / 4))  # noqa: S311  jitter is no secret
        pause = min(pause * 2, longest)
