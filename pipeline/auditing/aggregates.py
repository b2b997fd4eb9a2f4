"""Aggregates: what the materialized views have added up, compared with the rows that they were made from.

Rows are in their table a moment before, or after, they are in its aggregates. So that this is never taken for a fault,
each side is read while the other cannot fall behind it: the source, and when every insert that had begun by then has
ended, the aggregate, which holds at least that; and when the inserts of that moment have ended, the source once more,
which holds at least as much as the aggregate did. What is missing from the first reading of the source is missing; what
is beyond the second one is too much. A batch that was cut short and is about to be repeated looks like the former: so
what differs is looked at again, several times, and what does not differ each time is dropped.

Sums are by project and hour, so that what arrives now does not cover up what is missing of an earlier hour.
"""

# ruff: noqa: S608  every name that is put into SQL here is our own

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from msgspec import Struct

from pipeline.auditing.findings import Difference
from pipeline.edges.clickhouse import ClickHouse
from pipeline.regrouping.history import monday_of
from pipeline.regrouping.tables import Tables
from pipeline.tables.rows import ERRORS_TABLE, SPANS_TABLE
from pipeline.tables.sessions import SESSION_AGGREGATES_TABLE, SESSIONS_TABLE

PAUSES_S = (2.0, 4.0, 8.0)
"""Before each further look. A worker that has to repeat a batch waits for up to ten seconds."""
LONGEST_INSERT_S = 60.0
TOLERANCE = 1e-3
RELATIVE = 1e-9
"""Weights are fractions where events are sampled, and sums of fractions depend on their order."""

_EXPIRES = re.compile(r"TTL .*?toIntervalDay\((?P<days>\d+)\)")

Span = Literal["hour", "week", "release"]


class Side(Struct, frozen=True):
    """A sum over a table: of ``value``, by project and by ``time`` (or release), where ``where`` is true."""

    table: str
    time: str
    value: str
    where: str = "1"


class Pair(Struct, frozen=True):
    """A table of counts and where its counts come from.

    Attributes:
        target: the aggregate.
        source: what it was made from.
        by: what the sums are by, beside the project.
        short_only: the aggregate may hold more: it keeps what the source has replaced or let expire.
        older: of releases, those alone that were first seen before what ``errors`` still holds.
    """

    target: Side
    source: Side
    by: Span = "hour"
    short_only: bool = False
    older: bool = False


_WEIGHT = "sum(sample_weight)"
_ONCE = "sum(weight * ids)"
_SETS = (
    "(SELECT project, toStartOfHour(started) AS hour, sample_weight AS weight, "
    f"uniqExact(xxHash64(session_id)) AS ids FROM {SESSIONS_TABLE} GROUP BY project, hour, weight)"
)
_MERGED = (
    "(SELECT project, hour, sample_weight AS weight, uniqExactMerge(session_ids) AS ids FROM sessions_per_hour "
    "GROUP BY project, hour, weight)"
)
_BUCKETS = "toFloat64(sum(exited + errored + abnormal + crashed))"
PAIRS = (
    Pair(Side("errors_per_minute", "minute", "sum(count)"), Side(ERRORS_TABLE, "timestamp", _WEIGHT)),
    Pair(Side("errors_per_hour", "hour", "sum(count)"), Side(ERRORS_TABLE, "timestamp", _WEIGHT)),
    Pair(Side("issues", "week", "sum(count)"), Side(ERRORS_TABLE, "timestamp", _WEIGHT), by="week"),
    Pair(
        Side("transactions_per_minute", "minute", "sum(count)"),
        Side(SPANS_TABLE, "timestamp", _WEIGHT, "is_transaction"),
    ),
    # Of a session's updates the latest stays, under the hour that it says; a set may know more of them.
    Pair(Side(_MERGED, "hour", _ONCE), Side(_SETS, "hour", _ONCE), short_only=True),
    Pair(
        Side("sessions_per_hour", "hour", "toFloat64(sum(aggregated))"),
        Side(SESSION_AGGREGATES_TABLE, "started", _BUCKETS),
    ),
    Pair(
        Side("releases", "first_seen", "sum(errors)"),
        Side(ERRORS_TABLE, "timestamp", _WEIGHT),
        by="release",
    ),
    Pair(
        Side("releases", "first_seen", "sum(errors)"),
        Side("errors_per_hour", "hour", "sum(count)"),
        by="release",
        short_only=True,
        older=True,
    ),
    Pair(
        Side("releases", "first_seen", "sum(transactions)"),
        Side(SPANS_TABLE, "timestamp", _WEIGHT, "is_transaction"),
        by="release",
    ),
)
"""Every aggregate, and the tables that its counts come from."""
_NAMES = {_SETS: SESSIONS_TABLE, _MERGED: "sessions_per_hour"}

