"""A noisy issue does not drown the rest: few of its events are stored, all are counted, whatever is killed."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from typing import Any

from installation import Installation, event, message

EVENTS = 8_000
NOISY = "Failure0"
QUIET = 20
WHOLE = 50
KILLS = 2

SETTINGS = f"""
[storage]
whole_per_issue_and_minute = {WHOLE}
then_one_in = 50

[worker]
batch_events = 400
linger_ms = 100
flush_interval_s = 0.5

[[rule]]
name = "all of them"
kind = "count"
threshold = {EVENTS}
window = "1h"
by = "all"

[[rule]]
name = "one too many"
kind = "count"
threshold = {EVENTS + 1}
window = "1h"
by = "all"

[[rule]]
name = "new issue"
kind = "new_issue"
"""

SUMS = """
SELECT fingerprint, release, toUnixTimestamp({minute}) AS at, {events} AS events, {users} AS users,
       toUnixTimestamp64Milli({first}) AS first, toUnixTimestamp64Milli({last}) AS last
FROM {table} GROUP BY fingerprint, release, at
"""
IN_ERRORS = SUMS.format(
    table="errors",
    minute="toStartOfMinute(timestamp)",
    events="sum(sample_weight)",
    users="uniqArray(users)",
    first="min(timestamp)",
    last="max(timestamp)",
)
IN_MINUTES = SUMS.format(
    table="errors_per_minute",
    minute="minute",
    events="sum(count)",
    users="uniqMerge(users)",
    first="min(first_seen)",
    last="max(last_seen)",
)


def test_few_events_of_a_noisy_issue_are_stored_and_every_count_is_right(installation: Installation) -> None:
    """By issue, release and minute: events, users, first and last time, with workers killed in the middle."""
    installation.configure(SETTINGS)
    sent = _events()
    load = threading.Thread(target=_produce_slowly, args=(installation, sent))
    load.start()
    for _ in range(KILLS):
        with installation.worker() as worker:
            _wait_for_progress(installation)
            worker.kill()
    load.join()
    with installation.worker():
        installation.wait_for("every event counted", lambda: _counted(installation) >= EVENTS, seconds=90)
        installation.wait_for("the alert", lambda: bool(_alerts(installation, "all of them")), seconds=60)
        time.sleep(2)

    expected = _expected(sent)
    assert _sums(installation, IN_ERRORS) == expected
    assert _sums(installation, IN_MINUTES) == expected
    assert installation.value("SELECT sum(count) FROM errors_per_hour") == EVENTS
    issues = installation.rows("SELECT title, events, users_affected FROM open_issues")
    assert {(_type(row["title"]), row["events"], row["users_affected"]) for row in issues} == _issues(sent)

    rows = installation.rows("SELECT title, count() AS n FROM errors GROUP BY title")
    stored = {_type(row["title"]): row["n"] for row in rows}
    noisy = sum(one["exception"]["values"][-1]["type"] == NOISY for one in sent)
    assert 2 * WHOLE <= stored.pop(NOISY) < noisy / 4
    assert sum(stored.values()) == EVENTS - noisy

    assert _alerts(installation, "one too many") == []
    named = {event_id for alert in _alerts(installation, "") for event_id in alert["event_ids"]}
    there = {row["event_id"] for row in installation.rows("SELECT event_id FROM errors")}
    assert named
    assert named <= there


def _events() -> list[dict[str, Any]]:
    """Return events of this minute and the one before, nine tenths of them of one issue."""
    start = time.time() // 60 * 60 - 60
    return [
        event(
            number,
            group=0 if number % 10 else 1 + number // 10 % QUIET,
            environment="production",
            release=f"shop@{number % 3}",
            timestamp=round(start + number * 119 / EVENTS, 3),
        )
        for number in range(EVENTS)
    ]


def _expected(sent: list[dict[str, Any]]) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    cells: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for one in sent:
        minute = int(one["timestamp"] // 60 * 60)
        cells[one["exception"]["values"][-1]["type"], one["release"], minute].append(one)
    return {
        cell: (
            len(of),
            len({one["user"]["id"] for one in of}),
            min(_milliseconds(one) for one in of),
            max(_milliseconds(one) for one in of),
        )
        for cell, of in cells.items()
    }


def _issues(sent: list[dict[str, Any]]) -> set[tuple[str, int, int]]:
    issues: dict[str, list[str]] = defaultdict(list)
    for one in sent:
        issues[one["exception"]["values"][-1]["type"]].append(one["user"]["id"])
    return {(name, len(users), len(set(users))) for name, users in issues.items()}


def _milliseconds(one: dict[str, Any]) -> int:
    return int(one["timestamp"] * 1000)


def _sums(installation: Installation, statement: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    titles = {row["fingerprint"]: row["title"] for row in installation.rows("SELECT fingerprint, title FROM errors")}
    return {
        (_type(titles[row["fingerprint"]]), row["release"], row["at"]): (
            row["events"],
            row["users"],
            row["first"],
            row["last"],
        )
        for row in installation.rows(statement)
    }


def _type(title: str) -> str:
    return title.partition(":")[0]


def _counted(installation: Installation) -> float:
    return installation.value("SELECT sum(sample_weight) AS n FROM errors") or 0


def _wait_for_progress(installation: Installation) -> None:
    before = _counted(installation)
    installation.wait_for("some progress", lambda: _counted(installation) > before)


def _produce_slowly(installation: Installation, sent: list[dict[str, Any]]) -> None:
    for start in range(0, len(sent), 800):
        installation.produce(message(one) for one in sent[start : start + 800])
        time.sleep(0.3)


def _alerts(installation: Installation, rule: str) -> list[dict[str, Any]]:
    alerts = [json.loads(record.value) for record in installation.consume("alerts")]
    return [alert for alert in alerts if rule in ("", alert["rule"])]
