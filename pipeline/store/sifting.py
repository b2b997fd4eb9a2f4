"""Sifting: of the rows that ClickHouse refuses as a whole, all are inserted but those of the events that it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from msgspec.structs import replace

from pipeline.edges.clickhouse import RequestRejected
from pipeline.edges.retry import until_available
from pipeline.errors import Unavailable
from pipeline.records.record import RawBatch, RecordBatch
from pipeline.store.batch_inserts import BatchInserts
from pipeline.store.dead_letter_queue import Refusal, refused_by_clickhouse

MOST_REFUSED = 1000
"""So many events of a table in a row may be refused by ClickHouse and become dead letters. Then it is not the events: a
table was altered, or does not fit this version. Their partitions stand still, and are found so, until it takes them."""
REFUSED_A_TRY = 100
"""So many may be refused each time that it is tried again: the first event of a batch may be bad all the same."""
SIFTED_TOGETHER = 1000
"""So many events' rows are looked at together when ClickHouse refuses one of them, and one record batch's more."""

ApartRow = tuple[int, bytes]
"""A row as a line, behind the offset of its event."""


class Stages(Protocol):
    """What makes the rows of a batch once more."""

    async def rows_apart(self, batch: RawBatch, table: str) -> list[ApartRow]:
        """Return each row that all of a batch's events make in a table."""


class Sifting:
    """Finds events that ClickHouse refuses.

    Args:
        stages: makes the rows again.
        inserts: inserts them.
    """

    def __init__(self, stages: Stages, inserts: BatchInserts) -> None:
        self._stages = stages
        self._inserts = inserts
        self._refused: Counter[str] = Counter()

    def accepted(self, table: str) -> None:
        """Note that ClickHouse has taken rows of a table: it is not the table that it refuses."""
        self._refused[table] = 0

    async def sift(self, batch: RawBatch, table: str) -> list[Refusal]:
        """Insert all rows of a table but those that ClickHouse refuses; return their events.

        They are made again, some record batches' at a time, and again while it refuses them all.
        """
        refusals: list[Refusal] = []
        for number, part in enumerate(_parts(batch)):
            rows = await self._stages.rows_apart(part, table)
            if rows:
                refusals += await self._sifted(part, table, rows, str(number))
        return refusals

    async def _sifted(self, batch: RawBatch, table: str, rows: list[ApartRow], name: str) -> list[Refusal]:
        async def once() -> list[Refusal]:
            refusals: list[Refusal] = []
            await self._halve(batch, table, rows, refusals, name)
            return refusals

        return await until_available(once, self._inserts.retried)

    async def _halve(
        self,
        batch: RawBatch,
        table: str,
        rows: list[ApartRow],
        refusals: list[Refusal],
        name: str,
    ) -> None:
        """Insert rows; where ClickHouse rejects them, find the event that it refuses, and make it a dead letter."""
        try:
            await self._inserts.insert(batch, table, iter([b"".join(row for _, row in rows)]), name)
            self.accepted(table)
        except RequestRejected as rejected:
            if len({offset for offset, _ in rows}) == 1:
                self._count_refused(table, rejected)
                refusals.append(refused_by_clickhouse(batch, rows[0][0], rejected.code))
                return
            middle = _middle(rows)
            await self._halve(batch, table, rows[:middle], refusals, f"{name}a")
            await self._halve(batch, table, rows[middle:], refusals, f"{name}b")

    def _count_refused(self, table: str, rejected: RequestRejected) -> None:
        if self._refused[table] >= MOST_REFUSED:
            self._refused[table] -= REFUSED_A_TRY
            raise Unavailable(
                f"ClickHouse has refused {MOST_REFUSED} events for {table} in a row (error {rejected.code}), so it "
                "is not the events: see whether the table's columns are those of the migrations"
            )
        self._refused[table] += 1


def _parts(batch: RawBatch) -> Iterator[RawBatch]:
    """Yield the batch in parts of so many records that their rows can be held; always the same ones."""
    part: list[RecordBatch] = []
    count = 0
    for record_batch in batch.record_batches:
        part.append(record_batch)
        count += record_batch.count
        if count >= SIFTED_TOGETHER:
            yield replace(batch, record_batches=part)
            part, count = [], 0
    if part:
        yield replace(batch, record_batches=part)


def _middle(rows: list[ApartRow]) -> int:
    """Return where to halve the rows so that the rows of one event stay together."""
    offsets = [offset for offset, _ in rows]
    middle = len(rows) // 2
    while middle < len(rows) and offsets[middle] == offsets[middle - 1]:
        middle += 1
    if middle < len(rows):
        return middle
    middle = len(rows) // 2
    while offsets[middle] == offsets[middle - 1]:
        middle -= 1
    return middle
