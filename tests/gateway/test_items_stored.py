"""Every item that SDKs send is in its table afterwards, once, whatever happens to the worker meanwhile."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from installation import Installation
from test_server import send

from deploy.local.gateway import Gateway

RELEASE = {"release": "shop@2.0", "environment": "production"}


def envelope(*items: tuple[str, Any]) -> bytes:
    lines = [b"{}"]
    for kind, payload in items:
        data = json.dumps(payload).encode()
        lines += [json.dumps({"type": kind, "length": len(data)}).encode(), data]
    return b"\n".join(lines)


def session(number: int, **fields: Any) -> tuple[str, Any]:
    update = {"sid": f"{number:032x}", "did": f"user-{number % 50}", "started": time.time() - 60, "attrs": RELEASE}
    return "session", {**update, "timestamp": time.time(), "status": "ok", "errors": 0, **fields}


def test_every_kind_of_item_is_in_its_table(gateway: Gateway, installation: Installation) -> None:
    report = {"discarded_events": [{"reason": "before_send", "category": "error", "quantity": 7}]}
    run = uuid.uuid4().hex
    sent = envelope(
        session(1, init=True),
        session(1, status="crashed", errors=1),
        ("sessions", {"aggregates": [{"started": time.time(), "exited": 8, "errored": 1}], "attrs": RELEASE}),
        ("log", {"items": [{"timestamp": time.time(), "body": "paid by jane@example.com", "level": "info"}] * 2}),
        ("check_in", {"check_in_id": run, "monitor_slug": "export", "status": "in_progress"}),
        ("check_in", {"check_in_id": run, "monitor_slug": "export", "status": "ok", "duration": 3}),
        ("feedback", {"contexts": {"feedback": {"message": "broken", "contact_email": "jane@example.com"}}}),
        ("user_report", {"event_id": run, "name": "Jane Doe", "email": "jane@example.com", "comments": "broken"}),
        ("attachment", "text"),
        ("profile", {}),
        ("replay_event", {}),
        ("client_report", report),
        ("check_in", {"monitor_slug": 1}),
    )
    assert send(gateway, "/api/shop/envelope/", sent).status == 200
    assert send(gateway, "/api/shop/envelope/", b"no envelope").status == 400
    with installation.worker():
        for table, rows in (("logs", 2), ("check_ins", 2), ("feedback", 2), ("outcomes", 5), ("dead_letters", 1)):
            installation.wait_for_rows(rows, table)
        installation.wait_for_rows(1, "release_health")
        installation.wait_for_rows(1, "session_aggregates")

    (health,) = installation.rows("SELECT * FROM release_health")
    assert (health["project"], health["release"], health["sessions_total"]) == ("shop", "shop@2.0", 10)
    assert (health["sessions_crashed"], health["sessions_errored"], health["users_crashed"]) == (1, 1, 1)
    (adoption,) = installation.rows("SELECT release, session_share, user_share FROM release_adoption")
    assert (adoption["release"], adoption["session_share"], adoption["user_share"]) == ("shop@2.0", 1, 1)
    (release,) = installation.rows("SELECT project, release, environments, sessions, new_issues FROM release_overview")
    assert release == {
        "project": "shop",
        "release": "shop@2.0",
        "environments": ["production"],
        "sessions": 10,
        "new_issues": 0,
    }
    (monitor,) = installation.rows("SELECT * FROM monitor_runs")
    assert (monitor["monitor"], monitor["check_in_id"], monitor["last_status"], monitor["took_s"]) == (
        "export",
        run,
        "ok",
        3,
    )
    outcomes = installation.rows("SELECT project, category, reason, sum(quantity) AS n FROM outcomes GROUP BY ALL")
    assert {(one["project"], one["category"], one["reason"], one["n"]) for one in outcomes} == {
        ("shop", "attachment", "no_topic", 1),
        ("shop", "profile", "no_topic", 1),
        ("shop", "replay", "no_topic", 1),
        ("shop", "error", "client_before_send", 7),
        ("", "default", "invalid:malformed", 1),
    }
    (letter,) = installation.rows("SELECT kafka_topic, stage, project FROM dead_letters")
    assert (letter["kafka_topic"], letter["stage"], letter["project"]) == ("check-ins", "decode", "shop")
    for table in ("sessions", "session_aggregates", "logs", "check_ins", "feedback", "outcomes", "dead_letters"):
        for row in installation.rows(f"SELECT * FROM {table}"):
            assert "jane" not in str(row).lower()

    forgotten = installation.command("forget", "--user", "jane@example.com", "--yes")
    assert forgotten.returncode == 0, forgotten.stderr
    assert installation.value("SELECT count() FROM feedback") == 0
    assert installation.command("forget", "--user", "user-1", "--yes").returncode == 0
    assert installation.value("SELECT count() FROM sessions") == 0
    assert installation.value("SELECT count() FROM logs") == 2


def test_a_worker_that_is_killed_counts_sessions_and_outcomes_once(
    gateway: Gateway, installation: Installation
) -> None:
    """Aggregates and outcomes are sums, so whatever were done twice would show."""
    installation.configure("[worker]\nbatch_events = 50\n")
    aggregates = {"aggregates": [{"started": time.time(), "exited": 3, "crashed": 1}], "attrs": RELEASE}
    half = 300
    for part in range(2):
        for number in range(half):
            sent = envelope(session(part * half + number), ("sessions", aggregates), ("attachment", "x"))
            assert send(gateway, "/api/shop/envelope/", sent).status == 200
        with installation.worker() as worker:
            installation.wait_for_rows(part * half + 50, "session_aggregates")
            worker.kill()
    with installation.worker():
        installation.wait_for_rows(2 * half, "session_aggregates")
        installation.wait_for(
            "every session", lambda: installation.value("SELECT count() FROM sessions_now") == 2 * half
        )
        installation.wait_for(
            "every outcome", lambda: (installation.value("SELECT sum(quantity) FROM outcomes") or 0) >= 2 * half
        )
        time.sleep(1)
    (health,) = installation.rows("SELECT * FROM release_health")
    assert (health["sessions_total"], health["sessions_crashed"]) == (5 * 2 * half, 2 * half)
    assert installation.value("SELECT count() FROM session_aggregates") == 2 * half
    assert installation.value("SELECT sum(quantity) FROM outcomes") == 2 * half
