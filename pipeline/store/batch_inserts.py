"""Inserts of a batch's rows, each under the deduplication token of its table and part."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.edges.retry import until_available
from pipeline.errors import Unavailable
from pipeline.records.record import Boundaries, RawBatch, Source
from pipeline.runtime.metrics import Metrics
from pipeline.store.view_targets import insert_token

UNACCEPTABLE_ROW = frozenset((6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 130, 131, 321, 376, 407, 467, 675, 691))
"""ClickHouse's error numbers for a value that a column cannot take (src/Common/ErrorCodes.cpp)."""


class RepeatedInsert(Protocol):
    """Inserts what may have been inserted before; see :class:`pipeline.store.repeated_inserts.Repeats`."""

    def insert(
        self,
        source: Source,
        boundaries: Boundaries,
        table: str,
        columns: Sequence[str],
        lines: bytes | Iterator[bytes],
        token: str,
    ) -> None:
        """Insert rows of a batch, and return when every table has them once."""


class BatchInserts:
    """Inserts rows of batches.

    Args:
        columns: the columns of each table's rows; ``kafka_offset`` is among them.
        clickhouse: where rows go.
        repeats: inserts rows that may be there already.
        executor: runs what blocks.
        metrics: where durations and retries are noted.
    """

    def __init__(
        self,
        columns: Mapping[str, tuple[str, ...]],
        *,
        clickhouse: ClickHouse,
        repeats: RepeatedInsert,
        executor: Executor,
        metrics: Metrics,
    ) -> None:
        self._columns = columns
        self._clickhouse = clickhouse
        self._repeats = repeats
        self._executor = executor
        self._metrics = metrics
        self.retried = metrics.retries.labels("clickhouse").inc

    async def insert(self, batch: RawBatch, table: str, rows: Iterator[bytes], part: str = "") -> None:
        """Insert rows that the stages have made of a batch; ``part`` tells the pieces of a divided batch apart.

        Raises:
            RequestRejected: a row is not acceptable.
            Unavailable: something else is the matter.
        """
        started = time.perf_counter()
        await self.insert_into(batch, table, self._columns[table], rows, part)
        self._metrics.insert_seconds.labels(table).observe(time.perf_counter() - started)

    async def insert_into(
        self, batch: RawBatch, table: str, columns: Sequence[str], rows: bytes | Iterator[bytes], part: str = ""
    ) -> None:
        """Insert rows of a batch, under a token of their own; with more care where they may be there already.

        Raises:
            RequestRejected: a row is not acceptable.
            Unavailable: something else is the matter.
        """
        source, boundaries = batch.source, batch.boundaries
        mark = insert_token(source, boundaries, table, part)
        if batch.begun_before:
            await self.run(lambda: self._repeats.insert(source, boundaries, table, columns, rows, mark))
            return
        try:
            await self.run(lambda: self._clickhouse.insert(table, columns, rows, mark))
        except Unavailable:
            batch.begun_before = True
            raise

    async def ping(self) -> None:
        """Return when ClickHouse has answered.

        Raises:
            Unavailable: it does not.
        """
        await self.run(self._clickhouse.ping)

    async def until_done(self, work: Callable[[], None]) -> None:
        """Run blocking work in a thread, again and again while ClickHouse is away."""
        await until_available(lambda: self.run(work), self.retried)

    async def run(self, work: Callable[[], None]) -> None:
        """Run blocking ClickHouse work in a thread.

        Raises:
            RequestRejected: a row is not acceptable.
            Unavailable: something else is the matter.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except RequestRejected as rejected:
            if rejected.code in UNACCEPTABLE_ROW:
                raise
            # A missing table or a missing right is mended by a person, and nothing is lost until then.
            raise Unavailable(f"{rejected}: see `aftershock doctor`") from None
