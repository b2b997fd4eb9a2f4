"""Deliver: one batch, all the way. Only when everything is acknowledged is the batch done.

The order is what makes crashes harmless: the batch is written to the ledger; then its rows go to ClickHouse and
its counts and dead letters to Kafka, all of them marked with the batch's boundaries. Whatever had arrived already
is recognised by that mark when the batch is delivered again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from msgspec.json import Encoder

from pipeline import normalize
from pipeline.clickhouse import ClickHouse, RequestRejected
from pipeline.errors import Unavailable
from pipeline.ledger import Ledger, token
from pipeline.metrics import Metrics
from pipeline.process import Outcome
from pipeline.records import Batch, Record, header
from pipeline.retry import until_available
from pipeline.rows import Row
from pipeline.turns import Result, Steps, to_the_end
from schemas.counts import CountsBatch, encode_counts
from schemas.dead_letter import DeadLetter
from schemas.topics import COUNTS, DEAD_LETTERS

log = logging.getLogger(__name__)

_encode_lines = Encoder().encode_lines

DEAD_LETTER_COLUMNS = (
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "received",
    "project",
    "stage",
    "reason",
    "bytes",
)
HOPS = 4
"""How many rounds the event loop makes at each pause of the stages.

A fetch goes from task to task before it is here, a round each; with one round a pause it took most of a second.
"""
UNACCEPTABLE_ROW = frozenset((6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 130, 131, 321, 376, 407, 467, 675, 691))
"""ClickHouse's error numbers for a value that a column cannot take (src/Common/ErrorCodes.cpp)."""
MOST_REFUSED = 1000
"""So many events of a table in a row may be refused by ClickHouse and become dead letters. Then it is not the events: a
table was altered, or does not fit this version. Their partitions stand still, and are found so, until it takes them."""
REFUSED_A_TRY = 100
"""So many may be refused each time that it is tried again: the first event of a batch may be bad all the same."""


