"""Nothing is lost and nothing is counted twice, whatever is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from installation import Installation, event, message

from deploy.local.clickhouse import ClickHouse

EVENTS = 12_000
GROUPS = 40
KILLS = 5

RULES = f"""
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

[worker]
batch_events = 200
flush_interval_s = 0.5
"""
"""The first rule fires only if no event is lost from a window, the second only if one is counted twice."""


def test_five_kills_of_the_worker_and_one_of_clickhouse_lose_and_double_nothing(
    kafka: str, killable_clickhouse: ClickHouse, names: Any, tmp_path: Path
) -> None:
    installation = Installation(kafka, killable_clickhouse.address, names, tmp_path)
    installation.configure(RULES)
    installation.migrate()
    sent = [event(number, group=number % GROUPS, environment="production") for number in range(EVENTS)]
    load = threading.Thread(target=_produce_slowly, args=(installation, sent))
    load.start()
    for kill in range(KILLS):
        with installation.worker() as worker:
            _wait_for_progress(installation)
            if kill == KILLS // 2:
                killable_clickhouse.kill()
                time.sleep(1)
                killable_clickhouse.start()
                time.sleep(1)
            worker.kill()
    load.join()
    with installation.worker():
        _wait_for_all(installation)

    _assert_exact(installation, sent)


def test_kills_of_a_process_of_the_stages_end_the_worker_and_lose_and_double_nothing(
    installation: Installation,
) -> None:
    """Whoever supervises the worker starts it again, with new processes for the stages."""
    installation.configure(RULES)
    sent = [event(number, group=number % GROUPS, environment="production") for number in range(EVENTS)]
    load = threading.Thread(target=_produce_slowly, args=(installation, sent))
    load.start()
    for killed in range(2):
        with installation.worker() as worker:
            _wait_for_progress(installation)
            stages = _children(worker.process.pid)
            assert len(stages) == 2
            os.kill(stages[killed], signal.SIGKILL)
            worker.process.wait(30)
            assert worker.process.exit_code == 1
            assert "a process of the stages has ended (exit code -9)" in " ".join(worker.process.last_lines(20))
    load.join()
    with installation.worker():
        _wait_for_all(installation)
    _assert_exact(installation, sent)


def _children(parent: int | None) -> list[int]:
    """Return the processes that a process has started (proc(5), stat)."""
    found = []
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if place.name.isdigit() and int((place / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(place.name))
    return found


def test_workers_that_come_and_go_lose_and_double_nothing(installation: Installation) -> None:
    """A rebalance by a worker that joins, by one that is killed, and by one that ends in order, under load."""
    installation.configure(RULES)
    sent = [event(number, group=number % GROUPS, environment="production") for number in range(EVENTS)]
    load = threading.Thread(target=_produce_slowly, args=(installation, sent))
    with installation.worker() as first:
        load.start()
        _wait_for_progress(installation)
        with installation.worker():
            _wait_for_progress(installation)
            first.kill()
            _wait_for_progress(installation)
            with installation.worker():
                _wait_for_progress(installation)
        with installation.worker():
            load.join()
            _wait_for_all(installation)
    _assert_exact(installation, sent)


def _wait_for_progress(installation: Installation) -> None:
    before = installation.value("SELECT count() FROM errors") or 0
    installation.wait_for("some progress", lambda: (installation.value("SELECT count() FROM errors") or 0) > before)


def _wait_for_all(installation: Installation) -> None:
    """Wait for every row and alert, and a while for what must not come."""
    installation.wait_for_rows(EVENTS, seconds=90)
    installation.wait_for(
        "an alert for each issue", lambda: len(_alerts(installation, "all of them")) >= GROUPS, seconds=60
    )
    time.sleep(3)


def _assert_exact(installation: Installation, sent: list[dict[str, Any]]) -> None:
    """Assert that tables, aggregates and windows hold each event once."""
    assert Counter(row["event_id"] for row in installation.rows("SELECT event_id FROM errors")) == Counter(
        one["event_id"] for one in sent
    )
    for table in ("issues", "errors_per_minute", "errors_per_hour"):
        assert installation.value(f"SELECT sum(count) FROM {table}") == len(sent), table
    assert installation.value("SELECT sum(errors) FROM releases") == sum(bool(one.get("release")) for one in sent)
    fired = _alerts(installation, "all of them")
    assert len(fired) == len({alert["fingerprint"] for alert in fired}) == GROUPS
    assert _alerts(installation, "one too many") == []


def _produce_slowly(installation: Installation, sent: list[dict[str, Any]]) -> None:
    for start in range(0, len(sent), 400):
        installation.produce(message(one) for one in sent[start : start + 400])
        time.sleep(0.3)


def _alerts(installation: Installation, rule: str) -> list[dict[str, Any]]:
    alerts = [json.loads(record.value) for record in installation.consume("alerts")]
    return [alert for alert in alerts if alert["rule"] == rule]
