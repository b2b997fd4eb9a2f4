"""The tables beside a week that is grouped anew, and the SQL on them.

:mod:`pipeline.regrouping.rewrite` says in which order.

All of them begin with ``regroup_``, so that what an earlier run has left is known by its name.
"""

# ruff: noqa: S608  every name that is put into SQL here is our own

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.regrouping.history import partition_id
from pipeline.regrouping.replay import GROUPING_COLUMNS, KEY_COLUMNS
from pipeline.store.lock import Lock, Owner
from pipeline.store.view_targets import BLOCKS, DELIVERED_ON
from pipeline.tables.rows import ERRORS_TABLE

PREFIX = "regroup_"
COPY = "regroup_errors"
SOURCE = "regroup_source"
TAIL = "regroup_tail"
TAIL_VIEW = "regroup_tail_from_errors"
CHANGES = "regroup_changes"
MOVES = "regroup_moves"
LOCK = "regroup_lock"
HOLD = "regroup_hold"
NO_LIMITS = {"max_table_size_to_drop": 0, "max_partition_size_to_drop": 0}
"""A week may be larger than what ClickHouse drops without being told twice (50 GB)."""
COPYING = {"insert_deduplicate": 0, "join_algorithm": "grace_hash,hash", "join_use_nulls": 0, "max_insert_threads": 1}
"""Rows that look alike are all wanted, and changes that do not fit into memory go to disk."""

_KEY = ", ".join(KEY_COLUMNS)
_encode = Encoder().encode
_EXPIRES = re.compile(r"TTL .*?toIntervalDay\((?P<days>\d+)\)")
_TARGET = re.compile(r" TO \S*?\.?`?(?P<table>\w+)`? ")


class Aggregate(Struct, frozen=True):
    """A table that a view fills from ``errors`` and that knows issues.

    Attributes:
        name: the table.
        select: what the view selects, from ``{source}``.
        columns: all columns, in their order.
        keys: the columns that rows are merged by, but for the day on which they were delivered.
        days: how long rows are kept; 0 means for ever.
    """

    name: str
    select: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    days: int

    @property
    def copy(self) -> str:
        """The name of the table beside it."""
        return PREFIX + self.name


