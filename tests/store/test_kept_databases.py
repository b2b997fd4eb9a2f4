"""A database that an earlier version made is upgraded by this one: nothing is lost, and it is as a new one is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import Encoder

import schemas.clickhouse
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings
from pipeline.records.record import Boundaries
from pipeline.store.migrate import migrate_clickhouse
from pipeline.store.view_targets import insert_token
from schemas.clickhouse import migrations
from tests.delivered_rows import ALL_COLUMNS, PAIRS, begun, rows_of, source_of
from tests.kept_databases import (
    KEPT,
    RETENTION,
    STATE,
    VERSIONS,
    columns_of,
    content_of,
    restore,
    rows_kept,
    schema_of,
    tables_of,
)
from tests.transformed import COLUMNS, outcome_now

MIGRATIONS = Path(schemas.clickhouse.__file__).parent
BATCH = Boundaries(1000, 1009)


def quiet(_line: str) -> None:
    """Say nothing."""


@pytest.fixture
def fresh(clickhouse: str, names: Any) -> Iterator[ClickHouse]:
    """A database that this version has made from nothing."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database=f"{names.database}_fresh"))
    migrate_clickhouse(server, RETENTION, quiet)
    yield server
    server.command(f"DROP DATABASE {server.database} SYNC", in_database=False)


def delivered(server: ClickHouse, table: str) -> None:
    """Insert a batch as a worker does."""
    columns, lines = rows_of(server, table, range(BATCH.first, BATCH.last + 1))
    if table in COLUMNS:
        kind = {"type": "transaction", "start_timestamp": 1.0} if table == "spans" else {}
        events = [
            {**kind, "event_id": f"{number:032x}", "message": "late", "release": "shop@2.0"} for number in range(10)
        ]
        columns, lines = COLUMNS[table], Encoder().encode_lines(outcome_now(*events, topic=table).rows[table])
    begun(server, source_of(table), BATCH)
    server.insert(table, columns, lines, insert_token(source_of(table), BATCH, table, ""))


def without_states(lines: bytes, columns: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return rows without the states of aggregates: a set that is read in is written in another order."""
    states = {name for name, kind, _ in columns if STATE.match(kind)}
    return [{k: v for k, v in json.loads(line).items() if k not in states} for line in lines.splitlines()]


def count(server: ClickHouse, table: str) -> int:
    return int(server.rows(f"SELECT count() AS n FROM {table}")[0]["n"])


def with_token(server: ClickHouse, table: str, target: str) -> int:
    """Return in how many rows of an aggregate the batch is named."""
    rows = server.rows(
        f"SELECT count() AS n FROM {target} WHERE has(blocks, {{token:String}})",
        {"token": insert_token(source_of(table), BATCH, table, "")},
    )
    return int(rows[0]["n"])


def test_a_version_is_kept() -> None:
    assert "0.1" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_migrations_that_were_shipped_are_never_edited(version: str) -> None:
    """If this fails, restore the file, and add a migration for the change: databases have had the old one applied."""
    lines = (KEPT / version / "checksums").read_text(encoding="utf-8").splitlines()
    shipped = {name: checksum for checksum, name in (line.split("  ") for line in lines)}
    found = {name: hashlib.sha256((MIGRATIONS / name).read_bytes()).hexdigest() for name in shipped}
    assert found == shipped
    present = [f"{one.version:04d}_{one.name}.sql" for one in migrations()]
    assert present[: len(shipped)] == list(shipped), "a new migration stands behind those that were shipped"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_kept_database_is_upgraded_and_nothing_is_lost(
    clickhouse: str, names: Any, fresh: ClickHouse, version: str
) -> None:
    kept = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
    restore(kept, version)
    tables = {table: columns_of(kept, table) for table in tables_of(kept)}
    before = {table: content_of(kept, table, columns) for table, columns in tables.items()}
    assert {table: len(rows) for table, rows in before.items() if len(rows) < 2} == {}
    for table, columns in tables.items():
        file = (KEPT / version / "rows" / f"{table}.jsonl").read_bytes()
        assert without_states(rows_kept(kept, table), columns) == without_states(file, columns), table

    migrate_clickhouse(kept, RETENTION, quiet)

    after = {table: content_of(kept, table, columns) for table, columns in tables.items()}
    # What was applied is still known; newer ones may have come to it.
    assert set(after.pop("migrations")) >= set(before.pop("migrations"))
    assert after == before
    assert schema_of(kept) == schema_of(fresh)

    stored = {table: count(kept, table) for table in ALL_COLUMNS}
    for table in ALL_COLUMNS:
        delivered(kept, table)
        delivered(kept, table)
    assert {table: count(kept, table) - rows for table, rows in stored.items()} == dict.fromkeys(ALL_COLUMNS, 10)
    assert {pair: with_token(kept, *pair) > 0 for pair in PAIRS} == dict.fromkeys(PAIRS, True)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE errors ADD COLUMN another UInt8",
        "ALTER TABLE errors MODIFY COLUMN title LowCardinality(String)",
        "ALTER TABLE errors COMMENT COLUMN title 'other words'",
        "DROP VIEW open_issues",
    ],
)
def test_a_schema_that_differs_is_seen(fresh: ClickHouse, change: str) -> None:
    before = schema_of(fresh)
    assert schema_of(fresh) == before
    fresh.command(change)
    assert schema_of(fresh) != before