class Send(Protocol):
    """Sends one message to Kafka and returns when every replica has it.

    Raises:
        Unavailable: Kafka did not acknowledge it.
    """

    def __call__(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Awaitable[None]:
        """Send it."""


class Delivery:
    """Delivers batches of one topic.

    Args:
        process: the pure stages; one batch at a time goes through them.
        thin: takes rows out of an outcome for which others stand from then on; returns how many.
        columns: the columns of each table's rows; ``kafka_offset`` is among them.
        held: returns when a generation's partitions are known to be this worker's; raises where they are not.
        ledger: where batches are written down before anything of them is sent.
        clickhouse: where rows go.
        executor: runs what blocks.
        send: sends counts and dead letters.
        metrics: what is counted on the way.
    """

    def __init__(
        self,
        process: Callable[[Batch], Steps[Outcome]],
        thin: Callable[[Outcome], int],
        columns: Mapping[str, tuple[str, ...]],
        *,
        held: Callable[[int], Awaitable[None]],
        ledger: Ledger,
        clickhouse: ClickHouse,
        executor: Executor,
        send: Send,
        metrics: Metrics,
    ) -> None:
        self._process = process
        self._processing = asyncio.Lock()
        self._thin = thin
        self._columns = columns
        self._held = held
        self._ledger = ledger
        self._clickhouse = clickhouse
        self._executor = executor
        self._send = send
        self._metrics = metrics
        self._refused: Counter[str] = Counter()

    async def deliver(
        self,
        batch: Batch,
        previous_counts: Awaitable[Any],
        counts_sent: asyncio.Future[None],
        processed: asyncio.Future[None],
    ) -> None:
        """Deliver one batch; returns when all of it is acknowledged, however long that takes.

        Args:
            batch: what to deliver.
            previous_counts: done when the counts of the batch before it, of the same partition, were sent.
            counts_sent: set when this batch's were. Counts of a partition are sent in order, because the counting
                side knows by the last offset alone what it has applied.
            processed: set when the batch went through the stages, so that another one may.
        """
        started = time.perf_counter()
        begun = asyncio.create_task(self._begin(batch))
        try:
            await asyncio.sleep(0)
            async with self._processing:
                outcome = await _in_turns(self._process(batch))
            thinned = self._thinned(outcome)
            encoded = self._encode(outcome)
            processed.set_result(None)
            await begun
        finally:
            begun.cancel()
        letters = list(outcome.dead)
        inserts = [self._insert_all(batch, table, lines, letters) for table, lines in encoded]
        await asyncio.gather(self._send_counts(outcome.counts, previous_counts, counts_sent), *inserts)
        if letters:
            await self._bury(batch, letters)
        self._account(batch, outcome, len(letters), thinned, time.perf_counter() - started)

    async def _begin(self, batch: Batch) -> None:
        """Write the batch down while its partition is held: then whoever has it next finds the batch in the ledger."""
        await self._held(batch.generation)
        await self._blocking(lambda: self._ledger.begin(batch.source, batch.boundaries, batch.generation))
        await self._held(batch.generation)

    def _thinned(self, outcome: Outcome) -> int:
        started = time.perf_counter()
        thinned = self._thin(outcome)
        outcome.seconds["thin"] = time.perf_counter() - started
        return thinned

    def _encode(self, outcome: Outcome) -> list[tuple[str, bytes]]:
        """Return the rows as lines, and let go of the rows: they take several times the memory."""
        started = time.perf_counter()
        encoded = [(table, _encode_lines(rows)) for table, rows in outcome.rows.items() if rows]
        outcome.rows.clear()
        outcome.seconds["encode"] = time.perf_counter() - started
        return encoded

    async def _insert_all(
        self, batch: Batch, table: str, lines: bytes, letters: list[tuple[Record, DeadLetter]]
    ) -> None:
        """Insert a batch's rows; where ClickHouse refuses one, make them again, all of them, to find it."""
        try:
            await self._send_lines(batch, table, lines)
        except RequestRejected as rejected:
            if rejected.code not in UNACCEPTABLE_ROW:
                raise
            letters += await self._sift(batch, table, rejected)

    async def _sift(self, batch: Batch, table: str, rejected: RequestRejected) -> list[tuple[Record, DeadLetter]]:
        """Insert all rows but those that ClickHouse refuses; return their events. Again, while it refuses them all."""
        rows = to_the_end(self._process(batch)).rows[table]

        async def once() -> list[tuple[Record, DeadLetter]]:
            letters: list[tuple[Record, DeadLetter]] = []
            await self._halve(batch, table, rows, rejected, letters)
            return letters

        return await until_available(once, self._metrics.retries.labels("clickhouse").inc)

    async def _send_lines(self, batch: Batch, table: str, lines: bytes, part: str = "") -> None:
        mark = f"{token(batch.source, batch.boundaries, part)}/{table}"
        started = time.perf_counter()
        await self._blocking(lambda: self._clickhouse.insert(table, self._columns[table], lines, mark))
        self._refused[table] = 0
        self._metrics.insert_seconds.labels(table).observe(time.perf_counter() - started)

    async def _halve(
        self,
        batch: Batch,
        table: str,
        rows: list[Row],
        rejected: RequestRejected,
        letters: list[tuple[Record, DeadLetter]],
        part: str = "",
    ) -> None:
        """Find the event that ClickHouse refuses among rows it has rejected, and make it a dead letter."""
        offset_index = self._columns[table].index("kafka_offset")
        if len({row[offset_index] for row in rows}) == 1:
            if self._refused[table] >= MOST_REFUSED:
                self._refused[table] -= REFUSED_A_TRY
                raise Unavailable(
                    f"ClickHouse has refused {MOST_REFUSED} events for {table} in a row (error {rejected.code}), so it "
                    "is not the events: see whether the table's columns are those of the migrations"
                )
            self._refused[table] += 1
            letters.append(_refused_by_clickhouse(batch, rows[0][offset_index], rejected))
            return
        middle = _middle(rows, offset_index)
        for half, name in ((rows[:middle], "a"), (rows[middle:], "b")):
            try:
                await self._send_lines(batch, table, _encode_lines(half), part + name)
            except RequestRejected as again:
                if again.code not in UNACCEPTABLE_ROW:
                    raise
                await self._halve(batch, table, half, again, letters, part + name)

    async def _send_counts(
        self,
        counts: dict[int, CountsBatch],
        previous_counts: Awaitable[Any],
        counts_sent: asyncio.Future[None],
    ) -> None:
        await previous_counts
        await asyncio.gather(
            *(
                self._sent(COUNTS.name, encode_counts(message), partition=partition)
                for partition, message in counts.items()
            )
        )
        counts_sent.set_result(None)

    async def _bury(self, batch: Batch, letters: list[tuple[Record, DeadLetter]]) -> None:
        """Send dead letters to their topic, and their headers to ClickHouse."""
        rows = [
            (
                letter.topic,
                letter.partition,
                letter.offset,
                letter.time,
                letter.project,
                letter.stage,
                letter.reason,
                len(record.value or b""),
            )
            for record, letter in letters
        ]
        for record, letter in letters:
            await self._sent(DEAD_LETTERS.name, record.value or b"", key=record.key, headers=letter.headers())
        mark = f"{token(batch.source, batch.boundaries)}/dead_letters"
        lines = _encode_lines(rows)
        await self._blocking(lambda: self._clickhouse.insert("dead_letters", DEAD_LETTER_COLUMNS, lines, mark))

    async def _sent(self, topic: str, value: bytes, **options: Any) -> None:
        retried = self._metrics.retries.labels("kafka").inc
        await until_available(lambda: _awaited(self._send(topic, value, **options)), retried)

    async def _blocking(self, work: Callable[[], None]) -> None:
        """Run blocking ClickHouse work in a thread, again and again while the server is away."""
        loop = asyncio.get_running_loop()
        retried = self._metrics.retries.labels("clickhouse").inc

        async def once() -> None:
            try:
                await loop.run_in_executor(self._executor, work)
            except RequestRejected as rejected:
                if rejected.code in UNACCEPTABLE_ROW:
                    raise
                # A missing table or a missing right is mended by a person, and nothing is lost until then.
                raise Unavailable(f"{rejected}: see `aftershock doctor`") from None

        await until_available(once, retried)

    def _account(self, batch: Batch, outcome: Outcome, dead: int, thinned: int, seconds: float) -> None:
        topic = batch.source.topic
        filtered = sum(outcome.filtered.values())
        events = self._metrics.events
        # Where ClickHouse refused a row, all were stored whole after all: then this is too low, but never below zero.
        events.labels(topic, "stored").inc(max(len(batch.records) - dead - filtered - thinned, 0))
        if thinned:
            events.labels(topic, "counted").inc(thinned)
        if dead:
            events.labels(topic, "dead_letter").inc(dead)
            log.warning("%d events of %s became dead letters: see `aftershock dead-letters list`", dead, topic)
        if filtered:
            events.labels(topic, "filtered").inc(filtered)
        for stage, spent in outcome.seconds.items():
            self._metrics.stage_seconds.labels(stage).inc(spent)
        self._metrics.batches.labels(topic).inc()
        self._metrics.batch_seconds.labels(topic).observe(seconds)


def _refused_by_clickhouse(batch: Batch, offset: int, rejected: RequestRejected) -> tuple[Record, DeadLetter]:
    record = next(record for record in batch.records if record.offset == offset)
    letter = DeadLetter(
        topic=batch.source.topic,
        partition=batch.source.partition,
        offset=offset,
        stage="store",
        reason=f"ClickHouse cannot take a value of this event (error {rejected.code}): keep it, and report it",
        time=int(time.time() * 1000),
        project=header(record, "project"),
        weight=normalize.weight(header(record, "weight")),
    )
    return record, letter


def _middle(rows: list[Row], offset_index: int) -> int:
    """Return where to halve the rows so that the rows of one event stay together."""
    middle = len(rows) // 2
    while middle < len(rows) and rows[middle][offset_index] == rows[middle - 1][offset_index]:
        middle += 1
    if middle < len(rows):
        return middle
    middle = len(rows) // 2
    while rows[middle][offset_index] == rows[middle - 1][offset_index]:
        middle -= 1
    return middle


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _in_turns(steps: Steps[Result]) -> Result:
    """Do the work and let others on the event loop take a turn at each pause; return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        for _ in range(HOPS):
            await asyncio.sleep(0)
