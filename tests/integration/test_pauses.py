"""A worker that is paused for longer than the session timeout comes back to partitions that are another's by then."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

from installation import Installation, event, message

EVENTS, BEFORE = 3_000, 2_000
GROUPS = 20

RULES = f"""
[worker]
batch_events = 10
batches_in_flight = 4
flush_interval_s = 0.5

[[rule]]
name = "all of them"
kind = "count"
threshold = {EVENTS // GROUPS}
window = "1h"
by = "issue"

[[rule]]
name = "one too many"
kind = "count"
threshold = {EVENTS // GROUPS + 1}
window = "1h"
by = "issue"
"""
"""The first rule fires only if no event is lost from a window, the second only if one is counted twice."""


def test_a_worker_that_was_paused_while_another_took_over_doubles_nothing(installation: Installation) -> None:
    installation.configure(RULES)
    sent = [event(number, group=number % GROUPS, environment="production") for number in range(EVENTS)]
    with installation.worker() as paused:
        assert paused.process.pid is not None
        # Its fetches are full of events when it is stopped: it has more to begin the moment it goes on.
        installation.produce(message(one) for one in sent[:BEFORE])
        installation.wait_for_rows(200)
        os.killpg(paused.process.pid, signal.SIGSTOP)
        assert installation.value("SELECT count() FROM errors") < BEFORE
        # Batches that end elsewhere: those of the other worker would not be recognised as the same.
        configured = installation.config.read_text(encoding="utf-8")
        installation.config.write_text(configured.replace("batch_events = 10", "batch_events = 170"), encoding="utf-8")
        with installation.worker():
            installation.wait_for_rows(BEFORE)
            os.killpg(paused.process.pid, signal.SIGCONT)
            # It joins again, and what both have is handed on once more.
            installation.produce(message(one) for one in sent[BEFORE:])
            installation.wait_for_rows(EVENTS)
            installation.wait_for("all alerts", lambda: len(_alerts(installation, "all of them")) >= GROUPS)

    assert Counter(row["event_id"] for row in installation.rows("SELECT event_id FROM errors")) == Counter(
        one["event_id"] for one in sent
    )
    for table in ("issues", "errors_per_minute", "errors_per_hour"):
        assert installation.value(f"SELECT sum(count) FROM {table}") == EVENTS, table
    fired = {alert["fingerprint"] for alert in _alerts(installation, "all of them")}
    assert len(fired) == GROUPS
    assert _alerts(installation, "one too many") == []


def _alerts(installation: Installation, rule: str) -> list[dict[str, Any]]:
    alerts = [json.loads(record.value) for record in installation.consume("alerts")]
    return [alert for alert in alerts if alert["rule"] == rule]
