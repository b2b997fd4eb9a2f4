"""Aggregates: the tables that materialized views fill, which batches they hold, and how one that is missing is added.

ClickHouse notes a block's deduplication token before it renames the block's part into place. Killed in between, it
knows a token whose rows it does not have, and drops them when they are inserted again. That can happen in each table
that one insert reaches, by itself. So the views write the token into the aggregates, in the same part as the rows
(``schemas/clickhouse/0009_delivered_blocks.sql``): an aggregate holds a batch if, and only if, it has the batch's
token in ``blocks``, of each week that the batch has rows of.

What is missing is computed by the view's own query from the batch's rows, and inserted into the aggregate alone: other
views make nothing of an insert whose token ends in :data:`PAST_VIEWS`. These tokens are numbered, and the next one is
used only when the insert with the one before it has succeeded and its rows are missing still. So two that add the same
batch at a time add it once.
"""

# ruff: noqa: S608  every name and token that is put into SQL here is our own

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from pipeline.edges.clickhouse import INSERT_SETTINGS, ClickHouse
from pipeline.errors import Unavailable
from pipeline.intake.ledger import token as token_of_batch
from pipeline.records.record import Boundaries, Source
from pipeline.tables.columns import COLUMNS
from schemas.alert import quote

PAST_VIEWS = "/past views"
"""How the token of an insert ends of which views make nothing."""
MIGRATION = 9
"""Since this migration aggregates hold tokens."""
MOST_ATTEMPTS = 20
"""Each attempt but the last must have been cut short by a kill of ClickHouse between two system calls."""
ONE_BLOCK = {**INSERT_SETTINGS, "max_threads": 1, "max_insert_threads": 1}
"""Settings with which ``INSERT ... SELECT`` inserts one block, so that one token stands for all of it."""

BLOCKS = "blocks"
"""The column of tokens."""
DELIVERED_ON = "delivered_on"
"""The column of the day on which they arrived, the last one of the key."""
NO_PARTITION = "''"

_SETTING = "getSetting('insert_deduplication_token')"
_TARGET = re.compile(r" TO \S*?\.?`?(?P<table>\w+)`? ")
_FROM = re.compile(r"\bFROM `?\w+`?\.`?(?P<table>\w+)`?(?!\w)")
_PIECE = re.compile(r"(\d+[ab]*)?")
"""What follows the boundaries in the token of a piece of a batch that ClickHouse has refused as a whole."""


class Aggregate(Struct, frozen=True):
    """What one table of counts gets from one table of rows.

    Attributes:
        source: the table that workers insert rows into.
        target: the table that is filled from it, by a view, or by a view of what another view has made.
        select: the query that makes the target's rows, with ``{source}`` and ``{token}`` in it.
        columns: the columns that it makes.
        partition: the expression that says which partition of the target a row is in: the Monday of its week; ``''``
            where there are none.
    """

    source: str
    target: str
    select: str
    columns: tuple[str, ...]
    partition: str

    def rows(self, relation: str, token: str) -> str:
        """Return the query that makes the target's rows.

        Args:
            relation: rows of the source: a table, or a query in brackets.
            token: what is written into ``blocks``.
        """
        return self.select.format(source=relation, token=quote(token))


