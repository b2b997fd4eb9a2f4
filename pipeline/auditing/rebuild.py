"""Rebuild: an aggregate made anew from its source, week by week, in the place of what was there, while workers go on.

The weeks of an aggregate are partitions, and each batch's rows of a week arrive in it as one part that has the batch's
token in ``blocks`` (:mod:`pipeline.store.view_targets`). So which batches a week holds can always be said, and a week
that is put in its place may differ by the batches that came meanwhile, as long as these are added:

1. Ask Kafka what is committed. Every batch before that is in the source and in the aggregate as a whole, and none of it
   comes again.
2. Make the week in a table beside it, by the views' own queries, of all of the source's rows but those that are not
   committed, and write the tokens of the ledger's batches into it that are.
3. Put it in the place of the old week (``REPLACE PARTITION``, one moment). Batches that were under way go with it.
4. Wait until all batches that had been begun by then are committed, and add those of them that the week lacks: what is
   missing is known by its token, and added once, whoever else adds it.

Until step 4 is done the newest minutes may be short. Who dies before step 3 has changed nothing; who dies after it
leaves a week that lacks those batches, which the audit names, and running the same again makes anew.

What the source does not have any more goes: counts of events that were erased since, and of sessions' updates that
later ones have replaced. A week of which the source has let days expire is refused.
"""

# ruff: noqa: S608  every name that is put into SQL here is our own

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from pipeline.auditing.aggregates import held_since
from pipeline.auditing.ledger import Life, lives_of
from pipeline.auditing.rows import STORES
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Misconfigured, Unavailable
from pipeline.intake.batching import standing
from pipeline.intake.ledger import KEPT_DAYS
from pipeline.records.record import Boundaries, Source
from pipeline.regrouping.history import partition_id
from pipeline.regrouping.tables import NO_LIMITS
from pipeline.store.view_targets import (
    BLOCKS,
    DELIVERED_ON,
    NO_PARTITION,
    Aggregate,
    Aggregates,
    insert_token,
    stored_rows,
)
from schemas.alert import quote
from schemas.topics import CONSUMER_GROUP

PREFIX = "rebuild_"
COPYING = {"insert_deduplicate": 0, "max_insert_threads": 1, "max_bytes_before_external_group_by": 2_000_000_000}
LONGEST_WAIT_S = 120.0
LOOK_S = 0.5

Committed = dict[tuple[str, int], int]
"""The committed offset of each topic (without prefix) and partition; 0 where there is none."""


class Week(Struct, frozen=True):
    """A week of an aggregate: its Monday, and how many rows its sources have of it."""

    monday: date
    rows: int


