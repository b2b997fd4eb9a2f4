"""ClickHouse from asyncio: its blocking calls, run in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.edges.retry import until_available
from pipeline.runtime.metrics import Metrics

T = TypeVar("T")


class ClickHouseThreads:
    """Threads for the blocking calls of one process.

    Args:
        count: how many there are.
        metrics: where retries are counted.
    """

    def __init__(self, count: int, metrics: Metrics) -> None:
        self.executor = ThreadPoolExecutor(max_workers=count, thread_name_prefix="clickhouse")
        self._retried = metrics.retries.labels("clickhouse").inc

    async def run(self, call: Callable[[], T]) -> T:
        """Return what a call returns; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, call)

    async def answer(self, call: Callable[[], T]) -> T:
        """Return what a call returns, however long ClickHouse is away."""
        return await until_available(lambda: self.run(call), self._retried)