class Aggregates:
    """The aggregates of a database, as its views are.

    Methods raise :class:`~pipeline.errors.Unavailable` when ClickHouse cannot be reached.
    """

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._found: list[Aggregate] = []

    def all(self) -> list[Aggregate]:
        """Return every pair of a table of rows and a table of counts; none before migration 9."""
        if not self._found:
            self._found = self._read()
        return self._found

    def of(self, source: str) -> list[Aggregate]:
        """Return those that are filled from a table."""
        return [one for one in self.all() if one.source == source]

    def hold(self, source: Source, boundaries: Boundaries) -> bool:
        """Say whether aggregates hold the token of a batch if they hold the batch: it was begun after migration 9."""
        rows = self._clickhouse.rows(
            "SELECT minOrNull(begun_at) >= (SELECT minOrNull(applied_at) FROM migrations WHERE version = "
            "{version:UInt32}) AS hold FROM batches WHERE topic = {topic:String} AND "
            "incarnation = {incarnation:String} AND partition = {partition:UInt32} AND "
            "first_offset = {first:UInt64} AND last_offset = {last:UInt64}",
            {**_parameters(source), "version": MIGRATION, "first": boundaries.first, "last": boundaries.last},
        )
        return bool(rows[0]["hold"])

    def missing(self, aggregate: Aggregate, relation: str, token: str) -> list[str]:
        """Return the target's partitions that should hold a batch and do not; ``['']`` for a table without partitions.

        Args:
            aggregate: which.
            relation: the batch's rows, as the source has them: a table, or a query in brackets.
            token: that of the batch's insert into the source; see :func:`insert_token`.
        """
        rows = self._clickhouse.rows(
            f"SELECT DISTINCT toString({aggregate.partition}) AS name FROM ({aggregate.rows(relation, token)}) "
            "WHERE notEmpty(blocks) ORDER BY name"
        )
        wanted = [row["name"] for row in rows]
        if not wanted:
            return []
        rows = self._clickhouse.rows(
            f"SELECT DISTINCT toString({aggregate.partition}) AS name FROM {aggregate.target} "
            f"WHERE {one_of(aggregate.partition, wanted)} AND has(blocks, {quote(token)})"
        )
        held = {row["name"] for row in rows}
        return [name for name in wanted if name not in held]

    def mend(self, aggregate: Aggregate, relation: str, token: str) -> list[str]:
        """Add a batch to those partitions of the target that should hold it and do not; return which they were.

        The arguments are those of :meth:`missing`. The batch's insert into the source must have succeeded, however
        often it was repeated: then nothing of it can come in behind this.

        Raises:
            Unavailable: ClickHouse cannot be reached, or takes the rows and does not have them.
        """
        columns = ", ".join(aggregate.columns)

        def insert(missing: list[str], past_views: str) -> None:
            sql = (
                f"INSERT INTO {aggregate.target} ({columns}) SELECT {columns} "
                f"FROM ({aggregate.rows(relation, token)}) WHERE {one_of(aggregate.partition, missing)}"
            )
            self._clickhouse.command(sql, settings={**ONE_BLOCK, "insert_deduplication_token": past_views})

        return until_complete(aggregate.target, token, lambda: self.missing(aggregate, relation, token), insert)

    def unmarked(
        self, aggregate: Aggregate, source: Source, blocks: Sequence[Boundaries], monday: date
    ) -> list[Boundaries]:
        """Return the batches that the target lacks in a week, of those begun since migration 9.

        Each can be added with ``mend(aggregate, stored_rows(...), insert_token(...))``. A batch that ClickHouse has
        refused as a whole was inserted in pieces: it counts as there when one of them is.

        Args:
            aggregate: which.
            source: the partition of the topic that they are of.
            blocks: batches of the ledger that are done, as :meth:`pipeline.intake.ledger.Ledger.begun` returns
                them, before the committed offset.
            monday: the week in which the source has rows of them.
        """
        there = self._tokens(aggregate, source, monday)
        found: list[Boundaries] = []
        for boundaries in self._with_rows(aggregate.source, source, blocks, monday):
            ends = str(boundaries.last)
            pieces = (piece.removeprefix(ends) for piece in there.get(boundaries.first, ()) if piece.startswith(ends))
            if any(_PIECE.fullmatch(piece) for piece in pieces) or not self.hold(source, boundaries):
                continue
            # Not every row is counted: some spans are no transactions, some errors are of no release.
            relation = stored_rows(aggregate.source, source, boundaries)
            missing = self.missing(aggregate, relation, insert_token(source, boundaries, aggregate.source))
            if monday.isoformat() in missing or "" in missing:
                found.append(boundaries)
        return found

    def _tokens(self, aggregate: Aggregate, source: Source, monday: date) -> dict[int, list[str]]:
        """Return the tokens of a topic's partition that a target has in a week, by first offset, from the last on."""
        start, end = f"{source.topic}/{source.incarnation}/{source.partition}/", f"/{aggregate.source}"
        week = one_of(aggregate.partition, [monday.isoformat() if aggregate.partition != NO_PARTITION else ""])
        rows = self._clickhouse.rows(
            f"SELECT DISTINCT arrayJoin(blocks) AS token FROM {aggregate.target} WHERE {week} "
            "AND startsWith(token, {start:String}) AND endsWith(token, {end:String})",
            {"start": start, "end": end},
        )
        found: dict[int, list[str]] = {}
        for row in rows:
            first, _, rest = row["token"].removeprefix(start).removesuffix(end).partition("-")
            found.setdefault(int(first), []).append(rest)
        return found

    def _with_rows(self, table: str, source: Source, blocks: Sequence[Boundaries], monday: date) -> list[Boundaries]:
        """Return those of some batches of which a table has rows in a week."""
        if not blocks:
            return []
        [found] = self._clickhouse.rows(
            "SELECT partition_key FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
            {"table": table},
        )
        whole = Boundaries(min(one.first for one in blocks), max(one.last for one in blocks))
        rows = self._clickhouse.rows(
            "SELECT DISTINCT first, last FROM "
            f"(SELECT kafka_offset AS offset, 0 AS one FROM {stored_rows(table, source, whole)} "
            f"WHERE {found['partition_key']} = {{monday:Date}}) AS r ASOF JOIN "
            "(SELECT block.1 AS first, block.2 AS last, 0 AS one FROM "
            "(SELECT arrayJoin(arrayZip({firsts:Array(UInt64)}, {lasts:Array(UInt64)})) AS block)) AS b "
            "ON r.one = b.one AND r.offset >= b.first WHERE offset <= last ORDER BY first",
            {"monday": monday, "firsts": [one.first for one in blocks], "lasts": [one.last for one in blocks]},
        )
        return [Boundaries(row["first"], row["last"]) for row in rows]

    def _read(self) -> list[Aggregate]:
        """Return what the views say that fill tables with a column ``blocks``, one level and two levels deep."""
        tables = {
            row["name"]: row
            for row in self._clickhouse.rows(
                "SELECT name, engine, as_select, create_table_query, partition_key FROM system.tables "
                "WHERE database = currentDatabase() ORDER BY name"
            )
        }
        marked = self._clickhouse.rows(
            "SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'blocks'"
        )
        filled = {row["table"] for row in marked}
        views: list[tuple[str, str, str]] = []
        for row in tables.values():
            target = _TARGET.search(row["create_table_query"]) if row["engine"] == "MaterializedView" else None
            source = _FROM.search(row["as_select"])
            if target and source and target["table"] in filled and _SETTING in row["as_select"]:
                select = row["as_select"].replace("{", "{{").replace("}", "}}").replace(_SETTING, "{token}")
                views.append((source["table"], target["table"], _FROM.sub("FROM {source}", select)))
        found: list[Aggregate] = []
        for source_table, target_table, select in views:
            # Of those beside a week that is grouped anew nobody asks.
            if source_table in COLUMNS:
                found.append(self._aggregate(source_table, target_table, select, tables))
        for source_table, target_table, select in views:
            for first in [one for one in found if one.target == source_table]:
                inner = select.replace("{source}", f"({first.select})")
                found.append(self._aggregate(first.source, target_table, inner, tables))
        return found

    def _aggregate(self, source: str, target: str, select: str, tables: dict[str, dict[str, Any]]) -> Aggregate:
        described = self._clickhouse.rows(f"DESCRIBE TABLE ({select.format(source=source, token=quote(''))})")
        partition = tables[target]["partition_key"] or NO_PARTITION
        return Aggregate(source, target, select, tuple(row["name"] for row in described), partition)