class Rebuilder:
    """Makes weeks of one aggregate anew.

    Args:
        settings: where Kafka is.
        clickhouse: where the tables are.
        target: the aggregate.
        step: is told what is being done.

    Raises:
        Misconfigured: there is no such aggregate, or it has no weeks.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        clickhouse: ClickHouse,
        target: str,
        step: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._settings = settings
        self._clickhouse = clickhouse
        self._target = target
        self._step = step
        self._aggregates = Aggregates(clickhouse)
        every = self._aggregates.all()
        self._parts = [one for one in every if one.target == target]
        if not self._parts:
            known = ", ".join(sorted({one.target for one in every})) or "none before `aftershock migrate`"
            raise Misconfigured(f"{target} is no table that views fill: use one of {known}")
        self._topics = {one.source: _topics_of(one.source) for one in self._parts}
        self._lives: dict[str, Life] = lives_of(clickhouse)

    @property
    def has_weeks(self) -> bool:
        """Whether the aggregate is kept by weeks; of one that is not only missing batches can be added."""
        return all(one.partition != NO_PARTITION for one in self._parts)

    @property
    def sources(self) -> list[str]:
        """The tables that it is made from."""
        return [one.source for one in self._parts]

    def weeks(self, first: date, last: date) -> list[Week]:
        """Return the weeks between two days that the sources have rows of, oldest first.

        Raises:
            Misconfigured: a source has let a part of one expire.
        """
        mondays = _mondays(first, last)
        now = datetime.now(UTC)
        for one in self._parts:
            held = held_since(self._clickhouse, one.source, now)
            if mondays[0] < held.date():
                possible = _mondays(held.date(), held.date() + timedelta(days=7))[1]
                raise Misconfigured(
                    f"--from: {one.source} holds events since {held:%Y-%m-%d}, so the week of {mondays[0]} cannot be "
                    f"made anew: begin with {possible}"
                )
        found: list[Week] = []
        for monday in mondays:
            counted = [
                self._clickhouse.rows(f"SELECT count() AS n FROM {one.source} WHERE {_of_week(monday)}")[0]["n"]
                for one in self._parts
            ]
            found.append(Week(monday, sum(counted)))
        return found

    def rebuild(self, monday: date) -> int | None:
        """Make a week anew; return how many batches came meanwhile and were added.

        ``None`` where no source has a committed row of it: then it stays as it is.

        Raises:
            Unavailable: a server cannot be reached, or batches do not become committed; run the same again.
        """
        self.clear_away()
        # A name of its own: a statement of a run that was killed must not find the table of this one.
        copy = f"{PREFIX}{self._target}_{uuid.uuid4().hex}"
        self._refuse_unfinished()
        with self._step("asking Kafka what is committed"):
            committed = self._committed()
        self._clickhouse.command(f"CREATE TABLE {copy} AS {self._target}")
        try:
            with self._step(f"making the week of {monday} anew"):
                for one in self._parts:
                    self._fill(one, copy, monday, committed)
                if not self._clickhouse.rows(f"SELECT count() AS n FROM {copy}")[0]["n"]:
                    return None
                self._mark(copy, committed)
            partition = partition_id(monday)
            self._clickhouse.command(
                f"ALTER TABLE {self._target} REPLACE PARTITION ID '{partition}' FROM {copy}", settings=NO_LIMITS
            )
        finally:
            self.clear_away()
        with self._step("waiting until the batches that were under way are committed"):
            later = self._wait(committed, self._begun_behind(committed))
        return self._add(monday, later)

    def add_missing(self, first: date, last: date) -> int:
        """Add the batches of the ledger that the aggregate lacks between two days; return how many there were.

        Raises:
            Unavailable: a server cannot be reached.
        """
        with self._step("asking Kafka what is committed"):
            committed = self._committed()
        everything = {key: self._batches(key, 0, offset) for key, offset in committed.items()}
        added: set[tuple[Source, Boundaries]] = set()
        for monday in _mondays(first, last):
            with self._step(f"looking for what the week of {monday} lacks"):
                added |= self._added(monday, everything)
        return len(added)

    def _refuse_unfinished(self) -> None:
        """Refuse to go on while a repair is not done: its batches come in below the committed offset."""
        rows = self._clickhouse.rows(
            "SELECT count() AS n FROM (SELECT 1 FROM repairs WHERE at > now() - toIntervalDay({kept:UInt8}) "
            "GROUP BY topic, incarnation, partition, first_offset, last_offset HAVING countIf(step = 'done') = 0)",
            {"kept": KEPT_DAYS},
        )
        if rows[0]["n"]:
            raise Unavailable("a repair has not come to its end: run `aftershock audit --repair`, and the same again")

    def clear_away(self) -> None:
        """Drop what this or an earlier run has made beside the aggregate."""
        rows = self._clickhouse.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String})",
            {"prefix": f"{PREFIX}{self._target}_"},
        )
        for row in rows:
            self._clickhouse.command(f"DROP TABLE IF EXISTS {row['name']} SYNC", settings=NO_LIMITS)

    def _fill(self, one: Aggregate, copy: str, monday: date, committed: Committed) -> None:
        relation = (
            f"(SELECT * FROM {one.source} WHERE {_of_week(monday)} AND NOT ({self._under_way(one.source, committed)}))"
        )
        columns = ", ".join(name for name in one.columns if name not in (BLOCKS, DELIVERED_ON))
        self._clickhouse.command(
            f"INSERT INTO {copy} ({columns}) SELECT {columns} FROM ({one.rows(relation, '')})", settings=COPYING
        )

    def _mark(self, copy: str, committed: Committed) -> None:
        """Write the tokens of the batches that are in the week into it; those of batches with no row there do no harm.

        A row of the week has them that adds nothing to it: sums of nothing, and what a minimum does not change.
        """
        columns = self._columns(copy)
        values = {name: f"c.{name}" for name, kind in columns.items() if not kind.startswith("AggregateFunction")}
        for name, kind in columns.items():
            if kind.startswith("SimpleAggregateFunction(sum,"):
                values[name] = "0"
        values |= {BLOCKS: "t.tokens", DELIVERED_ON: "t.day"}
        keys = ", ".join(name for name, kind in columns.items() if "AggregateFunction" not in kind)
        sources = [
            (topic, partition, table)
            for table, topics in self._topics.items()
            for topic, partition in committed
            if topic in topics
        ]
        for topic, partition, table in sources:
            life = self._lives[topic]
            self._clickhouse.command(
                f"INSERT INTO {copy} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM "
                f"(SELECT * FROM {copy} ORDER BY {keys} LIMIT 1) AS c CROSS JOIN "
                f"(SELECT toDate(begun_at) AS day, groupUniqArray(concat(topic, '/', incarnation, '/', "
                f"toString(partition), '/', toString(first_offset), '-', toString(last_offset), '/{table}')) AS tokens "
                f"FROM batches WHERE topic = {quote(topic)} AND incarnation = {quote(life.incarnation)} "
                f"AND partition = {partition} AND last_offset < {committed[topic, partition]} GROUP BY day) AS t",
                settings=COPYING,
            )

    def _add(self, monday: date, later: dict[tuple[str, int], list[Boundaries]]) -> int:
        with self._step("adding what came meanwhile"):
            return len(self._added(monday, later))

    def _added(self, monday: date, batches: dict[tuple[str, int], list[Boundaries]]) -> set[tuple[Source, Boundaries]]:
        added: set[tuple[Source, Boundaries]] = set()
        for one in self._parts:
            for (topic, partition), of_partition in batches.items():
                if topic not in self._topics[one.source] or not of_partition:
                    continue
                source = Source(topic, self._lives[topic].incarnation, partition)
                for boundaries in self._aggregates.unmarked(one, source, of_partition, monday):
                    relation = stored_rows(one.source, source, boundaries)
                    self._aggregates.mend(one, relation, insert_token(source, boundaries, one.source))
                    added.add((source, boundaries))
        return added

    def _begun_behind(self, committed: Committed) -> Committed:
        """Return where the ledger ends now, for each partition."""
        ends: Committed = {}
        for topic, partition in committed:
            [row] = self._clickhouse.rows(
                "SELECT maxOrNull(last_offset) AS last FROM batches WHERE topic = {topic:String} "
                "AND incarnation = {incarnation:String} AND partition = {partition:UInt32}",
                {"topic": topic, "incarnation": self._lives[topic].incarnation, "partition": partition},
            )
            if row["last"] is not None and row["last"] >= committed[topic, partition]:
                ends[topic, partition] = row["last"]
        return ends

    def _wait(self, before: Committed, ends: Committed) -> dict[tuple[str, int], list[Boundaries]]:
        """Return the batches that were under way, when all of them are committed."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while ends:
            now = self._committed()
            waiting = [f"{key[0]}-{key[1]}" for key, end in ends.items() if now[key] <= end]
            if not waiting:
                return {key: self._batches(key, before[key], now[key]) for key in ends}
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"batches of {', '.join(waiting)} were begun and are not committed after {LONGEST_WAIT_S:.0f} s: "
                    "start a worker, and run the same again"
                )
            time.sleep(LOOK_S)
        return {}

    def _batches(self, place: tuple[str, int], first: int, behind: int) -> list[Boundaries]:
        """Return the batches of a partition that stand, from one committed offset up to another."""
        rows = self._clickhouse.rows(
            "SELECT first_offset AS first, last_offset AS last, max(generation) AS in_generation FROM batches "
            "WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32} "
            "AND last_offset >= {first:UInt64} AND last_offset < {behind:UInt64} "
            "GROUP BY first, last ORDER BY first, last",
            {
                "topic": place[0],
                "incarnation": self._lives[place[0]].incarnation,
                "partition": place[1],
                "first": first,
                "behind": behind,
            },
        )
        return standing((Boundaries(row["first"], row["last"]), row["in_generation"]) for row in rows)

    def _committed(self) -> Committed:
        topics = sorted({topic for topics in self._topics.values() for topic in topics if topic in self._lives})
        group = self._settings.topic_prefix + CONSUMER_GROUP
        found = asyncio.run(kafka.offsets(self._settings, group, topics))
        return {
            (topic, partition): one.committed or 0
            for topic, partitions in found.items()
            for partition, one in partitions.items()
        }

    def _under_way(self, table: str, committed: Committed) -> str:
        """Return the condition for rows of batches that are not committed."""
        several = len(self._topics[table]) > 1
        conditions = [
            f"(kafka_partition = {partition} AND kafka_offset >= {offset} "
            f"AND received >= toDateTime64('{self._lives[topic].since:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
            + (f" AND kafka_topic = {quote(topic)})" if several else ")")
            for (topic, partition), offset in committed.items()
            if topic in self._topics[table]
        ]
        return " OR ".join(conditions) or "0"

    def _columns(self, table: str) -> dict[str, str]:
        rows = self._clickhouse.rows(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
            "AND default_kind NOT IN ('MATERIALIZED', 'ALIAS') ORDER BY position",
            {"table": table},
        )
        return {row["name"]: row["type"] for row in rows}


def _of_week(monday: date) -> str:
    """Return the condition for a source's rows of a week: its partitions are the same weeks."""
    return f"_partition_id = '{partition_id(monday)}'"


def _topics_of(table: str) -> Sequence[str]:
    return next(store.topics for store in STORES if store.table == table)


def _mondays(first: date, last: date) -> list[date]:
    """Return the Mondays of the weeks between two days."""
    monday = first - timedelta(days=first.weekday())
    found = []
    while monday <= last:
        found.append(monday)
        monday += timedelta(days=7)
    return found
