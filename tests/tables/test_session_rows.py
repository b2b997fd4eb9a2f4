"""Sessions become rows that say which of two updates is later, and nothing of who it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.payload.identity import user_hash
from pipeline.store.migrate import migrate_clickhouse
from pipeline.tables.each import Each
from pipeline.tables.result import BatchResult
from pipeline.tables.sessions import (
    SESSION_AGGREGATE_COLUMNS,
    SESSION_COLUMNS,
    SessionRows,
    latest,
)
from schemas.event import User
from tests.records import EXAMPLES, NOON_MS, Message, batch_of, message

KEY = b"a key for tests"
SID = "5b1c6c1e2b1c4b6a9d0a0f8f0c8d7e61"
NOON_S = NOON_MS / 1000


def process(*messages: Message) -> BatchResult:
    each = Each(("sessions", "session_aggregates"), SessionRows(KEY), now_ms=lambda: NOON_MS)
    return each.process(batch_of(*messages, topic="sessions"))


def sent(payload: Any, offset: int = 0) -> Message:
    return message(payload, offset, topic="sessions", headers=[("project", b"shop")])


def update(**fields: Any) -> dict[str, Any]:
    attributes = {"release": "shop@1.0", "environment": "staging"}
    return {"sid": SID, "started": NOON_S - 60, "timestamp": NOON_S, "status": "ok", "attrs": attributes, **fields}


def row(payload: Any) -> dict[str, Any]:
    (found,) = process(sent(payload)).rows["sessions"]
    return dict(zip(SESSION_COLUMNS, found, strict=True))


def test_an_update_is_one_row_with_its_state() -> None:
    found = row(update(did="4711", init=True, errors=2, duration=1.5, status="exited"))
    assert found["project"] == "shop"
    assert (found["environment"], found["release"], found["session_id"]) == ("staging", "shop@1.0", SID)
    assert (found["started"], found["timestamp"]) == (NOON_MS - 60_000, NOON_MS)
    assert (found["status"], found["errors"], found["duration_s"], found["init"]) == ("exited", 2, 1.5, True)


def test_a_bucket_is_one_row_with_its_counts() -> None:
    buckets = [{"started": NOON_S, "exited": 3, "errored": 2, "crashed": 1}, {"started": NOON_S, "did": "4711"}]
    outcome = process(sent({"aggregates": buckets, "attrs": {"release": "shop@1.0"}}))
    first, second = (
        dict(zip(SESSION_AGGREGATE_COLUMNS, found, strict=True)) for found in outcome.rows["session_aggregates"]
    )
    assert (first["exited"], first["errored"], first["abnormal"], first["crashed"]) == (3, 2, 0, 1)
    assert (first["environment"], first["user_hash"]) == ("production", 0)
    assert second["user_hash"] == user_hash(User(id="4711"), "shop", KEY)


@pytest.mark.parametrize(
    ("did", "user"),
    [
        ("4711", User(id="4711")),
        (4711, User(id="4711")),
        ("jane@example.com", User(email="jane@example.com")),
        ("203.0.113.9", User(ip_address="203.0.113.9")),
        ("2001:db8::1", User(ip_address="2001:db8::1")),
    ],
)
def test_the_user_has_the_hash_that_errors_of_the_same_user_have(did: Any, user: User) -> None:
    found = row(update(did=did))
    assert found["user_hash"] == user_hash(user, "shop", KEY) != 0
    assert str(did) not in json.dumps(found)


def test_a_session_that_is_named_after_somebody_is_stored_under_a_hash() -> None:
    found = row(update(sid="jane@example.com"))
    assert found["session_id"] != SID
    assert "jane" not in json.dumps(found)


def test_what_is_no_session_is_a_dead_letter_and_says_nothing_of_it() -> None:
    bad = [b"", b"secret", b"[]", b'{"sid":{"a":"secret"}}', b"{}", b'{"aggregates":[{"crashed":-1}]}', b"[" * 5000]
    outcome = process(*(sent(payload, offset) for offset, payload in enumerate(bad)), sent(update(), 99))
    assert [record.offset for record, _ in outcome.dead] == list(range(len(bad)))
    assert all("secret" not in letter.reason and letter.project == "shop" for _, letter in outcome.dead)
    assert len(outcome.rows["sessions"]) == 1


def test_a_page_with_an_error_that_nobody_caught_is_no_crash() -> None:
    """Browsers say ``unhandled`` of it, and say so in the end, whatever else arrives."""
    (row,) = process(sent(update(status="unhandled", errors=1))).rows["sessions"]
    found = dict(zip(SESSION_COLUMNS, row, strict=True))
    assert (found["status"], found["errors"]) == ("unhandled", 1)
    assert latest("exited", None, 9) < latest("unhandled", None, 1) < latest("crashed", None, 1)


def test_an_end_is_later_than_whatever_goes_on() -> None:
    assert latest("ok", None, 5) < latest("ok", None, 6) < latest("exited", 0, 1) < latest("crashed", 0, 1)
    assert latest("ok", 1, 9) < latest("ok", 2, 1)
    assert latest("crashed", 2**53, 0) < 2**64


@pytest.fixture(scope="module")
def tables(clickhouse: str) -> Iterator[ClickHouse]:
    """Tables of this module's own."""
    found = ClickHouse(ClickHouseSettings(url=clickhouse, database="session_rows"))
    migrate_clickhouse(
        found, RetentionSettings(errors_days=3650, sessions_days=3650, hours_days=3650), lambda _line: None
    )
    yield found
    found.command("DROP DATABASE session_rows SYNC")


