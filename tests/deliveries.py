"""Deliveries whose stages run in this process, and that have a real ClickHouse alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pipeline.edges.clickhouse import ClickHouse
from pipeline.records.record import Batch, RawBatch
from pipeline.stages.batch import ApartBatch, StagedBatch, collected
from pipeline.stages.messages import Apart, Ended, Lines
from pipeline.store.deliver import Delivery
from pipeline.tables.downsampling import Downsampler
from pipeline.tables.result import BatchResult
from pipeline.tables.storage import StorageSettings
from tests.records import records_in
from tests.transformed import COLUMNS

ALL = StorageSettings(then_one_in=1)


class InThisProcess:
    """The stages, but for the process of their own: what they do with a batch is what it does."""

    def __init__(self, process: Callable[[Batch], BatchResult], storage: StorageSettings) -> None:
        self._begin = collected(process)
        self._downsampler = Downsampler(storage)

    async def process(self, batch: RawBatch, taken: asyncio.Future[None], rows: Callable[[str, bytes], None]) -> Ended:
        staged = StagedBatch(self._begin(batch.source, batch.boundaries), self._downsampler)
        answers = [staged.take(records_in(batch)), *staged.end()]
        if not taken.done():
            taken.set_result(None)
        for answer in answers:
            for table, lines in answer.lines.items() if isinstance(answer, Lines) else ():
                await asyncio.to_thread(rows, table, lines)
        [ended] = [answer for answer in answers if isinstance(answer, Ended)]
        return ended

    async def rows_apart(self, batch: RawBatch, table: str) -> list[tuple[int, bytes]]:
        apart = ApartBatch(self._begin(batch.source, batch.boundaries), COLUMNS)
        answers = [apart.take(records_in(batch)), *apart.end()]
        return [row for answer in answers if isinstance(answer, Apart) for row in answer.rows.get(table, ())]


class Sink(ClickHouse):
    """A real ClickHouse, and a Kafka that takes everything."""

    async def send(self, topic: str, value: bytes, **options: Any) -> None:
        """Take it."""


async def always(_generation: int) -> None:
    """The membership of a worker that is never overtaken."""


async def delivered(to: Delivery, batch: RawBatch) -> None:
    await to.deliver(batch, asyncio.get_running_loop().create_future())
