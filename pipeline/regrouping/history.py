"""History: the stored events of whole weeks, read from ClickHouse in pieces of bounded size, in the table's order.

A week is a partition of ``errors``. Within it, issues are read side by side until they make a piece; a large issue
is read by time. So neither this process nor the server holds more than a piece, however much there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from msgspec import Struct

from pipeline.edges.clickhouse import ClickHouse
from pipeline.regrouping.replay import READ_COLUMNS, Stored, read_stored
from pipeline.tables.rows import ERRORS_TABLE

PIECE_ROWS = 4000
"""About 40 MB of events as they are read."""


class Week(Struct, frozen=True):
    """A partition of ``errors``: its Monday, how many rows it has, and how many events they stand for."""

    monday: date
    rows: int
    count: float

    @property
    def partition(self) -> str:
        """The partition's id, the same in ``errors`` and in the aggregates of issues."""
        return partition_id(self.monday)


class Piece(Struct, frozen=True):
    """A condition on rows of one week, with its parameters, and how many rows it is about."""

    condition: str
    parameters: dict[str, Any]
    rows: int


def partition_id(monday: date) -> str:
    """Return the id of a week's partition, as ClickHouse makes it."""
    return monday.strftime("%Y%m%d")


def weeks(clickhouse: ClickHouse, since: datetime | None, project: str = "") -> list[Week]:
    """Return the weeks that have events from a time on, the whole of each, oldest first; ``None`` means all.

    Raises:
        Unavailable: ClickHouse cannot be reached.
        RequestRejected: there is no such table.
    """
    rows = clickhouse.rows(
        "SELECT toMonday(timestamp) AS monday, count() AS rows, sum(sample_weight) AS count FROM errors "
        "WHERE toMonday(timestamp) >= {since:Date} AND ({project:String} = '' OR project = {project:String}) "
        "GROUP BY monday ORDER BY monday",
        {"since": monday_of(since) if since else date(1970, 1, 1), "project": project},
    )
    return [Week(row["monday"], row["rows"], row["count"]) for row in rows]


def monday_of(moment: datetime) -> date:
    """Return the Monday of the week of a time in UTC."""
    return date.fromordinal(moment.date().toordinal() - moment.weekday())


def read_week(
    clickhouse: ClickHouse, monday: date, project: str = "", table: str = ERRORS_TABLE
) -> Iterator[list[Stored]]:
    """Yield the events of a week, as many at a time as a piece of an answer holds.

    Rows that arrive meanwhile may or may not be among them.

    Raises:
        Unavailable: ClickHouse cannot be reached.
    """
    columns = ", ".join(READ_COLUMNS)
    for piece in _pieces(clickhouse, table, monday, project):
        sql = (
            f"SELECT {columns} FROM {table} WHERE toMonday(timestamp) = {{monday:Date}} AND {piece.condition} "  # noqa: S608 - our own names
            "ORDER BY project, fingerprint, timestamp SETTINGS output_format_json_quote_64bit_integers = 0"
        )
        answer = clickhouse.stream(sql, "JSONCompactEachRow", {"monday": monday, **piece.parameters})
        for lines in _lines(answer):
            yield [read_stored(line) for line in lines]


def _pieces(clickhouse: ClickHouse, table: str, monday: date, project: str) -> Iterator[Piece]:
    issues = clickhouse.rows(
        f"SELECT project, fingerprint, count() AS rows FROM {table} WHERE toMonday(timestamp) = {{monday:Date}} "  # noqa: S608 - our own names
        "AND ({project:String} = '' OR project = {project:String}) "
        "GROUP BY project, fingerprint ORDER BY project, fingerprint",
        {"monday": monday, "project": project},
    )
    begun: list[dict[str, Any]] = []
    rows = 0
    for issue in issues:
        large = issue["rows"] > PIECE_ROWS
        if begun and (large or rows + issue["rows"] > PIECE_ROWS or issue["project"] != begun[0]["project"]):
            yield _side_by_side(begun, rows)
            begun, rows = [], 0
        if large:
            yield from _by_time(clickhouse, table, monday, issue)
        else:
            begun.append(issue)
            rows += issue["rows"]
    if begun:
        yield _side_by_side(begun, rows)


def _side_by_side(issues: list[dict[str, Any]], rows: int) -> Piece:
    return Piece(
        "project = {project:String} AND fingerprint >= {first:String} AND fingerprint <= {last:String}",
        {"project": issues[0]["project"], "first": issues[0]["fingerprint"], "last": issues[-1]["fingerprint"]},
        rows,
    )


def _by_time(clickhouse: ClickHouse, table: str, monday: date, issue: dict[str, Any]) -> Iterator[Piece]:
    """Divide a large issue at full minutes."""
    named = {"project": issue["project"], "fingerprint": issue["fingerprint"]}
    minutes = clickhouse.rows(
        f"SELECT toUnixTimestamp(toStartOfMinute(timestamp)) AS minute, count() AS rows FROM {table} "  # noqa: S608 - our own names
        "WHERE toMonday(timestamp) = {monday:Date} AND project = {project:String} "
        "AND fingerprint = {fingerprint:String} GROUP BY minute ORDER BY minute",
        {"monday": monday, **named},
    )
    condition = (
        "project = {project:String} AND fingerprint = {fingerprint:String} "
        "AND timestamp >= toDateTime({start:UInt32}) AND timestamp < toDateTime({end:UInt32})"
    )
    start, rows = minutes[0]["minute"] if minutes else 0, 0
    for this, after in zip(minutes, [*minutes[1:], None], strict=True):
        rows += this["rows"]
        if after is None or rows + after["rows"] > PIECE_ROWS:
            end = this["minute"] + 60
            yield Piece(condition, {**named, "start": start, "end": end}, rows)
            start, rows = end, 0


def _lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the whole lines of an answer, those of one piece of it at a time."""
    begun = b""
    for piece in pieces:
        *whole, begun = (begun + piece).split(b"\n")
        if whole:
            yield whole
    if begun:
        yield [begun]
