"""The comparison of error events with their rows and with every aggregate of them, by id, weight, user and time."""

from __future__ import annotations

import collections
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.chaos.findings import Finding, Sum, Sums, compare_sums, runs
from tests.chaos.load import Event
from tests.chaos.servers import ClickHouse

Row = Mapping[str, Any]
Types = Mapping[str, str]
"""The exception's type of each fingerprint: the name that the load has for an issue."""

_ROWS = (
    "SELECT event_id, exception_types[1] AS type, environment, toUnixTimestamp64Milli(timestamp) AS ms,"
    " sample_weight AS weight, kafka_partition AS partition, kafka_offset AS offset, fingerprint"
    " FROM errors WHERE project = '{project}'"
)


class Aggregate(NamedTuple):
    """One way to add errors up: which key an event has, and which a row; ``users`` says whether they are counted."""

    what: str
    sql: str
    key: Callable[[Event], Hashable]
    row_key: Callable[[Row, Types], Hashable]
    users: bool = True


def _cell(row: Row, types: Types) -> Hashable:
    return row["environment"], row["at"], types.get(row["fingerprint"]), row["release"], row["level"]


_BY_TIME = (
    "SELECT environment, toUnixTimestamp({time}) AS at, fingerprint, release, level, {sum} AS n, {users} AS users"
    " FROM {table} WHERE project = '{{project}}' GROUP BY environment, at, fingerprint, release, level"
)
AGGREGATES = (
    Aggregate(
        "errors by minute",
        _BY_TIME.format(
            time="toStartOfMinute(timestamp)", sum="sum(sample_weight)", users="uniqArray(users)", table="errors"
        ),
        lambda event: (event.env, event.minute, event.type, event.release, event.level),
        _cell,
    ),
    Aggregate(
        "errors_per_minute",
        _BY_TIME.format(time="minute", sum="sum(count)", users="uniqMerge(users)", table="errors_per_minute"),
        lambda event: (event.env, event.minute, event.type, event.release, event.level),
        _cell,
    ),
    Aggregate(
        "errors_per_hour",
        _BY_TIME.format(time="hour", sum="sum(count)", users="uniqMerge(users)", table="errors_per_hour"),
        lambda event: (event.env, event.hour, event.type, event.release, event.level),
        _cell,
    ),
    Aggregate(
        "issues",
        "SELECT fingerprint, sum(count) AS n, uniqMerge(users) AS users FROM issues WHERE project = '{project}'"
        " GROUP BY fingerprint",
        lambda event: event.type,
        lambda row, types: types.get(row["fingerprint"]),
    ),
    Aggregate(
        "releases",
        "SELECT environment, release, sum(errors) AS n FROM releases WHERE project = '{project}'"
        " GROUP BY environment, release",
        lambda event: (event.env, event.release),
        lambda row, _types: (row["environment"], row["release"]),
        users=False,
    ),
)
TOTALS = {"issues": "count", "errors_per_minute": "count", "errors_per_hour": "count", "releases": "errors"}
"""The tables that hold sums of errors, and the column with them."""


class Compared(NamedTuple):
    """What came of a comparison: what is wrong, the issues' types, and the events that had to be there."""

    findings: list[Finding]
    types: Types
    kept: list[Event]


def compare_errors(clickhouse: ClickHouse, project: str, events: Sequence[Event], *, thinned: bool = False) -> Compared:
    """Compare everything that is stored of a project's errors with what was sent.

    Args:
        clickhouse: where it is stored.
        project: the project.
        events: what was sent.
        thinned: the product may leave rows out, if those that are there stand for them.
    """
    rows = clickhouse.rows(_ROWS.format(project=project))
    kept = required(events, rows)
    types, findings = types_of(rows, {event.type for event in kept})
    findings = compare_rows(rows, kept, thinned=thinned) + findings
    for aggregate in AGGREGATES:
        found: dict[Hashable, Sum] = {
            aggregate.row_key(row, types): (row["n"], row["users"] if aggregate.users else None)
            for row in clickhouse.rows(aggregate.sql.format(project=project))
        }
        findings += compare_sums(aggregate.what, expected(kept, aggregate), found)
    return Compared(findings + _compare_times(clickhouse, project, kept, types), types, kept)


def required(events: Sequence[Event], rows: Sequence[Row]) -> list[Event]:
    """Return the events that must be there: all but those that nobody promised to keep and that are not."""
    stored = {row["event_id"] for row in rows}
    return [event for event in events if not event.may_be_missing or event.id in stored]


