"""Alerts of the topic as rows; what is none is buried."""

from __future__ import annotations

from typing import Any

from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.store.migrate import migrate_clickhouse
from pipeline.tables.alerts import ALERT_COLUMNS, ALERTS_TABLE, alert_ids, alert_rows
from pipeline.tables.each import Each
from schemas.alert import decode_alert
from tests.records import EXAMPLES, Message, batch_of

ALERTS = [path.read_bytes() for path in sorted((EXAMPLES / "alerts").glob("*.json"))]
EACH = Each((ALERTS_TABLE,), alert_rows)


def messages(*values: bytes | None) -> list[Message]:
    return [Message(value, offset, topic="alerts") for offset, value in enumerate(values)]


def test_an_alert_is_a_row_and_anything_else_a_dead_letter() -> None:
    outcome = EACH.process(batch_of(*messages(ALERTS[0], b"hunter2", None, ALERTS[1]), topic="alerts"))
    rows = [dict(zip(ALERT_COLUMNS, row, strict=True)) for row in outcome.rows["alerts"]]
    assert [row["kafka_offset"] for row in rows] == [0, 3]
    first = decode_alert(ALERTS[0])
    assert (rows[0]["id"], rows[0]["state"]) == (first.id, first.state)
    assert rows[0]["window_start"] == round(first.window_start.timestamp() * 1000)
    assert [(letter.offset, letter.stage) for _, letter in outcome.dead] == [(1, "decode"), (2, "decode")]
    assert "hunter2" not in outcome.dead[0][1].reason


def test_ids_are_those_of_alerts() -> None:
    assert alert_ids([ALERTS[0], b"", b"{}", ALERTS[1]]) == [decode_alert(raw).id for raw in ALERTS[:2]]


def test_clickhouse_takes_every_example_once(clickhouse: str, names: Any) -> None:
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_clickhouse(server, RetentionSettings(alerts_days=3650), lambda _line: None)
    rows = EACH.process(batch_of(*messages(*ALERTS), topic="alerts")).rows["alerts"]
    for _ in range(2):
        server.insert("alerts", ALERT_COLUMNS, Encoder().encode_lines(rows), "alerts/0")
    stored = server.rows("SELECT id, toUnixTimestamp64Milli(created_at) AS at, event_ids FROM alerts ORDER BY id")
    alerts = sorted((decode_alert(raw) for raw in ALERTS), key=lambda alert: alert.id)
    assert [row["id"] for row in stored] == [alert.id for alert in alerts]
    assert [row["at"] for row in stored] == [round(alert.created_at.timestamp() * 1000) for alert in alerts]