def insert_token(source: Source, boundaries: Boundaries, table: str, part: str = "") -> str:
    """Return the token under which a batch's rows, or a part of them, are inserted into a table."""
    return f"{token_of_batch(source, boundaries, part)}/{table}"


def stored_rows(table: str, source: Source, boundaries: Boundaries) -> str:
    """Return the query, in brackets, of the rows that a table has of a batch.

    Rows of an earlier life of the topic have the same offsets; Kafka had received them before a batch of that life was
    begun for the last time.
    """
    topic, incarnation = quote(source.topic), quote(source.incarnation)
    earlier = (
        f"SELECT incarnation FROM topics WHERE topic = {topic} AND created_at < "
        f"(SELECT min(created_at) FROM topics WHERE topic = {topic} AND incarnation = {incarnation})"
    )
    return (
        f"(SELECT * FROM {table} WHERE kafka_partition = {source.partition} "
        f"AND kafka_offset BETWEEN {boundaries.first} AND {boundaries.last} AND received > "
        f"(SELECT max(begun_at) FROM batches WHERE topic = {topic} AND incarnation IN ({earlier})))"
    )


def until_complete(
    table: str, token: str, look: Callable[[], list[str]], insert: Callable[[list[str], str], None]
) -> list[str]:
    """Insert what is missing of a batch into a table alone, until nothing is; return the partitions that lacked it.

    Args:
        table: the table.
        token: that of the batch's insert.
        look: returns the partitions that lack it.
        insert: inserts it into some partitions, under a token.

    Raises:
        Unavailable: ClickHouse takes the rows and does not have them.
    """
    found = missing = look()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        if not missing:
            return found
        insert(missing, f"{token}/{attempt}{PAST_VIEWS}")
        missing = look()
    raise Unavailable(f"{table} does not keep what is inserted: see `aftershock doctor`")


def one_of(expression: str, values: Sequence[str]) -> str:
    """Return the condition that an expression has one of some values."""
    return f"{expression} IN ({', '.join(map(quote, values))})"


def _parameters(source: Source) -> dict[str, Any]:
    return {"topic": source.topic, "incarnation": source.incarnation, "partition": source.partition}