ENDS = ("ok", "exited", "unhandled", "abnormal", "crashed")


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Sessions as lists of their updates in order, and the updates as they arrive: shuffled, some of them twice."""
    sessions = []
    for number in range(draw(st.integers(1, 5))):
        errors = sorted(draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
        statuses = ["ok"] * (len(errors) - 1) + [draw(st.sampled_from(ENDS))]
        sessions.append(
            [
                update(
                    sid=f"{number:032x}",
                    did=f"user-{number % 3}",
                    init=index == 0,
                    seq=index,
                    started=NOON_S - 3600 * number,
                    timestamp=NOON_S - 3600 * number + index,
                    errors=count,
                    status=status,
                )
                for index, (count, status) in enumerate(zip(errors, statuses, strict=True))
            ]
        )
    every = [one for session in sessions for one in session]
    again = draw(st.lists(st.sampled_from(every), max_size=4))
    return sessions, draw(st.permutations(every + again))


EXAMPLE = iter(range(1_000_000))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), size=st.integers(1, 5))
def test_any_order_and_any_repetition_gives_the_same_numbers(tables: ClickHouse, history: Any, size: int) -> None:
    """What the view says follows from the sessions alone: each in one state, the last, and counted once."""
    sessions, arrived = history
    project = f"p{next(EXAMPLE)}"
    for start in range(0, len(arrived), size):
        messages = [
            message(one, start + index, headers=[("project", project.encode())])
            for index, one in enumerate(arrived[start : start + size])
        ]
        lines = b"".join(json.dumps(found).encode() + b"\n" for found in process(*messages).rows["sessions"])
        tables.insert("sessions", SESSION_COLUMNS, lines, "")
    last = [session[-1] for session in sessions]
    crashed = sum(one["status"] == "crashed" for one in last)
    abnormal = sum(one["status"] == "abnormal" for one in last)
    users = {one["did"] for one in last}
    crashed_users = {one["did"] for one in last if one["status"] == "crashed"}

    (health,) = tables.rows("SELECT * FROM release_health WHERE project = {project:String}", {"project": project})
    assert health["sessions_total"] == len(sessions)
    assert health["sessions_crashed"] == crashed
    assert health["sessions_abnormal"] == abnormal
    assert health["sessions_errored"] == sum(one["errors"] > 0 and one["status"] in ENDS[:3] for one in last)
    assert health["crash_free_sessions"] == pytest.approx(1 - crashed / len(sessions))
    assert (health["users_total"], health["users_crashed"]) == (len(users), len(crashed_users))
    now = tables.rows(
        "SELECT session_id, last_status, error_count FROM sessions_now WHERE project = {project:String}",
        {"project": project},
    )
    assert {(one["session_id"], one["last_status"], one["error_count"]) for one in now} == {
        (one["sid"], one["status"], one["errors"]) for one in last
    }


def test_the_examples_give_the_numbers_that_they_say(tables: ClickHouse) -> None:
    messages = [sent(path.read_bytes()) for path in sorted((EXAMPLES / "sessions").glob("*.json"))]
    rows = process(*messages).rows
    for table, columns in (("sessions", SESSION_COLUMNS), ("session_aggregates", SESSION_AGGREGATE_COLUMNS)):
        tables.insert(table, columns, b"".join(json.dumps(found).encode() + b"\n" for found in rows[table]), "")
    (health,) = tables.rows("SELECT * FROM release_health WHERE project = 'shop'")
    assert (health["sessions_total"], health["sessions_errored"], health["sessions_crashed"]) == (696, 3, 2)
    assert (health["users_total"], health["users_crashed"], health["crash_free_users"]) == (1, 1, 0)


def test_a_sampled_session_counts_as_often_as_its_weight_says(tables: ClickHouse) -> None:
    """Both of its updates, and one of a session that was not sampled."""
    updates = [
        (update(sid="a" * 32), b"4"),
        (update(sid="a" * 32, status="crashed"), b"4"),
        (update(sid="b" * 32), b"1"),
    ]
    messages = [
        message(payload, offset, headers=[("project", b"sampled"), ("weight", weight)])
        for offset, (payload, weight) in enumerate(updates)
    ]
    lines = b"".join(json.dumps(found).encode() + b"\n" for found in process(*messages).rows["sessions"])
    tables.insert("sessions", SESSION_COLUMNS, lines, "")
    for view in ("release_health", "release_health_per_day"):
        (health,) = tables.rows(f"SELECT * FROM {view} WHERE project = 'sampled'")
        assert (health["sessions_total"], health["sessions_crashed"]) == (5, 4)
        assert health["crash_free_sessions"] == pytest.approx(0.2)
    (release,) = tables.rows("SELECT sessions, crash_free_sessions FROM release_overview WHERE project = 'sampled'")
    assert (release["sessions"], release["crash_free_sessions"]) == (5, pytest.approx(0.2))


def test_rows_that_are_inserted_again_change_nothing_behind_any_view(tables: ClickHouse) -> None:
    """A view that reads from another view's table drops a repeated insert as well."""
    error = ["repeated", "e", "r@1", "f", NOON_MS]
    bucket = ["repeated", "e", "r@1", NOON_MS, 3]
    for _ in range(2):
        tables.insert(
            "errors",
            ("project", "environment", "release", "fingerprint", "timestamp"),
            json.dumps(error).encode(),
            "repeated/errors",
        )
        tables.insert(
            "session_aggregates",
            ("project", "environment", "release", "started", "exited"),
            json.dumps(bucket).encode(),
            "repeated/sessions",
        )
    (release,) = tables.rows("SELECT errors, sessions FROM release_overview WHERE project = 'repeated'")
    assert (release["errors"], release["sessions"]) == (1, 3)
    (parts,) = tables.rows("SELECT count() AS n FROM releases WHERE project = 'repeated'")
    assert parts["n"] <= 2
