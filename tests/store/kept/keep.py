"""Keep a database as the present version makes it, so that later versions can show that they upgrade it.

    python tests/store/kept/keep.py http://127.0.0.1:8123 0.1

Run it once, when a version is released, and never again for that version: it writes ``tests/store/kept/<version>/``,
with ``schema.sql`` (statements divided by an empty line, tables before views, ``kept`` for the database), ``rows/``
(a file a table, JSONEachRow, states of aggregates in base64) and ``checksums`` (of the migrations, as sha256sum(1)
writes them). Times are fixed, so that two runs of one version write the same.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1])]

from msgspec.json import Encoder  # noqa: E402

from pipeline.edges.clickhouse import ClickHouse  # noqa: E402
from pipeline.edges.settings import ClickHouseSettings  # noqa: E402
from pipeline.records.record import Boundaries  # noqa: E402
from pipeline.store.migrate import migrate_clickhouse  # noqa: E402
from pipeline.store.view_targets import insert_token  # noqa: E402
from schemas.clickhouse import migrations  # noqa: E402
from tests.delivered_rows import ALL_COLUMNS, begun, rows_of, source_of  # noqa: E402
from tests.kept_databases import MOMENT, RETENTION, rows_kept, tables_of  # noqa: E402
from tests.records import NOON_MS, example_events  # noqa: E402
from tests.transformed import COLUMNS, outcome_of  # noqa: E402

DATABASE = "aftershock_being_kept"
COPIES = 6
MOST_BYTES = 3000
ROWS = 200
BATCH = 50

OTHERS: dict[str, list[dict[str, Any]]] = {
    "topics": [
        {"topic": topic, "incarnation": "life", "created_at": MOMENT} for topic in ("errors", "spans", "sessions")
    ],
    "regroups": [{"week": "2025-11-24", "step": step, "at": MOMENT} for step in ("swapping", "done")],
    "regrouped_issues": [
        {"project": "shop", "environment": "production", "fingerprint": f"{number:032x}"} for number in range(20)
    ],
    "issue_reactions": [
        {
            "project": "shop",
            "fingerprint": f"{number:032x}",
            "change_id": f"change_id-{number}",
            "kind": ("regressed", "unignored", "returned")[number % 3],
            "at": MOMENT,
            "environment": "production",
            "release": "shop@1.0",
            "noted_at": MOMENT,
        }
        for number in range(60)
    ],
    "repairs": [
        {
            "topic": "errors",
            "incarnation": "life",
            "partition": 0,
            "first_offset": number,
            "last_offset": number,
            "records": 1,
            "step": step,
            "at": MOMENT,
        }
        for number in range(10)
        for step in ("begun", "done")
    ],
}
"""Rows of the tables that are not written batch by batch."""


def fill(server: ClickHouse) -> None:
    """Insert as workers do: a line in the ledger, then rows under a token. Events go through the real stages."""
    for table, columns in ALL_COLUMNS.items():
        if table in COLUMNS:
            events = [
                {**json.loads(event), "event_id": f"{copy:08x}{number:024x}"}
                for copy in range(COPIES)
                for number, (topic, event) in enumerate(example_events())
                if topic == table and len(event) <= MOST_BYTES
            ]
            rows = outcome_of(*events, topic=table).rows[table]
            for first in range(0, len(rows), BATCH):
                store(server, table, columns, rows[first : first + BATCH], first)
        else:
            for first in range(0, ROWS, BATCH):
                offsets = range(first, first + BATCH)
                named, lines = rows_of(server, table, offsets, weeks=(0, 1, 2), at_ms=NOON_MS, names=90)
                store(server, table, named, lines, first)
    for table, rows_ in OTHERS.items():
        server.insert(table, tuple(rows_[0]), Encoder().encode_lines([list(row.values()) for row in rows_]), "")


def store(server: ClickHouse, table: str, columns: Sequence[str], rows: Any, first: int) -> None:
    """Insert one batch."""
    source, boundaries = source_of(table), Boundaries(first, first + BATCH - 1)
    begun(server, source, boundaries)
    lines = rows if isinstance(rows, bytes) else Encoder().encode_lines(rows)
    server.insert(table, columns, lines, insert_token(source, boundaries, table, ""))


def statements(server: ClickHouse) -> list[str]:
    """Return what makes the tables and the views, each behind what it reads."""
    found = {
        row["name"]: re.sub(rf"\b{DATABASE}\.", "kept.", row["create_table_query"])
        for row in server.rows(
            "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name"
        )
    }
    ordered: list[str] = []
    while found:
        free = [
            name
            for name, text in found.items()
            if not any(re.search(rf"\bkept\.{other}\b", text) for other in found if other != name)
        ]
        # All tables before the first view.
        free = [name for name in free if found[name].startswith("CREATE TABLE")] or free
        ordered += [found.pop(name) for name in free]
    return ordered


def main() -> None:
    """Write the directory of a version."""
    address, version = sys.argv[1:]
    server = ClickHouse(ClickHouseSettings(url=address, database=DATABASE))
    server.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC", in_database=False)
    migrate_clickhouse(server, RETENTION, lambda _line: None)
    try:
        for table in tables_of(server):
            server.command(f"SYSTEM STOP TTL MERGES {table}")
        fill(server)
        place = HERE / version
        (place / "rows").mkdir(parents=True, exist_ok=True)
        (place / "schema.sql").write_text("\n\n".join(statements(server)) + "\n", encoding="utf-8")
        for table in tables_of(server):
            server.command(f"OPTIMIZE TABLE {table} FINAL")
            (place / "rows" / f"{table}.jsonl").write_bytes(rows_kept(server, table))
        lines = [f"{one.checksum}  {one.version:04d}_{one.name}.sql\n" for one in migrations()]
        (place / "checksums").write_text("".join(lines), encoding="utf-8")
    finally:
        server.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC", in_database=False)


if __name__ == "__main__":
    main()