Key = tuple[str, str]
"""Project, and hour, Monday or release."""


class Gap(Struct):
    """How much an aggregate lacks (or has too much, when negative) under a key, and what the source has."""

    amount: float
    expected: float


class Comparison:
    """Compares all aggregates with their sources.

    Args:
        clickhouse: where they are.
        step: is told what is being done.
    """

    def __init__(self, clickhouse: ClickHouse, step: Callable[[str], AbstractContextManager[None]]) -> None:
        self._clickhouse = clickhouse
        self._tables = Tables(clickhouse)
        self._step = step

    def differences(self, since: datetime, pairs: Iterable[Pair] = PAIRS, *, patient: bool = True) -> list[Difference]:
        """Return on which days which aggregates differ, of events since a time, as far as both sides still hold them.

        Args:
            since: whole days are compared, and of issues whole weeks; releases in any case.
            pairs: what to compare.
            patient: look again at what differs; without it a batch that is being repeated may be among it.

        Raises:
            Unavailable: ClickHouse cannot be reached.
        """
        now = datetime.now(UTC)
        differing: dict[Pair, dict[Key, Gap]] = {}
        for pair in pairs:
            gaps = self._looked_at(pair, since, now)
            if gaps:
                differing[pair] = gaps
        for pause in PAUSES_S if patient else ():
            if not differing:
                break
            with self._step("waiting for batches that may be under way"):
                time.sleep(pause)
            for pair, gaps in list(differing.items()):
                again = self._looked_at(pair, since, now)
                both = {key: _least(gap, again[key]) for key, gap in gaps.items() if _agree(gap, again.get(key))}
                if both:
                    differing[pair] = both
                else:
                    del differing[pair]
        return [one for pair, gaps in differing.items() for one in self._told(pair, gaps)]

    def _looked_at(self, pair: Pair, since: datetime, now: datetime) -> dict[Key, Gap]:
        with self._step(f"comparing {name_of(pair.target)} with {name_of(pair.source)}"):
            return self._gaps(pair, since, now)

    def _gaps(self, pair: Pair, since: datetime, now: datetime) -> dict[Key, Gap]:
        start = self._start(pair, since, now)
        before = self._sums(pair.source, pair, start)
        self._settle()
        there = self._sums(pair.target, pair, start)
        self._settle()
        after = self._sums(pair.source, pair, start)
        gaps: dict[Key, Gap] = {}
        for key in before.keys() | there.keys() | after.keys():
            least, most = before.get(key, _NOTHING), after.get(key, _NOTHING)
            held = there.get(key, _NOTHING)
            if pair.by == "release" and not self._is_judged(pair, min(held.since, most.since), start):
                continue
            room = TOLERANCE + RELATIVE * max(most.value, held.value)
            if least.value - held.value > room:
                gaps[key] = Gap(least.value - held.value, least.value)
            elif held.value - most.value > room and not pair.short_only:
                gaps[key] = Gap(most.value - held.value, most.value)
        return gaps

    def _is_judged(self, pair: Pair, first_seen: datetime, start: datetime) -> bool:
        """Say whether a release is of the time that a pair compares: of all that its source holds, or older."""
        if not pair.older:
            return first_seen >= start
        return first_seen < held_since(self._clickhouse, ERRORS_TABLE, datetime.now(UTC))

    def _start(self, pair: Pair, since: datetime, now: datetime) -> datetime:
        """Return from when on both sides hold everything: the beginning of a day, or of a week."""
        held = max(held_since(self._clickhouse, name_of(side), now) for side in (pair.source, pair.target))
        if pair.by == "release":
            return datetime(1970, 1, 1, tzinfo=UTC) if pair.older else held
        wanted = _day(since) if pair.by == "hour" else _week(since)
        if wanted >= held:
            return wanted
        return _day(held) + timedelta(days=1) if pair.by == "hour" else _week(held) + timedelta(days=7)

    def _sums(self, side: Side, pair: Pair, start: datetime) -> Mapping[Key, Sum]:
        where = [side.where, "project != ''"]
        if pair.by == "release":
            key = "release"
            where.append("release != ''")
        else:
            key = f"toString(toStartOfHour({side.time}))" if pair.by == "hour" else f"toString(toMonday({side.time}))"
            where.append(f"{side.time} >= toDateTime({{start:String}}, 'UTC')")
        rows = self._clickhouse.rows(
            f"SELECT project, {key} AS key, {side.value} AS value, toDateTime(min({side.time}), 'UTC') AS since "
            f"FROM {side.table} WHERE {' AND '.join(where)} GROUP BY project, key",
            {"start": f"{start:%Y-%m-%d %H:%M:%S}"},
        )
        return {(row["project"], row["key"]): Sum(row["value"], row["since"].replace(tzinfo=UTC)) for row in rows}

    def _settle(self) -> None:
        """Return when every insert that goes on now has ended; or when one takes so long that it is no batch."""
        begun = self._tables.inserts()
        deadline = time.monotonic() + LONGEST_INSERT_S
        while begun & self._tables.inserts() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _told(self, pair: Pair, gaps: Mapping[Key, Gap]) -> list[Difference]:
        by_day: dict[tuple[str, str, bool], Gap] = {}
        for (project, key), gap in gaps.items():
            told = key if pair.by == "release" else key[:10]
            total = by_day.setdefault((project, told, gap.amount > 0), Gap(0, 0))
            total.amount += gap.amount
            total.expected += gap.expected
        erased = erased_on(self._clickhouse, name_of(pair.source)) if by_day else []
        found = []
        for (project, key, _), total in sorted(by_day.items()):
            monday_or_day, release = ("", key) if pair.by == "release" else (key, "")
            found.append(
                Difference(
                    name_of(pair.target),
                    name_of(pair.source),
                    monday_or_day,
                    project,
                    round(total.expected, 6),
                    round(total.expected - total.amount, 6),
                    release,
                    erased=any(not monday_or_day or at >= date.fromisoformat(monday_or_day) for at in erased),
                )
            )
        return found


