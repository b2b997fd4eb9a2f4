"""Journal: which ranges are being repaired, so that a repair that was broken off is ended with the same boundaries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.records.record import Boundaries, Source

COLUMNS = ("topic", "incarnation", "partition", "first_offset", "last_offset", "records", "step")

_encode = Encoder().encode


class Journal:
    """The table ``repairs``.

    Args:
        clickhouse: where it is.
    """

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def note(self, source: Source, boundaries: Boundaries, records: int, step: Literal["begun", "done"]) -> None:
        """Write down that the repair of a range begins, or that it is done."""
        row = (*source, boundaries.first, boundaries.last, records, step)
        self._clickhouse.insert("repairs", COLUMNS, _encode(row) + b"\n", "")

    def unfinished(self, source: Source, since: datetime) -> list[tuple[Boundaries, datetime]]:
        """Return the ranges of a partition whose repair was begun since a time and is not done, and when it was."""
        rows = self._clickhouse.rows(
            "SELECT first_offset AS first, last_offset AS last, min(at) AS begun_at FROM repairs "
            "WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32} "
            "GROUP BY first, last HAVING countIf(step = 'done') = 0 "
            "AND begun_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') ORDER BY first",
            {**source._asdict(), "since": int(since.timestamp() * 1000)},
        )
        return [(Boundaries(row["first"], row["last"]), row["begun_at"].replace(tzinfo=UTC)) for row in rows]

    def batches_since(self, moment: datetime) -> int:
        """Return how many batches, of all topics, were begun since a time."""
        rows = self._clickhouse.rows(
            "SELECT count() AS n FROM batches WHERE begun_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')",
            {"since": int(moment.timestamp() * 1000)},
        )
        return int(rows[0]["n"])
