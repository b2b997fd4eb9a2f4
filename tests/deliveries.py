"""Deliveries whose stages run in this process, and that have a real ClickHouse alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pipeline.edges.clickhouse import ClickHouse
from pipeline.records.record import Batch, GatheredBatch
from pipeline.stages.batch import ApartBatch, StagedBatch, gathered
from pipeline.stages.messages import Apart, Ended, Lines
from pipeline.store.deliver import Delivery
from pipeline.tables.downsampling import Thinner
from pipeline.tables.result import BatchResult
from pipeline.tables.storage import StorageSettings
from tests.records import records_in
from tests.transformed import COLUMNS

ALL = StorageSettings(then_one_in=1)


class InThisProcess:
    """The stages, but for the process of their own: what they do with a batch is what it does."""

    def __init__(self, process: Callable[[Batch], BatchResult], storage: StorageSettings) -> None:
        self._begin = gathered(process)
        self._thinner = Thinner(storage)

    async def process(
        self, batch: GatheredBatch, taken: asyncio.Future[None], rows: Callable[[str, bytes], None]
    ) -> Ended:
        staged = StagedBatch(self._begin(batch.source, batch.boundaries), self._thinner)
        answers = [staged.take(records_in(batch)), *staged.end()]
        if not taken.done():
            taken.set_result(None)
        for answer in answers:
            for table, lines in answer.lines.items() if isinstance(answer, Lines) else ():
                await asyncio.to_thread(rows, table, lines)
        [ended] = [answer for answer in answers if isinstance(answer, Ended)]
        return ended

    async def rows_apart(self, batch: GatheredBatch, table: str) -> list[tuple[int, bytes]]:
        apart = ApartBatch(self._begin(batch.source, batch.boundaries), COLUMNS)
        answers = [apart.take(records_in(batch)), *apart.end()]
        return [row for answer in answers if isinstance(answer, Apart) for row in answer.rows.get(table, ())]


class Sink(ClickHouse):
    """A real ClickHouse, and a Kafka that takes everything."""

    async def send(self, topic: str, value: bytes, **options: Any) -> None:
        """Take it."""


async def always(_generation: int) -> None:
    """The lease of a worker that is never overtaken."""


async def delivered(to: Delivery, batch: GatheredBatch) -> None:
    await to.deliver(batch, asyncio.get_running_loop().create_future())