class Sum(Struct, frozen=True):
    """A sum, and the earliest time of what is in it."""

    value: float
    since: datetime


_NOTHING = Sum(0.0, datetime(9999, 1, 1, tzinfo=UTC))


def held_since(clickhouse: ClickHouse, table: str, now: datetime) -> datetime:
    """Return since when a table holds everything, as its TTL says."""
    [row] = clickhouse.rows(
        "SELECT create_table_query AS query FROM system.tables WHERE database = currentDatabase() "
        "AND name = {table:String}",
        {"table": table},
    )
    expires = _EXPIRES.search(row["query"])
    return now - timedelta(days=int(expires["days"])) if expires else datetime(1970, 1, 1, tzinfo=UTC)


def erased_on(clickhouse: ClickHouse, table: str) -> list[date]:
    """Return on which days rows of a table were erased, as far as ClickHouse remembers."""
    rows = clickhouse.rows(
        "SELECT DISTINCT toDate(create_time) AS day FROM system.mutations WHERE database = currentDatabase() "
        "AND table = {table:String} AND command ILIKE '%DELETE%'",
        {"table": table},
    )
    return [row["day"] for row in rows]


def name_of(side: Side) -> str:
    """Return the name of the table that a sum is over."""
    return _NAMES.get(side.table, side.table)


def _agree(gap: Gap, again: Gap | None) -> bool:
    return again is not None and (gap.amount > 0) == (again.amount > 0)


def _least(gap: Gap, again: Gap) -> Gap:
    return gap if abs(gap.amount) <= abs(again.amount) else again


def _day(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _week(moment: datetime) -> datetime:
    monday = monday_of(moment)
    return datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
