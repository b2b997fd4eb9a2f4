"""Rows for every table that workers write to, without the stages, and what tables have, so that two can be compared."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.intake.ledger import Ledger
from pipeline.records.record import Boundaries, Source
from pipeline.tables.columns import COLUMNS
from pipeline.tables.dead_letters import DEAD_LETTER_COLUMNS, DEAD_LETTERS_TABLE
from schemas.clickhouse import migrations

ALL_COLUMNS = {**COLUMNS, DEAD_LETTERS_TABLE: DEAD_LETTER_COLUMNS}
TOPIC_OF = {
    "session_aggregates": "sessions",
    "release_changes": "releases",
    "release_commits": "releases",
    "release_refs": "releases",
    "dead_letters": "errors",
}
TARGETS = {
    "errors": ("issues", "errors_per_minute", "errors_per_hour", "releases"),
    "spans": ("transactions_per_minute", "releases"),
    "sessions": ("sessions_per_hour", "releases"),
    "session_aggregates": ("sessions_per_hour", "releases"),
}
PAIRS = [(source, target) for source, targets in TARGETS.items() for target in targets]
WEEK_MS = 7 * 24 * 60 * 60 * 1000

_ANY = {
    "environment": "production",
    "release": "shop@1.0",
    "is_transaction": True,
    "status": "crashed",
    "user_hash": 7,
    "errors": 2,
    "exited": 3,
    "crashed": 1,
    "duration_ms": 12.5,
    "sample_weight": 2,
    "level": "error",
    "project": "shop",
}
_EACH = ("event_id", "span_id", "id", "session_id", "check_in_id", "fingerprint", "change_id", "repository")
_STATE = re.compile(r"AggregateFunction\((?P<function>\w+)(?P<parameters>\([^)]*\))?,")


def source_of(table: str, incarnation: str = "life") -> Source:
    """Return the partition of the topic that a table's rows come from."""
    return Source(TOPIC_OF.get(table, table), incarnation, 0)


def rows_of(
    server: ClickHouse,
    table: str,
    offsets: Sequence[int],
    *,
    weeks: Sequence[int] = (0,),
    at_ms: int = 0,
    names: int = 1_000_000,
) -> tuple[tuple[str, ...], bytes]:
    """Return columns and lines of one row an offset.

    ``weeks`` are how long ago they happened, in turn; ``names`` is how many different names and ids there are.
    """
    types = {
        row["name"]: row["type"]
        for row in server.rows(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}",
            {"table": table},
        )
    }
    now = at_ms or int(time.time() * 1000)
    columns = tuple(
        name
        for name in ALL_COLUMNS[table]
        if name in (*_ANY, *_EACH) or name.startswith("kafka_") or types[name].startswith("DateTime64")
    )
    extra = tuple(name for name in ("latest", "position", "bytes") if name in ALL_COLUMNS[table])
    lines = []
    for number, offset in enumerate(offsets):
        values: dict[str, Any] = {
            **{name: value for name, value in _ANY.items() if name in columns},
            **{name: f"{name}-{offset % names}" for name in _EACH if name in columns},
            **dict.fromkeys(extra, offset),
            "kafka_topic": TOPIC_OF.get(table, table),
            "kafka_partition": 0,
            "kafka_offset": offset,
        }
        for name in columns:
            if types[name].startswith("DateTime64"):
                late = 0 if name == "received" else weeks[number % len(weeks)] * WEEK_MS
                values[name] = now - late
        lines.append([values[name] for name in (*columns, *extra)])
    return (*columns, *extra), Encoder().encode_lines(lines)


def begun(server: ClickHouse, source: Source, boundaries: Boundaries) -> None:
    """Write a batch into the ledger."""
    Ledger(server).begin(source, boundaries, 1)


def content(server: ClickHouse, table: str, *, without: Sequence[str] = ("blocks", "delivered_on")) -> list[list[str]]:
    """Return what a table has, as its merges will leave it: states as numbers, sets in their order."""
    if table in ALL_COLUMNS:
        rows = server.rows(f"SELECT * FROM {table} ORDER BY kafka_partition, kafka_offset, {ALL_COLUMNS[table][0]}")
        return [[str(value) for value in row.values()] for row in rows]
    columns, keys = [], []
    for row in server.rows(
        "SELECT name, type, is_in_sorting_key AS key FROM system.columns WHERE database = currentDatabase() "
        "AND table = {table:String} AND default_kind NOT IN ('ALIAS') ORDER BY position",
        {"table": table},
    ):
        name, kind = row["name"], row["type"]
        if name in without:
            continue
        if row["key"]:
            keys.append(name)
        elif found := _STATE.match(kind):
            name = f"{found['function']}Merge{found['parameters'] or ''}({name})"
        elif kind.startswith("SimpleAggregateFunction"):
            function = kind.removeprefix("SimpleAggregateFunction(").partition(",")[0]
            name = f"arraySort({function}({name}))" if "Array" in function else f"{function}({name})"
        if not row["key"]:
            columns.append(name)
    order = ", ".join(keys)
    rows = server.rows(f"SELECT {', '.join([*keys, *columns])} FROM {table} GROUP BY {order} ORDER BY {order}")
    return [[str(value) for value in row.values()] for row in rows]


def migrate_to(server: ClickHouse, version: int) -> None:
    """Make the database as it was after a migration, as if that was a while ago."""
    server.command(f"CREATE DATABASE IF NOT EXISTS {server.database}", in_database=False)
    server.command(
        "CREATE TABLE IF NOT EXISTS migrations (version UInt32, name String, checksum String, "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) ENGINE = MergeTree ORDER BY version"
    )
    for one in migrations()[:version]:
        for statement in one.statements:
            server.command(statement)
        row = Encoder().encode((one.version, one.name, one.checksum))
        server.insert("migrations", ("version", "name", "checksum"), row, "")
