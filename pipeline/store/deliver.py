"""Deliver: one batch, all the way. Only when everything is acknowledged is the batch done.

The order is what makes crashes harmless: the batch is written to the ledger; then its rows go to ClickHouse and
its counts and dead letters to Kafka, all of them marked with the batch's boundaries. Whatever had arrived already
is recognised by that mark when the batch is delivered again. What ClickHouse recognises and does not have all the same,
because it was killed, is added then: see :mod:`pipeline.store.repeated_inserts`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, Protocol

from msgspec.json import Encoder
from msgspec.structs import replace

from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.edges.kafka import Send
from pipeline.edges.retry import until_available
from pipeline.errors import Unavailable
from pipeline.intake.ledger import Ledger
from pipeline.records.record import Boundaries, GatheredBatch, Record, RecordBatch, Source
from pipeline.records.record_batches import KafkaRecord, Unreadable, records_of
from pipeline.runtime.metrics import Metrics
from pipeline.stages.messages import Ended
from pipeline.store.inserts import GivenUp, Inserts
from pipeline.store.turns import Turn, Turns
from pipeline.store.view_targets import insert_token
from pipeline.tables.dead_letters import (
    DEAD_LETTER_COLUMNS,
    DEAD_LETTERS_TABLE,
    dead_letter,
    dead_letter_row,
    origin_of,
)
from schemas.dead_letter import DeadLetter
from schemas.topics import COUNTS, DEAD_LETTERS

log = logging.getLogger(__name__)

_encode_lines = Encoder().encode_lines

UNACCEPTABLE_ROW = frozenset((6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 130, 131, 321, 376, 407, 467, 675, 691))
"""ClickHouse's error numbers for a value that a column cannot take (src/Common/ErrorCodes.cpp)."""
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
    """What takes batches through the pure stages; see :class:`pipeline.stages.pool.StagePool`."""

    async def process(
        self, batch: GatheredBatch, taken: asyncio.Future[None], rows: Callable[[str, bytes], None]
    ) -> Ended:
        """Return what has become of a batch; ``rows`` is called in a thread, by and by, each time for one table.

        ``taken`` is set when another batch may come.
        """

    async def rows_apart(self, batch: GatheredBatch, table: str) -> list[ApartRow]:
        """Return each row that all of a batch's events make in a table."""


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


