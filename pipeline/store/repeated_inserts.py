"""Repeats: the insert of a batch that may have been inserted before, so that every table has it once.

An insert that ended without an answer, or whose worker has gone, is repeated with its token, and ClickHouse drops what
it has. It may know a token and not have the rows, though: it notes the token before it renames the part into place, and
may have been killed in between. So the rows of a repeated insert go into a table of their own first, and from there,
with the token, into the table they are for. After that has succeeded, every part that the insert makes is either there,
or was noted and is lost for good; nothing of it can still come, because noting and renaming happen under one lock. Then
the table is compared with the rows, week by week, and the aggregates with their tokens
(:mod:`pipeline.store.view_targets`), and what is missing is added past the views.

A week of a table of plain rows lacks the batch when it has none of its rows: they arrive together. Rows of an earlier
life of the topic have the same offsets, and were received at other times. A time that cannot be is replaced by that at
which the batch is processed, which is another one each time, but is never before this life began.

A ReplacingMergeTree may have put later rows in the place of some; it lacks the batch when it has a row neither as it is
nor as a later one. A row too many does no harm there.
"""

# ruff: noqa: S608  every name and token that is put into SQL here is our own

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress

from msgspec import Struct

from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import AftershockError
from pipeline.records.record import Boundaries, Source
from pipeline.runtime.metrics import Metrics
from pipeline.store.view_targets import NO_PARTITION, ONE_BLOCK, Aggregates, one_of, until_complete

log = logging.getLogger(__name__)

PREFIX = "repeat_"
LEFT_AFTER_S = 3600
"""A table of rows that is older was left behind by a worker that was killed."""
MOMENT = {"outcomes": "time"}
"""The column that says when a row of a table without ``received`` was received, or what comes near to it."""
CLOCKS_S = 60
"""So far apart the clocks of workers and of ClickHouse may be."""

_REPLACING = re.compile(r"ReplacingMergeTree(?:\((?:'[^']*', '[^']*'(?:, )?)?(?P<version>\w*)\))?")


class Repeated(Struct, frozen=True):
    """A table as far as it matters whether it has rows.

    Attributes:
        name: the table.
        partition: the expression that says which partition a row is in; ``''`` where there are none.
        identity: the columns that tell rows of one life of a topic apart; of a ReplacingMergeTree those that rows are
            merged by.
        moment: the column that tells its lives apart; empty for a ReplacingMergeTree.
        version: the column of a ReplacingMergeTree of which the higher value stays; empty for other tables.
    """

    name: str
    partition: str
    identity: tuple[str, ...]
    moment: str
    version: str


