"""What ClickHouse has of errors, table by table, in a form in which two databases can be compared."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.edges.clickhouse import ClickHouse
from pipeline.records.record import Batch, Boundaries, Source
from pipeline.stages.transform import Transform
from pipeline.tables.rows import ERROR_COLUMNS
from tests.records import Message

COUNTED = "round(sum(count), 6) AS n, uniqMerge(users) AS people, min(first_seen) AS first, max(last_seen) AS last"
TABLES = {
    "errors": f"SELECT {', '.join(ERROR_COLUMNS)} FROM errors ORDER BY kafka_partition, kafka_offset, event_id",
    "issues": f"SELECT project, fingerprint, week, {COUNTED}, min(first_received) AS received, "
    "argMinMerge(first_release) AS born, argMaxMerge(last_release) AS latest, "
    "arraySort(groupUniqArrayArray(releases)) AS all_releases, "
    "arraySort(groupUniqArrayArray(environments)) AS places FROM issues "
    "GROUP BY project, fingerprint, week ORDER BY project, fingerprint, week",
    "minutes": f"SELECT project, environment, minute, fingerprint, release, level, {COUNTED} FROM errors_per_minute "
    "GROUP BY project, environment, minute, fingerprint, release, level "
    "ORDER BY project, environment, minute, fingerprint, release, level",
    "hours": f"SELECT project, environment, hour, fingerprint, release, level, {COUNTED} FROM errors_per_hour "
    "GROUP BY project, environment, hour, fingerprint, release, level "
    "ORDER BY project, environment, hour, fingerprint, release, level",
}


def content(clickhouse: ClickHouse, *, without: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Return the rows of every table; ``without`` names columns to leave out."""
    return {
        name: [
            {column: str(value) for column, value in row.items() if column not in without}
            for row in clickhouse.rows(sql)
        ]
        for name, sql in TABLES.items()
    }


def store(clickhouse: ClickHouse, processor: Transform, messages: Sequence[Message], token: str = "") -> None:
    """Store messages as one batch, as a worker does."""
    batch = Batch(Source("errors", "life", 0), Boundaries(messages[0].offset, messages[-1].offset), messages)
    outcome = processor.process(batch)
    assert outcome.dead == []
    lines = msgspec.json.Encoder().encode_lines(outcome.rows["errors"])
    clickhouse.insert("errors", ERROR_COLUMNS, lines, token or uuid.uuid4().hex)


def messages_of(
    events: Sequence[dict[str, Any] | bytes], timestamp_ms: int, project: str = "shop", first: int = 0
) -> list[Message]:
    """Return events as messages of one partition, with offsets from ``first`` on."""
    values = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    headers = [("project", project.encode())]
    return [
        Message(value, first + number, timestamp=timestamp_ms, headers=headers) for number, value in enumerate(values)
    ]