class Delivery:
    """Delivers batches of one topic.

    Args:
        stages: the pure stages.
        columns: the columns of each table's rows; ``kafka_offset`` is among them.
        held: returns when a generation's partitions are known to be this worker's; raises where they are not.
        ledger: where batches are written down before anything of them is sent.
        clickhouse: where rows go.
        repeats: inserts rows that may be there already.
        executor: runs what blocks.
        send: sends counts and dead letters.
        metrics: what is counted on the way.
    """

    def __init__(
        self,
        stages: Stages,
        columns: Mapping[str, tuple[str, ...]],
        *,
        held: Callable[[int], Awaitable[None]],
        ledger: Ledger,
        clickhouse: ClickHouse,
        repeats: RepeatedInsert,
        executor: Executor,
        send: Send,
        metrics: Metrics,
    ) -> None:
        self._stages = stages
        self._columns = columns
        self._held = held
        self._ledger = ledger
        self._clickhouse = clickhouse
        self._repeats = repeats
        self._executor = executor
        self._send = send
        self._metrics = metrics
        self._refused: Counter[str] = Counter()
        self._turns: Turns[tuple[Source, int]] = Turns()

    async def deliver(self, batch: GatheredBatch, taken: asyncio.Future[None]) -> None:
        """Deliver one batch; returns when all of it is acknowledged, however long that takes.

        Batches of a partition are handed over in their order, and send their counts in it: the consumer of ``counts``
        knows by the last offset alone what it has applied.

        Args:
            batch: what to deliver.
            taken: set when the stages have all of the batch, so that they may be handed another one.
        """
        with self._turns.take((batch.source, batch.generation)) as turn:
            await self._deliver(batch, taken, turn)

    async def _deliver(self, batch: GatheredBatch, taken: asyncio.Future[None], turn: Turn) -> None:
        started = time.perf_counter()
        begun = asyncio.create_task(self._begin(batch))
        try:
            inserts, ended = await self._through(batch, taken, begun)
        finally:
            begun.cancel()
        letters = _with_records(batch, ended.dead)
        _, refused = await asyncio.gather(
            self._send_counts(ended.counts, turn), self._stored(batch, inserts, taken, begun)
        )
        letters += refused
        if letters:
            await self._bury(batch, letters)
        self._account(batch, ended, len(letters), time.perf_counter() - started)

    async def _begin(self, batch: GatheredBatch) -> None:
        """Write the batch down while its partition is held: then whoever has it next finds the batch in the ledger."""
        await self._held(batch.generation)
        await self._blocking(lambda: self._ledger.begin(batch.source, batch.boundaries, batch.generation))
        await self._held(batch.generation)

    async def _through(
        self, batch: GatheredBatch, taken: asyncio.Future[None], begun: asyncio.Future[None]
    ) -> tuple[Inserts, Ended]:
        """Take a batch through the stages, and send its rows to ClickHouse meanwhile, once it is written down."""

        async def insert(table: str, rows: Iterator[bytes]) -> None:
            await asyncio.wait((begun,))
            if begun.cancelled() or begun.exception() is not None:
                raise GivenUp
            await self._insert(batch, table, rows)

        inserts = Inserts(insert)
        try:
            ended = await self._stages.process(batch, taken, inserts.take)
            await begun
        except BaseException:
            inserts.give_up()
            raise
        return inserts, ended

    async def _stored(
        self, batch: GatheredBatch, inserts: Inserts, taken: asyncio.Future[None], begun: asyncio.Future[None]
    ) -> list[tuple[Record, DeadLetter]]:
        """Return when all rows are stored, however often that takes; and the events that ClickHouse refuses."""
        running: Inserts | None = inserts

        async def once() -> dict[str, BaseException]:
            nonlocal running
            if running is None:
                await self._in_thread(self._clickhouse.ping)
                running, _ = await self._through(batch, taken, begun)
            ending, running = running, None
            return await ending.end()

        letters: list[tuple[Record, DeadLetter]] = []
        for table, error in (await until_available(once, self._metrics.retries.labels("clickhouse").inc)).items():
            if not isinstance(error, RequestRejected):
                raise error
            letters += await self._sift(batch, table)
        return letters

    async def _sift(self, batch: GatheredBatch, table: str) -> list[tuple[Record, DeadLetter]]:
        """Insert all rows of a table but those that ClickHouse refuses; return their events.

        They are made again, some record batches' at a time, and again while it refuses them all.
        """
        letters: list[tuple[Record, DeadLetter]] = []
        for number, part in enumerate(_parts(batch)):
            rows = await self._stages.rows_apart(part, table)
            if rows:
                letters += await self._sifted(part, table, rows, str(number))
        return letters

    async def _sifted(
        self, batch: GatheredBatch, table: str, rows: list[ApartRow], name: str
    ) -> list[tuple[Record, DeadLetter]]:
        async def once() -> list[tuple[Record, DeadLetter]]:
            letters: list[tuple[Record, DeadLetter]] = []
            await self._halve(batch, table, rows, letters, name)
            return letters

        return await until_available(once, self._metrics.retries.labels("clickhouse").inc)

    async def _insert(self, batch: GatheredBatch, table: str, rows: Iterator[bytes], part: str = "") -> None:
        started = time.perf_counter()
        await self._insert_into(batch, table, self._columns[table], rows, part)
        self._refused[table] = 0
        self._metrics.insert_seconds.labels(table).observe(time.perf_counter() - started)

    async def _insert_into(
        self, batch: GatheredBatch, table: str, columns: Sequence[str], rows: bytes | Iterator[bytes], part: str = ""
    ) -> None:
        """Insert rows of a batch, under a token of their own; with more care where they may be there already."""
        source, boundaries = batch.source, batch.boundaries
        mark = insert_token(source, boundaries, table, part)
        if batch.begun_before:
            await self._in_thread(lambda: self._repeats.insert(source, boundaries, table, columns, rows, mark))
            return
        try:
            await self._in_thread(lambda: self._clickhouse.insert(table, columns, rows, mark))
        except Unavailable:
            batch.begun_before = True
            raise

    async def _halve(
        self,
        batch: GatheredBatch,
        table: str,
        rows: list[ApartRow],
        letters: list[tuple[Record, DeadLetter]],
        name: str,
    ) -> None:
        """Insert rows; where ClickHouse rejects them, find the event that it refuses, and make it a dead letter."""
        try:
            await self._insert(batch, table, iter([b"".join(row for _, row in rows)]), name)
        except RequestRejected as rejected:
            if len({offset for offset, _ in rows}) == 1:
                self._count_refused(table, rejected)
                letters.append(_refused_by_clickhouse(batch, rows[0][0], rejected))
                return
            middle = _middle(rows)
            await self._halve(batch, table, rows[:middle], letters, f"{name}a")
            await self._halve(batch, table, rows[middle:], letters, f"{name}b")

    def _count_refused(self, table: str, rejected: RequestRejected) -> None:
        if self._refused[table] >= MOST_REFUSED:
            self._refused[table] -= REFUSED_A_TRY
            raise Unavailable(
                f"ClickHouse has refused {MOST_REFUSED} events for {table} in a row (error {rejected.code}), so it "
                "is not the events: see whether the table's columns are those of the migrations"
            )
        self._refused[table] += 1

    async def _send_counts(self, counts: dict[int, bytes], turn: Turn) -> None:
        await turn.comes()
        await asyncio.gather(
            *(self._sent(COUNTS.name, message, partition=partition) for partition, message in counts.items())
        )
        turn.is_over()

    async def _bury(self, batch: GatheredBatch, letters: list[tuple[Record, DeadLetter]]) -> None:
        """Send dead letters to their topic, and their headers to ClickHouse."""
        for record, letter in letters:
            await self._sent(DEAD_LETTERS.name, record.value or b"", key=record.key, headers=letter.headers())
        lines = _encode_lines([dead_letter_row(record, letter) for record, letter in letters])
        await until_available(
            lambda: self._insert_into(batch, DEAD_LETTERS_TABLE, DEAD_LETTER_COLUMNS, lines),
            self._metrics.retries.labels("clickhouse").inc,
        )

    async def _sent(self, topic: str, value: bytes, **options: Any) -> None:
        retried = self._metrics.retries.labels("kafka").inc
        await until_available(lambda: _awaited(self._send(topic, value, **options)), retried)

    async def _blocking(self, work: Callable[[], None]) -> None:
        """Run blocking ClickHouse work in a thread, again and again while the server is away."""
        await until_available(lambda: self._in_thread(work), self._metrics.retries.labels("clickhouse").inc)

    async def _in_thread(self, work: Callable[[], None]) -> None:
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

    def _account(self, batch: GatheredBatch, ended: Ended, dead: int, seconds: float) -> None:
        topic = batch.source.topic
        filtered, thinned = sum(ended.filtered.values()), ended.thinned
        events = self._metrics.events
        # Where ClickHouse refused a row, all were stored whole after all: then this is too low, but never below zero.
        events.labels(topic, "stored").inc(max(ended.records - dead - filtered - thinned, 0))
        if thinned:
            events.labels(topic, "counted").inc(thinned)
        if dead:
            events.labels(topic, "dead_letter").inc(dead)
            log.warning("%d events of %s became dead letters: see `aftershock dead-letters list`", dead, topic)
        if filtered:
            events.labels(topic, "filtered").inc(filtered)
        for stage, spent in ended.seconds.items():
            self._metrics.stage_seconds.labels(stage).inc(spent)
        self._metrics.batches.labels(topic).inc()
        self._metrics.batch_seconds.labels(topic).observe(seconds)


