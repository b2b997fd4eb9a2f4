"""The main job: what is sent is there once, in tables, aggregates and windows, and the alerts are right."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from installation import Installation, event, message

from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.ports import free_port
from deploy.local.worker import Worker

EVENTS = 10_000
GROUPS = 50

RULES = """
[[rule]]
name = "new issue"
kind = "new_issue"

[[rule]]
name = "a hundred in an hour"
kind = "count"
threshold = 100
window = "1h"
by = "issue"

[[rule]]
name = "everything"
kind = "count"
threshold = 9999
window = "1h"
by = "all"
match = { environment = "production" }
"""


def test_ten_thousand_events_are_ten_thousand_rows_with_right_counts_and_alerts(installation: Installation) -> None:
    _main_job(installation)


def test_the_same_on_the_embedded_broker(clickhouse: str, names: Any, tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "kafka", port=free_port(), log=tmp_path / "broker.log")
    with broker:
        installation = Installation(broker.address, clickhouse, names, tmp_path)
        installation.migrate()
        _main_job(installation)


def _main_job(installation: Installation) -> None:
    installation.configure(RULES)
    sent = [event(number, group=number % GROUPS, environment="production") for number in range(EVENTS)]
    with installation.worker() as worker:
        installation.produce(message(one) for one in sent)
        installation.wait_for_rows(EVENTS)
        installation.wait_for("all alerts on the topic", lambda: len(installation.consume("alerts")) >= 2 * GROUPS + 1)
        installation.wait_for_rows(2 * GROUPS + 1, "alerts")
        installation.wait_for("every offset committed", lambda: _everything_committed(worker))

    ids = {row["event_id"] for row in installation.rows("SELECT event_id FROM errors")}
    assert ids == {one["event_id"] for one in sent}
    assert installation.value("SELECT count() FROM errors") == EVENTS
    per_issue = installation.rows(
        "SELECT title, sum(count) AS events, uniqMerge(users) AS users, min(first_seen) AS first FROM issues "
        "GROUP BY title, fingerprint"
    )
    assert len(per_issue) == GROUPS
    assert {row["events"] for row in per_issue} == {EVENTS / GROUPS}
    assert {row["users"] for row in per_issue} == {2}
    for table in ("errors_per_minute", "errors_per_hour"):
        assert installation.value(f"SELECT sum(count) FROM {table}") == EVENTS

    alerts = [json.loads(record.value) for record in installation.consume("alerts")]
    assert Counter((alert["rule"], alert["state"]) for alert in alerts) == {
        ("new issue", "firing"): GROUPS,
        ("a hundred in an hour", "firing"): GROUPS,
        ("everything", "firing"): 1,
    }
    assert len({alert["id"] for alert in alerts}) == len(alerts)
    assert {alert["fingerprint"] for alert in alerts if alert["rule"] == "new issue"} == {
        row["fingerprint"] for row in installation.rows("SELECT DISTINCT fingerprint FROM errors")
    }


def _everything_committed(worker: Worker) -> bool:
    with urllib.request.urlopen(f"{worker.address}/health/ready", timeout=10) as answer:
        return not any(json.load(answer)["lag"].values())


def test_transactions_and_spans_are_stored_and_counted(installation: Installation) -> None:
    transactions = [
        {
            "type": "transaction",
            "event_id": f"{number:032x}",
            "transaction": "GET /cart",
            "start_timestamp": 1_000_000_000 + number,
            "timestamp": 1_000_000_000 + number + number / 1000,
            "contexts": {"trace": {"trace_id": "a" * 32, "span_id": "b" * 16, "op": "http.server", "status": "ok"}},
            "spans": [
                {
                    "span_id": f"{number:016x}",
                    "parent_span_id": "b" * 16,
                    "trace_id": "a" * 32,
                    "op": "db",
                    "description": "SELECT 1",
                    "start_timestamp": 1_000_000_000,
                    "timestamp": 1_000_000_000.25,
                }
            ],
        }
        for number in range(100)
    ]
    with installation.worker():
        installation.produce(message(one, "spans") for one in transactions)
        installation.wait_for_rows(200, "spans")
    (row,) = installation.rows("SELECT transaction, transactions, p50_ms, p95_ms, p99_ms FROM slowest_transactions")
    assert row["transaction"] == "GET /cart"
    assert row["transactions"] == 100
    assert 48 <= row["p50_ms"] <= 51
    assert 93 <= row["p95_ms"] <= 96
    assert installation.value("SELECT avg(duration_ms) FROM spans WHERE op = 'db'") == 250