def compare_rows(rows: Sequence[Row], events: Sequence[Event], *, thinned: bool = False) -> list[Finding]:
    """Compare rows with the events that must be there."""
    by_id = {event.id: event for event in events}
    stored = collections.Counter(row["event_id"] for row in rows)
    findings: list[Finding] = []
    if failed := [event for event in events if event.failure]:
        text = f"{len(failed)} events were not acknowledged: {failed[0].failure}"
        findings.append(Finding("harness", len(failed), text))
    if unknown := [one for one in stored if one not in by_id]:
        findings.append(Finding("row", len(unknown), f"errors: {len(unknown)} rows of unknown events: {unknown[:3]}"))
    if doubled := [one for one, count in stored.items() if count > 1]:
        text = f"errors: {len(doubled)} events twice: {_places(by_id, doubled)}"
        findings.append(Finding("doubled", len(doubled), text))
    missing = [one for one in by_id if one not in stored]
    if missing and not thinned:
        text = f"errors: {len(missing)} events missing: {_places(by_id, missing)}"
        findings.append(Finding("lost", len(missing), text))
    places = collections.Counter((row["partition"], row["offset"]) for row in rows)
    if repeated := [place for place, count in places.items() if count > 1]:
        findings.append(Finding("doubled", len(repeated), f"errors: an offset twice: {runs(repeated)}"))
    differing = [(row, by_id[row["event_id"]]) for row in rows if row["event_id"] in by_id]
    differing = [(row, event) for row, event in differing if not _as_sent(row, event, thinned=thinned)]
    if differing:
        row, event = differing[0]
        sent = f"{event.ms} {event.env} {event.type} {event.weight} {event.partition}/{event.offset}"
        text = f"errors: {len(differing)} rows differ, such as {dict(row)}, sent as {sent}"
        findings.append(Finding("row", len(differing), text))
    return findings


def _as_sent(row: Row, event: Event, *, thinned: bool) -> bool:
    place = (row["partition"], row["offset"])
    return (
        (row["ms"], row["environment"], row["type"]) == (event.ms, event.env, event.type)
        and (event.offset is None or place == (event.partition, event.offset))
        and (thinned or row["weight"] == event.weight)
    )


def _places(by_id: Mapping[str, Event], ids: Sequence[str]) -> str:
    known = [by_id[one] for one in ids if one in by_id]
    return runs((event.partition or 0, event.offset) for event in known if event.offset is not None)


def types_of(rows: Sequence[Row], types: set[str]) -> tuple[Types, list[Finding]]:
    """Return the type of each fingerprint, and whether each type has exactly one."""
    fingerprints: dict[str, set[str]] = collections.defaultdict(set)
    for row in rows:
        fingerprints[row["type"]].add(row["fingerprint"])
    several = [type_ for type_, found in fingerprints.items() if len(found) > 1]
    absent = types - fingerprints.keys()
    findings = [Finding("row", len(several), f"errors: several fingerprints of {several[:4]}")] if several else []
    if absent:
        findings.append(Finding("lost", 0, f"errors: no row of {len(absent)} issues: {sorted(absent)[:4]}"))
    return {one: type_ for type_, found in fingerprints.items() for one in found}, findings


def expected(events: Sequence[Event], aggregate: Aggregate) -> Sums:
    """Return what an aggregate has to hold."""
    sums: dict[Hashable, float] = collections.defaultdict(float)
    users: dict[Hashable, set[str]] = collections.defaultdict(set)
    for event in events:
        key = aggregate.key(event)
        sums[key] += event.weight
        users[key].add(event.user)
    return {key: (count, len(users[key]) if aggregate.users else None) for key, count in sums.items()}


def _compare_times(clickhouse: ClickHouse, project: str, events: Sequence[Event], types: Types) -> list[Finding]:
    stored = {
        types.get(row["fingerprint"]): (row["first"], row["last"])
        for row in clickhouse.rows(
            "SELECT fingerprint, toUnixTimestamp64Milli(min(first_seen)) AS first,"
            f" toUnixTimestamp64Milli(max(last_seen)) AS last FROM issues WHERE project = '{project}'"
            " GROUP BY fingerprint"
        )
    }
    times: dict[str, list[int]] = collections.defaultdict(list)
    for event in events:
        times[event.type].append(event.ms)
    off = [(type_, min(ms), max(ms)) for type_, ms in times.items() if stored.get(type_) != (min(ms), max(ms))]
    if not off:
        return []
    type_, first, last = off[0]
    text = f"issues: first and last of {len(off)}, such as {type_}: sent {first}, {last}, stored {stored.get(type_)}"
    return [Finding("aggregate", len(off), text)]


def compare_totals(clickhouse: ClickHouse, projects: Mapping[str, Sequence[Event]], *, thinned: bool) -> list[Finding]:
    """Look at every project once more: how many rows and ids there are, and what each table's sum is.

    For projects without events that may be missing.
    """
    stored = {
        row["project"]: (row["rows"], row["ids"], row["weight"])
        for row in clickhouse.rows(
            "SELECT project, count() AS rows, uniqExact(event_id) AS ids, sum(sample_weight) AS weight FROM errors"
            " GROUP BY project"
        )
    }
    sums = {
        table: {
            row["project"]: row["n"]
            for row in clickhouse.rows(f"SELECT project, sum({column}) AS n FROM {table} GROUP BY project")
        }
        for table, column in TOTALS.items()
    }
    findings: list[Finding] = []
    for project, events in projects.items():
        weight = sum(event.weight for event in events)
        rows, ids, total = stored.get(project, (0, 0, 0.0))
        if rows != ids or abs(total - weight) > 1e-6 or (rows != len(events) and not thinned):
            sent, found_there = f"{len(events)} of weight {weight}", f"{rows} rows, {ids} ids, weight {total}"
            text = f"errors: {project} in all: sent {sent}, stored {found_there}"
            findings.append(Finding("row", 1, text))
        for table, found in sums.items():
            if abs(found.get(project, 0) - weight) > 1e-6:
                text = f"{table}: {project} in all: sent {weight}, stored {found.get(project, 0)}"
                findings.append(Finding("aggregate", 1, text))
    return findings
