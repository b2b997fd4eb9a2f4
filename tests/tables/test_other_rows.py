"""Logs, check-ins, feedback and outcomes become rows without personal data; what cannot is a dead letter."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from pipeline.inbound import Inbound
from pipeline.inbound.settings import FilterSettings, InboundPolicy, SampleSettings
from pipeline.payload.identity import user_hash
from pipeline.scrub import Policy, Scrubber
from pipeline.tables.check_ins import CHECK_IN_COLUMNS, CheckInRows
from pipeline.tables.each import Each, MakeRows
from pipeline.tables.feedback import FEEDBACK_COLUMNS, FeedbackRows
from pipeline.tables.logs import LOG_COLUMNS, LogRows
from pipeline.tables.outcomes import OUTCOME_COLUMNS, outcome_rows
from pipeline.tables.result import BatchResult
from pipeline.tables.sessions import SESSION_COLUMNS, SessionRows
from schemas.event import User
from tests.records import EXAMPLES, NOON_MS, Message, batch_of, message

KEY = b"a key for tests"
SCRUBBER = Scrubber(Policy())
MAKERS: dict[str, tuple[MakeRows, tuple[str, ...]]] = {
    "logs": (LogRows(SCRUBBER, KEY), LOG_COLUMNS),
    "check_ins": (CheckInRows(SCRUBBER), CHECK_IN_COLUMNS),
    "feedback": (FeedbackRows(SCRUBBER, KEY), FEEDBACK_COLUMNS),
    "outcomes": (outcome_rows, OUTCOME_COLUMNS),
}


def process(table: str, *payloads: Any) -> BatchResult:
    topic = table.replace("_", "-")
    messages: list[Message] = [
        message(payload, offset, topic=topic, headers=[("project", b"shop")]) for offset, payload in enumerate(payloads)
    ]
    return Each((table,), MAKERS[table][0], now_ms=lambda: NOON_MS).process(batch_of(*messages, topic=topic))


def rows(table: str, *payloads: Any) -> list[dict[str, Any]]:
    outcome = process(table, *payloads)
    assert outcome.dead == []
    return [dict(zip(MAKERS[table][1], row, strict=True)) for row in outcome.rows[table]]


def example(path: str) -> Any:
    return json.loads((EXAMPLES / path).read_bytes())


def test_a_log_is_one_row_with_its_attributes() -> None:
    (row,) = rows("logs", example("logs/python-log.json"))
    assert (row["project"], row["environment"], row["release"]) == ("shop", "production", "shop@1.4.2")
    assert (row["level"], row["severity_number"], row["timestamp"]) == ("warn", 13, NOON_MS + 250)
    assert row["body"] == "payment of order 4711 took 3.2 s"
    assert row["template"] == "payment of order %s took %s s"
    assert (row["span_id"], row["sdk_name"], row["user_id"]) == ("b0e6f15b45c36b12", "sentry.python", "4711")
    assert row["user_hash"] == user_hash(User(id="4711"), "shop", KEY)
    assert row["attributes"] == {"took": "3.2"}


def test_personal_data_in_a_log_is_scrubbed_and_counted() -> None:
    attributes = {
        "user.email": {"value": "jane@example.com", "type": "string"},
        "user.name": {"value": "Jane Doe", "type": "string"},
        "password": {"value": "hunter22", "type": "string"},
        "note": {"value": "card 4111111111111111", "type": "string"},
        "list": {"value": ["a", 1], "type": "array"},
        "none": None,
    }
    (row,) = rows("logs", {"body": "mail jane@example.com", "attributes": attributes})
    text = json.dumps(row)
    for secret in ("jane", "Jane", "hunter22", "4111"):
        assert secret not in text
    assert row["body"] == "mail [email]"
    assert row["attributes"]["list"] == '["a", 1]'
    assert sum(row["scrubbed"].values()) >= 4
    assert row["user_hash"] == user_hash(User(email="jane@example.com"), "shop", KEY) != 0


@pytest.mark.parametrize(
    ("sent", "level"),
    [
        ({"level": "WARNING"}, "warn"),
        ({"severity_number": 9}, "info"),
        ({"severity_number": 24}, "fatal"),
        ({"severity_number": 1}, "trace"),
        ({"severity_number": 99, "level": "loud"}, "info"),
        ({}, "info"),
    ],
)
def test_the_level_of_a_log_is_one_of_six(sent: dict[str, Any], level: str) -> None:
    (row,) = rows("logs", {"body": "x", **sent})
    assert row["level"] == level


def test_a_check_in_is_one_row_and_keeps_its_schedule() -> None:
    (row,) = rows("check_ins", example("check-ins/cron-end.json"))
    assert (row["monitor"], row["status"], row["duration_s"]) == ("nightly-export", "ok", 12.5)
    assert row["check_in_id"] == "83a7c03ed0a04e1b97e2e3b18d38f244"
    assert json.loads(row["monitor_config"])["schedule"]["value"] == "0 3 * * *"
    assert row["trace_id"] == "8f431b7aa08441bbbd5a0100fd91f9fe"


def test_check_ins_that_name_no_run_are_runs_of_their_own() -> None:
    check_in = {"monitor_slug": "export", "status": "ok"}
    found = rows("check_ins", check_in, check_in, {**check_in, "check_in_id": "0" * 32})
    assert len({row["check_in_id"] for row in found}) == 3


def test_feedback_is_scrubbed_and_its_author_only_counted() -> None:
    (row,) = rows("feedback", example("feedback/browser-feedback.json"))
    assert row["message"] == "The cart is empty after I pay. Write to [email]!"
    assert (row["user_id"], row["user_hash"]) == ("4711", user_hash(User(id="4711"), "shop", KEY))
    assert row["associated_event_id"] == "32d19d58fbb14e1ba6ab0ec2d34e9ad4"
    assert (row["source"], row["url"]) == ("widget", "https://shop.example.com/cart")
    assert "jane" not in json.dumps(row).lower()


def test_a_user_report_is_feedback_about_its_event() -> None:
    (row,) = rows("feedback", example("feedback/user-report.json"))
    assert row["message"] == "It broke when I paid."
    assert row["associated_event_id"] == "32d19d58fbb14e1ba6ab0ec2d34e9ad4" != row["event_id"]
    assert row["source"] == "user_report"
    assert row["user_hash"] == user_hash(User(email="jane@example.com"), "shop", KEY)
    assert "jane" not in json.dumps(row).lower()


def test_outcomes_are_one_row_a_count() -> None:
    found = rows("outcomes", example("outcomes/dropped.json"))
    assert [(row["category"], row["reason"], row["quantity"]) for row in found] == [
        ("error", "rate_limited", 120),
        ("replay", "no_topic", 2),
        ("error", "client_before_send", 7),
    ]
    assert {(row["project"], row["key"], row["time"]) for row in found} == {("shop", "01234567", NOON_MS + 1000)}


@pytest.mark.parametrize("table", MAKERS)
def test_what_is_not_in_the_contracts_form_is_a_dead_letter(table: str) -> None:
    wrong: list[Any] = [b"", b"secret", b'"secret"', {"body": ["secret"], "comments": 1, "status": {}, "counts": "x"}]
    outcome = process(table, *wrong)
    assert [record.offset for record, _ in outcome.dead] == [0, 1, 2, 3]
    for _, letter in outcome.dead:
        assert "secret" not in letter.reason
        assert (letter.stage, letter.project) == ("decode", "shop")


def test_check_ins_and_feedback_that_say_nothing_are_dead_letters() -> None:
    for table, payload in (
        ("check_ins", {"monitor_slug": " ", "status": "ok"}),
        ("check_ins", {"monitor_slug": "export", "status": "secret"}),
        ("feedback", {"comments": " "}),
        ("feedback", {"contexts": {"feedback": {"name": "Jane"}}}),
    ):
        ((_, letter),) = process(table, payload).dead
        assert letter.stage == "rows"
        assert "secret" not in letter.reason


def test_logs_and_sessions_are_filtered_and_sampled_like_events() -> None:
    """What comes straight from Kafka; with a weight it was sampled by a gateway, and is only filtered."""
    policy = InboundPolicy(FilterSettings(environments=("dev*",)), (), (SampleSettings(rate=0.25),))
    inbound = Inbound(policy)
    makers: dict[str, tuple[MakeRows, Any]] = {
        "logs": (
            LogRows(SCRUBBER, KEY, inbound),
            lambda number, environment: {
                "trace_id": f"{number:032x}",
                "body": "x",
                "attributes": {"sentry.environment": {"value": environment, "type": "string"}},
            },
        ),
        "sessions": (
            SessionRows(KEY, inbound),
            lambda number, environment: {"sid": f"{number:032x}", "attrs": {"environment": environment}},
        ),
    }
    for table, (make, payload) in makers.items():
        each = Each((table,), make, now_ms=lambda: NOON_MS)
        fresh = [message(payload(number, "production"), number, topic=table) for number in range(200)]
        weighed = [
            message(payload(number, "production"), 200 + number, topic=table, headers=[("weight", b"3")])
            for number in range(50)
        ]
        filtered = [message(payload(1, "development"), 300, topic=table)]
        outcome = each.process(batch_of(*fresh, *weighed, *filtered, topic=table))
        column = (LOG_COLUMNS if table == "logs" else SESSION_COLUMNS).index("sample_weight")
        weights = Counter(row[column] for row in outcome.rows[table])
        assert weights[3] == 50
        assert 20 < weights[4] < 90
        assert outcome.filtered == {"environments": 1, "sampled": 200 - weights[4]}
        category = "log_item" if table == "logs" else "session"
        assert {row[2:4]: row[5] for row in outcome.rows["outcomes"]} == {
            (category, "filtered:environments"): 1,
            (category, "sampled"): 200 - weights[4],
        }
        assert {row[4:5] + row[6:] for row in outcome.rows["outcomes"]} == {(NOON_MS, 0, 300)}
        assert outcome.dead == []