class Repeats:
    """Inserts batches of which nobody knows how much is there.

    Methods block, and raise :class:`~pipeline.errors.Unavailable` and
    :class:`~pipeline.edges.clickhouse.RequestRejected` as :meth:`pipeline.edges.clickhouse.ClickHouse.insert` does.
    """

    def __init__(self, clickhouse: ClickHouse, metrics: Metrics) -> None:
        self._clickhouse = clickhouse
        self._metrics = metrics
        self._aggregates = Aggregates(clickhouse)

    def insert(
        self,
        source: Source,
        boundaries: Boundaries,
        table: str,
        columns: Sequence[str],
        lines: bytes | Iterator[bytes],
        token: str,
    ) -> None:
        """Insert rows of a batch as one block, and see to it that the table and all of its aggregates have it once.

        Args:
            source: the partition of the topic that the batch is of.
            boundaries: the batch's.
            table: the table that its rows are for.
            columns: the columns of the rows.
            lines: the rows, in ``JSONCompactEachRow``; read once.
            token: the same as the first time.
        """
        rows = f"{PREFIX}{table}_{uuid.uuid4().hex}"
        self._clear_away()
        self._clickhouse.command(f"CREATE TABLE {rows} AS {table} ENGINE = Memory")
        try:
            self._clickhouse.insert(rows, columns, lines, "")
            self._insert(table, columns, rows, token)
            self._complete(source, boundaries, table, columns, rows, token)
        finally:
            with suppress(AftershockError):
                self._clickhouse.command(f"DROP TABLE IF EXISTS {rows} SYNC")

    def _complete(
        self, source: Source, boundaries: Boundaries, table: str, columns: Sequence[str], rows: str, token: str
    ) -> None:
        known = self._table(table)

        def insert(missing: list[str], past_views: str) -> None:
            self._insert(table, columns, f"{rows} WHERE {one_of(known.partition, missing)}", past_views)

        added = until_complete(table, token, lambda: self._missing(known, rows, source), insert)
        self._tell(table, added, source, boundaries)
        aggregates = self._aggregates.of(table)
        if aggregates and self._aggregates.hold(source, boundaries):
            for one in aggregates:
                self._tell(one.target, self._aggregates.mend(one, rows, token), source, boundaries)

    def _insert(self, table: str, columns: Sequence[str], rows: str, token: str) -> None:
        names = ", ".join(columns)
        self._clickhouse.command(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows}",
            settings={**ONE_BLOCK, "insert_deduplication_token": token},
        )

    def _missing(self, table: Repeated, rows: str, source: Source) -> list[str]:
        """Return the partitions of a table that lack a batch."""
        key, partition, version = f"({', '.join(table.identity)})", table.partition, table.version
        if version:
            found = self._clickhouse.rows(
                "SELECT DISTINCT toString(r.part) AS name FROM "
                f"(SELECT {key} AS row, {partition} AS part, max({version}) AS latest_of_row FROM {rows} "
                "GROUP BY row, part) AS r LEFT JOIN "
                f"(SELECT {key} AS row, {partition} AS part, max({version}) AS latest_of_row, 1 AS there FROM "
                f"{table.name} WHERE {key} IN (SELECT {key} FROM {rows}) GROUP BY row, part) AS t "
                "ON r.row = t.row AND r.part = t.part "
                "WHERE t.there = 0 OR t.latest_of_row < r.latest_of_row ORDER BY name"
            )
        else:
            moment = table.moment
            found = self._clickhouse.rows(
                f"SELECT DISTINCT toString({partition}) AS name FROM {rows} WHERE {partition} NOT IN "
                f"(SELECT {partition} FROM {table.name} WHERE {partition} IN (SELECT {partition} FROM {rows}) "
                f"AND {key} IN (SELECT {key} FROM {rows}) AND "
                f"(({key}, {moment}) IN (SELECT {key}, {moment} FROM {rows}) OR {moment} >= (SELECT min(created_at) "
                "FROM topics WHERE topic = {topic:String} AND incarnation = {incarnation:String}) "
                f"- INTERVAL {CLOCKS_S} SECOND)) ORDER BY name",
                {"topic": source.topic, "incarnation": source.incarnation},
            )
        return [row["name"] for row in found]

    def _table(self, name: str) -> Repeated:
        [row] = self._clickhouse.rows(
            "SELECT engine_full, partition_key, sorting_key, (SELECT count() FROM system.columns WHERE "
            "database = currentDatabase() AND table = {name:String} AND name = 'kafka_topic') AS kafka_topic "
            "FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
            {"name": name},
        )
        sorting = tuple(row["sorting_key"].split(", "))
        partition = row["partition_key"] or NO_PARTITION
        replacing = _REPLACING.search(row["engine_full"])
        if replacing:
            return Repeated(name, partition, sorting, "", replacing["version"] or "kafka_offset")
        topic = ("kafka_topic",) if row["kafka_topic"] else ()
        identity = (*topic, "kafka_partition", "kafka_offset")
        return Repeated(name, partition, identity, MOMENT.get(name, "received"), "")

    def _tell(self, table: str, partitions: list[str], source: Source, boundaries: Boundaries) -> None:
        if not partitions:
            return
        self._metrics.restored.labels(table).inc(len(partitions))
        log.warning(
            "%s lacked offsets %d to %d of %s-%d%s, though ClickHouse knew their token: added",
            table,
            boundaries.first,
            boundaries.last,
            source.topic,
            source.partition,
            f" in the weeks {', '.join(partitions)}" if partitions != [""] else "",
        )

    def _clear_away(self) -> None:
        left = self._clickhouse.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String}) "
            "AND metadata_modification_time < now() - {seconds:UInt32}",
            {"prefix": PREFIX, "seconds": LEFT_AFTER_S},
        )
        for row in left:
            self._clickhouse.command(f"DROP TABLE IF EXISTS {row['name']} SYNC")