def _refused_by_clickhouse(batch: GatheredBatch, offset: int, rejected: RequestRejected) -> tuple[Record, DeadLetter]:
    record = _records(batch, {offset})[offset]
    now_ms = int(time.time() * 1000)
    reason = f"ClickHouse cannot take a value of this event (error {rejected.code}): keep it, and report it"
    letter = dead_letter(origin_of(record, now_ms), "store", reason, now_ms)
    return record, letter


def _with_records(batch: GatheredBatch, dead: Sequence[DeadLetter]) -> list[tuple[Record, DeadLetter]]:
    """Return dead letters with the records that they are about."""
    records = _records(batch, {letter.offset for letter in dead})
    return [(records[letter.offset], letter) for letter in dead]


def _records(batch: GatheredBatch, offsets: Collection[int]) -> dict[int, Record]:
    """Return the records with these offsets; a record batch in place of one that cannot be taken out of it."""
    found: dict[int, Record] = {}
    topic, partition = batch.source.topic, batch.source.partition
    for record_batch in batch.record_batches:
        wanted = {offset for offset in offsets if record_batch.first <= offset <= record_batch.last}
        if not wanted:
            continue
        with suppress(Unreadable):
            for record in records_of(record_batch.data, topic, partition):
                if record.offset in wanted:
                    found[record.offset] = record
        for offset in wanted - found.keys():
            found[offset] = KafkaRecord(topic, partition, offset, -1, None, record_batch.data, [])
    return found


def _parts(batch: GatheredBatch) -> Iterator[GatheredBatch]:
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


async def _awaited(work: Awaitable[None]) -> None:
    await work