class Tables:
    """What is done to the tables, each step on its own."""

    def __init__(self, clickhouse: ClickHouse, doing: str = "history is being grouped anew") -> None:
        self._clickhouse = clickhouse
        self._lock = Lock(clickhouse, LOCK, doing)
        self._aggregates: list[Aggregate] = []

    # One at a time

    def lock(self, *, take_over: bool) -> None:
        """Become the one that rewrites history.

        Raises:
            Unavailable: somebody else does.
        """
        self._lock.take(take_over=take_over)

    def locked_by(self) -> Owner | None:
        """Return who rewrites history."""
        return self._lock.owner()

    def unlock(self) -> None:
        """Let others."""
        self._lock.release()

    # The journal

    def note(self, monday: date, step: str) -> None:
        """Write down that swapping a week begins, or is done."""
        self._clickhouse.insert("regroups", ("week", "step"), _encode((monday.isoformat(), step)) + b"\n", "")

    def unfinished(self) -> list[date]:
        """Return the weeks whose swapping has begun and not come to its end."""
        rows = self._clickhouse.rows(
            "SELECT week FROM regroups GROUP BY week HAVING countIf(step = 'swapping') > countIf(step = 'done')"
        )
        return [row["week"] for row in rows]

    def note_known(self, monday: date) -> None:
        """Write down the issues that the copy has and the week has not, so that nobody takes them for new."""
        self._clickhouse.command(
            "INSERT INTO regrouped_issues (project, environment, fingerprint) "
            f"SELECT DISTINCT project, environment, fingerprint FROM {COPY} "
            "WHERE (project, environment, fingerprint) NOT IN (SELECT project, environment, fingerprint "
            f"FROM {ERRORS_TABLE} WHERE toMonday(timestamp) = toDate('{monday}'))"
        )

    # The hold

    def hold(self) -> None:
        """Let ClickHouse refuse every insert into ``errors``."""
        self._clickhouse.command(f"ALTER TABLE {ERRORS_TABLE} ADD CONSTRAINT IF NOT EXISTS {HOLD} CHECK 0")

    def release(self) -> None:
        """Let it take them again."""
        self._clickhouse.command(f"ALTER TABLE {ERRORS_TABLE} DROP CONSTRAINT IF EXISTS {HOLD}")

    def is_held(self) -> bool:
        """Say whether the intake is held."""
        return bool(self._tables(f"name = '{ERRORS_TABLE}' AND create_table_query LIKE '%CONSTRAINT {HOLD} %'"))

    def inserts(self) -> set[str]:
        """Return the inserts that go on: those that had begun before the hold are not refused by it."""
        rows = self._clickhouse.rows(
            "SELECT query_id FROM system.processes WHERE query_kind = 'Insert' AND current_database = currentDatabase()"
        )
        return {row["query_id"] for row in rows}

    def mutating(self) -> bool:
        """Say whether rows of ``errors`` are being erased or changed."""
        rows = self._clickhouse.rows(
            "SELECT count() AS n FROM system.mutations WHERE database = currentDatabase() "
            f"AND table = '{ERRORS_TABLE}' AND NOT is_done"
        )
        return bool(rows[0]["n"])

    # The tables beside

    def left_over(self) -> bool:
        """Say whether an earlier run has left anything, its hold included."""
        return bool(self._names()) or self.is_held()

    def create(self) -> None:
        """Make the tables and views beside, all empty."""
        self.drop()
        changes = f"SELECT {_KEY}, {', '.join(GROUPING_COLUMNS)} FROM {ERRORS_TABLE}"
        statements = [f"CREATE TABLE {name} AS {ERRORS_TABLE}" for name in (SOURCE, TAIL, COPY)]
        statements += [
            f"CREATE TABLE {CHANGES} ENGINE = MergeTree ORDER BY ({_KEY}) EMPTY AS {changes}",
            f"CREATE TABLE {MOVES} (project String, old String, new String) ENGINE = MergeTree ORDER BY (project, old)",
        ]
        for one in self.aggregates():
            select = one.select.format(source=COPY)
            statements += [
                f"CREATE TABLE {one.copy} AS {one.name}",
                f"CREATE MATERIALIZED VIEW {one.copy}_view TO {one.copy} AS {select}",
            ]
        for statement in statements:
            self._clickhouse.command(statement)

    def drop(self) -> None:
        """Drop them: views first, so that nothing is inserted into what is gone."""
        for name in self._names():
            self._clickhouse.command(f"DROP TABLE IF EXISTS {name} SYNC", settings=NO_LIMITS)

    def watch(self, monday: date) -> None:
        """Let rows of a week that are inserted from now on be copied into the tail."""
        self._clickhouse.command(
            f"CREATE MATERIALIZED VIEW {TAIL_VIEW} TO {TAIL} AS "
            f"SELECT * FROM {ERRORS_TABLE} WHERE toMonday(timestamp) = toDate('{monday}')"
        )

    def truncate(self, table: str) -> None:
        """Empty a table."""
        self._clickhouse.command(f"TRUNCATE TABLE {table} SYNC", settings=NO_LIMITS)

    def take_tail(self, monday: date) -> int:
        """Make the tail the source, and begin another one; return how many rows that was. The intake is held."""
        rows = int(self._clickhouse.rows(f"SELECT count() AS n FROM {TAIL}")[0]["n"])
        if rows:
            self.clone(TAIL, SOURCE, monday)
            self.truncate(TAIL)
        else:
            self.truncate(SOURCE)
        return rows

    def clone(self, source: str, target: str, monday: date) -> None:
        """Let a week of a table be what it is in another one, in one moment; no row is copied."""
        partition = partition_id(monday)
        self._clickhouse.command(
            f"ALTER TABLE {target} REPLACE PARTITION ID '{partition}' FROM {source}", settings=NO_LIMITS
        )

    def insert_copy(self) -> None:
        """Insert the rows of the source into the copy, changed where there are changes; those it has are left out."""
        columns = self._columns(ERRORS_TABLE)
        values = [
            f"if(c.fingerprint != '', c.{name}, s.{name})" if name in GROUPING_COLUMNS else f"s.{name}"
            for name in columns
        ]
        self._clickhouse.command(
            f"INSERT INTO {COPY} ({', '.join(columns)}) SELECT {', '.join(values)} FROM "
            f"(SELECT * FROM {SOURCE} WHERE ({_KEY}) NOT IN "
            f"(SELECT {_KEY} FROM {COPY} WHERE ({_KEY}) IN (SELECT {_KEY} FROM {SOURCE}))) AS s "
            f"ANY LEFT JOIN {CHANGES} AS c USING ({_KEY})",
            settings=COPYING,
        )

    # The aggregates

    def aggregates(self) -> list[Aggregate]:
        """Return the aggregates that know issues, as the views are that are there."""
        if not self._aggregates:
            database = self._clickhouse.database
            of_errors = re.compile(rf"\bFROM `?{database}`?\.`?{ERRORS_TABLE}`?(?!\w)")
            for row in self._tables(f"engine = 'MaterializedView' AND NOT startsWith(name, '{PREFIX}')"):
                target = _TARGET.search(row["create_table_query"])
                if target and of_errors.search(row["as_select"]):
                    select = row["as_select"].replace("{", "{{").replace("}", "}}")
                    self._add(target["table"], of_errors.sub("FROM {source}", select))
        return self._aggregates

    def _add(self, table: str, select: str) -> None:
        columns = self._columns(table)
        if "fingerprint" in columns:
            [row] = self._tables(f"name = '{table}'")
            expires = _EXPIRES.search(row["create_table_query"])
            keys = tuple(key for key in row["sorting_key"].split(", ") if key != DELIVERED_ON)
            self._aggregates.append(Aggregate(table, select, columns, keys, int(expires["days"]) if expires else 0))

    def is_kept(self, aggregate: Aggregate, monday: date) -> bool:
        """Say whether an aggregate has to have rows of a week still."""
        if not aggregate.days:
            return True
        return monday > datetime.now(UTC).date() - timedelta(days=aggregate.days)

    def is_behind(self, aggregate: Aggregate, monday: date) -> bool:
        """Say whether an aggregate lacks events of a week that ``errors`` has."""
        if not self.is_kept(aggregate, monday):
            return False
        rows = self._clickhouse.rows(
            f"SELECT count() AS n FROM (SELECT project, fingerprint, sum(sample_weight) AS there FROM {ERRORS_TABLE} "
            f"WHERE toMonday(timestamp) = toDate('{monday}') GROUP BY project, fingerprint) AS e LEFT JOIN "
            f"(SELECT project, fingerprint, sum(count) AS counted FROM {aggregate.name} "
            f"WHERE _partition_id = '{partition_id(monday)}' GROUP BY project, fingerprint) AS a "
            "USING (project, fingerprint) WHERE e.there - a.counted > 0.001"
        )
        return bool(rows[0]["n"])

    def carry_over(self, aggregate: Aggregate, monday: date) -> None:
        """Insert what an aggregate counts beyond the events that are stored, under where most of the issue goes.

        These are events that were erased or have expired: their counts stay. So do the tokens of the batches.
        """
        week = f"(SELECT * FROM {ERRORS_TABLE} WHERE toMonday(timestamp) = toDate('{monday}'))"
        there = f"(SELECT * FROM {aggregate.name} FINAL WHERE _partition_id = '{partition_id(monday)}')"
        keys = ", ".join(aggregate.keys)
        # One row of a key has all of what is left over; its others have what a sum does not double.
        special = {
            "fingerprint": "if(m.new != '', m.new, a.fingerprint)",
            "count": "if(a.number = 1, a.counted - e.count, 0)",
        }
        values = ", ".join(special.get(name, f"a.{name}") for name in aggregate.columns)
        columns = ", ".join(aggregate.columns)
        self._clickhouse.command(
            f"INSERT INTO {aggregate.copy} ({columns}) SELECT {values} FROM "
            f"(SELECT *, sum(count) OVER (PARTITION BY {keys}) AS counted, row_number() OVER (PARTITION BY {keys}) "
            f"AS number FROM {there}) AS a LEFT JOIN ({aggregate.select.format(source=week)}) AS e USING ({keys}) "
            f"LEFT JOIN {MOVES} AS m ON a.project = m.project AND a.fingerprint = m.old "
            "WHERE a.counted - e.count > 0.001",
            settings=COPYING,
        )
        # Batches that come again are to be known: any row can have their tokens.
        special = {"count": "0", BLOCKS: f"t.{BLOCKS}", DELIVERED_ON: f"t.{DELIVERED_ON}"}
        values = ", ".join(special.get(name, f"c.{name}") for name in aggregate.columns)
        self._clickhouse.command(
            f"INSERT INTO {aggregate.copy} ({columns}) SELECT {values} FROM "
            f"(SELECT * FROM {aggregate.copy} ORDER BY {keys} LIMIT 1) AS c CROSS JOIN "
            f"(SELECT {DELIVERED_ON}, groupUniqArrayArray(s.{BLOCKS}) AS {BLOCKS} FROM {there} AS s "
            f"WHERE notEmpty(s.{BLOCKS}) GROUP BY {DELIVERED_ON}) AS t",
            settings=COPYING,
        )

    # What there is

    def _names(self) -> list[str]:
        rows = self._tables(f"startsWith(name, '{PREFIX}') AND name != '{LOCK}'")
        return [row["name"] for row in sorted(rows, key=lambda row: row["engine"] != "MaterializedView")]

    def _columns(self, table: str) -> tuple[str, ...]:
        rows = self._clickhouse.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
            "AND default_kind NOT IN ('MATERIALIZED', 'ALIAS') ORDER BY position",
            {"table": table},
        )
        return tuple(row["name"] for row in rows)

    def _tables(self, condition: str) -> list[dict[str, Any]]:
        return self._clickhouse.rows(
            "SELECT name, engine, comment, as_select, create_table_query, sorting_key FROM system.tables "
            f"WHERE database = currentDatabase() AND {condition} ORDER BY name"
        )
