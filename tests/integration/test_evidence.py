"""The query of an alert, run by a real ClickHouse: it finds the events that were counted, and only those."""

from __future__ import annotations

import json
import urllib.request

from pipeline.counts.windows import Windows
from tests.occurrences import NOON, Occurrence, counted, rules_of

NASTY = "it's \\ \"50%_off\"\n*?\t\0 ü') OR 1=1 --"


def ask(server: str, statement: str) -> str:
    with urllib.request.urlopen(server, data=statement.encode(), timeout=60) as answer:
        return answer.read().decode()


def test_the_query_of_an_alert_finds_what_was_counted(clickhouse: str, names) -> None:
    rules = rules_of(
        {
            "name": "nasty",
            "kind": "count",
            "threshold": 2,
            "window": "60s",
            "match": {"message": ["*50%_OFF*", "nothing"], "tags.o'clock": "e?-*", "level": "error", "release": "1.*"},
        }
    )
    right = Occurrence(
        project=NASTY, environment=NASTY, message=NASTY, release="1.0", tags={"o'clock": "eu-\\'1"}, event_id="right"
    )
    wrong = [
        Occurrence(**{**fields(right), "event_id": name, name: value})
        for name, value in {
            "project": "shop",
            "environment": "",
            "message": "50 off",
            "release": "2.0",
            "level": "info",
            "tags": {"o'clock": "us"},
            "fingerprint": "bb" * 16,
            "timestamp_ms": (NOON - 3600) * 1000,
        }.items()
    ]
    ask(clickhouse, f"CREATE DATABASE {names.database}")
    table = f"{names.database}.errors"
    columns = "project String, environment String, message String, release String, level String, culprit String, "
    columns += (
        "tags Map(String, String), fingerprint String, timestamp DateTime64(3, 'UTC'), event_id String, title String"
    )
    ask(clickhouse, f"CREATE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY timestamp")
    stored = [right, *wrong]
    rows = "\n".join(json.dumps({**fields(one), "timestamp": one.timestamp_ms}) for one in stored)
    ask(clickhouse, f"INSERT INTO {table} SETTINGS input_format_skip_unknown_fields = 1 FORMAT JSONEachRow\n{rows}")

    windows = Windows(rules, 0, partitions=1, allowed_lateness_s=60, table=table)
    (alert,) = windows.apply(counted(rules, right, right, *wrong), 0, NOON)
    assert alert.value == 2
    found = [json.loads(line) for line in ask(clickhouse, f"{alert.query} FORMAT JSONEachRow").splitlines()]
    assert [row["event_id"] for row in found] == ["right"]


def fields(occurrence: Occurrence) -> dict:
    return {name: getattr(occurrence, name) for name in occurrence.__struct_fields__}
