"""Databases as earlier versions made them, kept under tests/store/kept: restored, and compared with others."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import RetentionSettings

KEPT = Path(__file__).parent / "store" / "kept"
VERSIONS = sorted(path.name for path in KEPT.iterdir() if (path / "schema.sql").is_file())
STATE = re.compile(r"AggregateFunction\((?P<function>\w+)(?P<parameters>\([^)]*\))?,")

MOMENT = "2025-11-25 12:00:00.000"
"""The time at which everything that is kept was written."""

RETENTION = RetentionSettings(**dict.fromkeys(RetentionSettings.__struct_fields__, 20_000))
"""Long enough: what is kept is older each day, and a mutation removes rows that have expired."""


def columns_of(server: ClickHouse, table: str) -> list[tuple[str, str, str]]:
    """Return name, type and default of every column that is stored."""
    rows = server.rows(
        "SELECT name, type, default_expression FROM system.columns WHERE database = currentDatabase() "
        "AND table = {table:String} AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') ORDER BY position",
        {"table": table},
    )
    return [(row["name"], row["type"], row["default_expression"]) for row in rows]


def tables_of(server: ClickHouse) -> list[str]:
    """Return the tables that hold rows of their own."""
    rows = server.rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name"
    )
    return [row["name"] for row in rows]


def rows_kept(server: ClickHouse, table: str) -> bytes:
    """Return a table's rows as JSONEachRow; a time that ClickHouse filled in by its clock is :data:`MOMENT`."""
    selected = []
    for name, kind, default in columns_of(server, table):
        if default == "now64(3, 'UTC')":
            selected.append(f"toDateTime64('{MOMENT}', 3, 'UTC') AS {name}")
        elif name == "delivered_on":
            selected.append(f"if(delivered_on > '1970-01-01', toDate('{MOMENT[:10]}'), delivered_on) AS {name}")
        else:
            selected.append(f"base64Encode(CAST({name}, 'String')) AS {name}" if STATE.match(kind) else name)
    return server.raw(f"SELECT {', '.join(selected)} FROM {table} ORDER BY ALL", "JSONEachRow")


def restore(server: ClickHouse, version: str) -> None:
    """Make the database of a version, with its rows. None expires, also where the retention is no setting."""
    server.command(f"CREATE DATABASE {server.database}", in_database=False)
    place = KEPT / version
    text = re.sub(r"\bkept\.", f"{server.database}.", (place / "schema.sql").read_text(encoding="utf-8"))
    statements = text.strip().split("\n\n")
    tables = [one for one in statements if one.startswith("CREATE TABLE")]
    for statement in tables:
        server.command(statement)
    for table in tables_of(server):
        server.command(f"SYSTEM STOP TTL MERGES {table}")
        _insert(server, table, (place / "rows" / f"{table}.jsonl").read_bytes())
    # Only now: what a view would make of the rows is among the rows already.
    for statement in statements:
        if statement not in tables:
            server.command(statement)


def _insert(server: ClickHouse, table: str, lines: bytes) -> None:
    columns = columns_of(server, table)
    names = ", ".join(name for name, _, _ in columns)
    sent = ", ".join(f"{name} {'String' if STATE.match(kind) else kind}" for name, kind, _ in columns)
    taken = ", ".join(_state(name, kind) if STATE.match(kind) else name for name, kind, _ in columns)
    structure = sent.replace("'", "\\'")
    sql = f"INSERT INTO {table} ({names}) SELECT {taken} FROM input('{structure}') FORMAT JSONEachRow"
    query = urllib.parse.urlencode({"database": server.database, "query": sql})
    urllib.request.urlopen(f"{server.address}/?{query}", data=lines, timeout=60).close()


def _state(name: str, kind: str) -> str:
    quoted = kind.replace("'", "\\'")
    return f"CAST(base64Decode({name}), '{quoted}')"


def content_of(server: ClickHouse, table: str, columns: Sequence[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """Return the rows of a table in these columns, merged where it is an aggregate: states as numbers, sets sorted."""
    keys, values = [], []
    for name, kind, _ in columns:
        if kind.startswith("SimpleAggregateFunction"):
            function = kind.removeprefix("SimpleAggregateFunction(").partition(",")[0]
            values.append(f"arraySort({function}({name}))" if "Array" in function else f"{function}({name})")
        elif found := STATE.match(kind):
            values.append(f"{found['function']}Merge{found['parameters'] or ''}({name})")
        else:
            keys.append(name)
    grouped = f" GROUP BY {', '.join(keys)}" if values else ""
    rows = server.rows(f"SELECT {', '.join([*keys, *values])} FROM {table}{grouped} ORDER BY {', '.join(keys)}")
    return sorted(tuple(str(value) for value in row.values()) for row in rows)


def schema_of(server: ClickHouse) -> dict[str, Any]:
    """Return every column, and the statement that makes each table and view, without the database's name."""
    columns = server.rows(
        "SELECT table, name, position, type, default_kind, default_expression, comment, compression_codec, "
        "is_in_partition_key, is_in_sorting_key, is_in_primary_key FROM system.columns "
        "WHERE database = currentDatabase()"
    )
    made = server.rows("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
    return {
        **{f"{row['table']}.{row['name']}": {k: v for k, v in row.items() if k != "table"} for row in columns},
        **{row["name"]: re.sub(rf"\b{server.database}\.", "", row["create_table_query"]) for row in made},
    }
