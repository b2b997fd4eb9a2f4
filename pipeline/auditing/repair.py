"""Repair: ranges of offsets that were never stored, read from Kafka again and taken the ordinary way into the tables.

Each range becomes batches of its own, below the committed offset, where no worker reads: the same stages, the same
delivery, rows under the token of the batch's boundaries. Three lines make it exact:

1. the journal: ``begun``, with the boundaries;
2. the ledger, as for any batch, before a row is sent;
3. the journal: ``done``, when every row is acknowledged.

Who dies in between leaves a range that is begun and not done. The next run does it again under the same token, so
ClickHouse drops what has arrived. It remembers a token for 10,000 inserts; if about so many may have been since, the
tables are asked instead, and one that has rows of the range gets none: only what its aggregates lack of them.

The counts of a repaired range are not sent. The counting side takes the batches of a partition in their order and
has gone on behind the range: it would drop them as known, or, in those counts partitions to which nothing later has
gone, take them, by chance. Windows and their alerts are about the present in any case; an issue that has happened in
the range alone stays unknown, so that it is announced as new when it happens again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.auditing.findings import Finding, HoleFound, NotStored, Repaired, Unfinished
from pipeline.auditing.journal import Journal
from pipeline.auditing.ledger import Partition
from pipeline.auditing.ranges import Expired, Ranges, in_batches, open_ranges, records_in
from pipeline.auditing.rows import Rows, stores_of
from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.kafka import Send
from pipeline.intake.batching import BatchLimits
from pipeline.intake.ledger import Ledger
from pipeline.records.record import Boundaries, RawBatch, RecordBatch, Source
from pipeline.runtime.metrics import Metrics
from pipeline.stages.pool import StagePool
from pipeline.store.batch_inserts import BatchInserts, RepeatedInsert
from pipeline.store.deliver import Delivery
from pipeline.store.repeated_inserts import Repeats
from pipeline.store.view_targets import Aggregates, stored_rows
from pipeline.tables.columns import COLUMNS
from pipeline.tables.issues import change_of
from schemas.topics import COUNTS, ISSUE_CHANGES

log = logging.getLogger(__name__)

TOKENS_HOLD = 5000
"""So many batches later a token may be forgotten: a table remembers 10,000, and a batch may need several."""
DECOMPRESSED_BYTES = 96 * 1024 * 1024
THREADS = 8

Range = HoleFound | NotStored | Unfinished


def repairable(findings: Sequence[Finding]) -> list[Range]:
    """Return the findings that a repair can do something about."""
    return [
        one
        for one in findings
        if isinstance(one, NotStored | Unfinished) or (isinstance(one, HoleFound) and one.verdict == "lost")
    ]


class LongAfter:
    """Inserts the rest of a batch so long after it was begun that ClickHouse may have forgotten its tokens.

    Args:
        clickhouse: where the tables are.
        repeats: inserts into the tables that have nothing of the batch.
        there: the tables that have their rows: only what their aggregates lack is added.
    """

    def __init__(self, clickhouse: ClickHouse, repeats: Repeats, there: frozenset[str]) -> None:
        self._aggregates = Aggregates(clickhouse)
        self._repeats = repeats
        self._there = there

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
        if table not in self._there:
            self._repeats.insert(source, boundaries, table, columns, lines, token)
            return
        if not isinstance(lines, bytes):
            for _ in lines:
                pass  # the stages wait until they are taken
        for one in self._aggregates.of(table):
            self._aggregates.mend(one, stored_rows(table, source, boundaries), token)


class Tools(Struct):
    """What repairs are made with."""

    ranges: Ranges
    stages: StagePool
    executor: ThreadPoolExecutor
    send: Send


class Repairer:
    """Repairs ranges, one after the other.

    Args:
        settings: those of the workers: what is stored depends on them.
        clickhouse: where the tables are.
        partitions: what the audit has found of each partition.
        said: is told of each range that is stored.
    """

    def __init__(
        self,
        settings: Settings,
        clickhouse: ClickHouse,
        partitions: Sequence[Partition],
        said: Callable[[Repaired], None],
    ) -> None:
        self._settings = settings
        self._clickhouse = clickhouse
        self._partitions = {(one.source.topic, one.source.partition): one for one in partitions}
        self._said = said
        self._journal = Journal(clickhouse)
        self._rows = Rows(clickhouse)
        self._metrics = Metrics()
        worker = settings.worker
        self._limits = BatchLimits(worker.batch_events, worker.batch_bytes, DECOMPRESSED_BYTES, 0)

    async def repair(self, found: Sequence[Range]) -> None:
        """Store what is missing, as far as Kafka still has it.

        Raises:
            Misconfigured: the stages cannot be compiled for the settings.
            Unavailable: Kafka cannot be reached.
        """
        async with self._tools() as tools:
            # What was begun comes first: it may be in the ledger by now, and then no later audit would find it.
            for one in sorted(found, key=lambda one: not isinstance(one, Unfinished)):
                try:
                    await self._repair(one, tools)
                except Expired:
                    log.error("%s-%d: Kafka has deleted offset %d meanwhile", one.topic, one.partition, one.first)

    async def _repair(self, found: Range, tools: Tools) -> None:
        partition = self._partitions[found.topic, found.partition]
        read = tools.ranges.read(found.topic, found.partition, found.first, found.last)
        if isinstance(found, HoleFound):
            async for boundaries, record_batches in in_batches(read, found.first, found.last, self._limits):
                await self._deliver(partition, boundaries, record_batches, tools, fresh=True)
            return
        # What has boundaries keeps them, and with them its token.
        boundaries = Boundaries(found.first, found.last)
        record_batches = [one async for one in read]
        since = found.begun_at if isinstance(found, Unfinished) else None
        await self._deliver(partition, boundaries, record_batches, tools, fresh=False, begun_at=since)

    async def _deliver(
        self,
        partition: Partition,
        boundaries: Boundaries,
        record_batches: list[RecordBatch],
        tools: Tools,
        *,
        fresh: bool,
        begun_at: datetime | None = None,
    ) -> None:
        source = partition.source
        records = sum(records_in(one, boundaries.first, boundaries.last) for one in record_batches)
        if begun_at is None:
            self._journal.note(source, boundaries, records, "begun")
        batch = RawBatch(source, boundaries, boundaries.first, record_batches, not fresh, self._generation(partition))
        inserts = BatchInserts(
            COLUMNS,
            clickhouse=self._clickhouse,
            repeats=self._repeats(partition, boundaries, begun_at),
            executor=tools.executor,
            metrics=self._metrics,
        )
        delivery = Delivery(
            tools.stages,
            inserts,
            held=_held,
            ledger=Ledger(self._clickhouse),
            send=tools.send,
            metrics=self._metrics,
        )
        await delivery.deliver(batch, asyncio.get_running_loop().create_future())
        self._journal.note(source, boundaries, records, "done")
        self._said(Repaired(source.topic, source.partition, boundaries.first, boundaries.last, records))

    def _generation(self, partition: Partition) -> int:
        """Return the partition's latest generation: what overtaken workers have begun of the range does not stand."""
        return max((entry.generation for entry in partition.entries), default=0)

    def _repeats(self, partition: Partition, boundaries: Boundaries, begun_at: datetime | None) -> RepeatedInsert:
        """Return what inserts a range that may be there in part."""
        repeats = Repeats(self._clickhouse, self._metrics)
        if begun_at is None or self._journal.batches_since(begun_at) < TOKENS_HOLD:
            return repeats
        source, since = partition.source, partition.life.since
        there = [
            store.table
            for store in stores_of(source.topic)
            if self._rows.stored(store, source.topic, source.partition, boundaries, since)
        ]
        return LongAfter(self._clickhouse, repeats, frozenset(there))

    @asynccontextmanager
    async def _tools(self) -> AsyncIterator[Tools]:
        one_process = _with_one_process(self._settings)
        stages = await asyncio.to_thread(StagePool, one_process)
        try:
            await asyncio.to_thread(stages.wait_ready)
            async for record in kafka.read_to_end(self._settings.kafka, ISSUE_CHANGES.name):
                try:
                    stages.note(*change_of(record))
                except ValueError as error:
                    log.warning("%s: offset %d skipped: %s", ISSUE_CHANGES.name, record.offset, error)
            with ThreadPoolExecutor(THREADS, "clickhouse") as executor:
                async with open_ranges(self._settings.kafka) as ranges, kafka.producer(self._settings.kafka) as client:
                    yield Tools(ranges, stages, executor, _Sender(client, self._settings.kafka.topic_prefix))
        finally:
            await asyncio.to_thread(stages.close)


class _Sender:
    """Sends dead letters, and keeps counts back.

    Args:
        client: a connected producer.
        prefix: what stands before every topic's name in Kafka.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def __call__(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send a message, unless it is of counts.

        Raises:
            Unavailable: Kafka did not acknowledge it.
        """
        if topic != COUNTS.name:
            await kafka.send_and_wait(
                self._client, self._prefix + topic, value, key=key, partition=partition, headers=headers
            )


async def _held(_generation: int) -> None:
    """Return: no worker reads below the committed offset, so nobody can have taken the range over."""


def _with_one_process(settings: Settings) -> Settings:
    return replace(settings, worker=replace(settings.worker, stage_processes=1))
