"""``sentry-sdk`` under Flask, FastAPI and Django, by nothing but a DSN: found in ClickHouse by SQL."""

from __future__ import annotations

import json

import pytest
from stack import Stack

ERROR = """
    SELECT release, environment, level, platform, handled, title, culprit, transaction, exception_types,
        exception_values, frames_function[-1] AS last_function, frames_in_app[-1] AS last_in_app, user_id,
        user_hash != 0 AS counted, tags, JSONExtractRaw(contexts, 'basket') AS basket, request_method, trace_id, span_id
    FROM errors WHERE project = '{project}' AND environment = 'production'
"""
TRANSACTION = """
    SELECT release, environment, platform, op, status, user_id, tags['region'] AS region, trace_id, span_id
    FROM spans WHERE project = '{project}' AND environment = 'production' AND is_transaction
        AND transaction = '{transaction}'
"""

EXPECTED = {
    "flask": {
        "release": "shop@1.4.2",
        "title": "LookupError: no such order",
        "transaction": "order",
        "exception_types": ["KeyError", "LookupError"],
        "exception_values": ["3", "no such order"],
        "user_id": "user-7",
        "tags": {"region": "eu"},
        "basket": {"items": 3},
    },
    "fastapi": {
        "release": "shop@2.0.0",
        "title": "ZeroDivisionError: integer division or modulo by zero",
        "transaction": "/orders/{number}",
        "exception_types": ["ZeroDivisionError"],
        "exception_values": ["integer division or modulo by zero"],
        "user_id": "user-8",
        "tags": {"region": "us"},
        "basket": {"items": 4},
    },
    "django": {
        "release": "shop@3.1.0",
        "title": "PermissionError: not your order",
        "transaction": "/orders/{number}/",
        "exception_types": ["PermissionError"],
        "exception_values": ["not your order"],
        "user_id": "user-9",
        "tags": {"region": "ap"},
        "basket": {"items": 5},
    },
}


@pytest.mark.parametrize("framework", EXPECTED)
def test_an_error_and_its_request_are_found(
    framework: str, stack: Stack, flask: None, fastapi: None, django: None
) -> None:
    """The error has everything that was set on it, and the trace of the request that failed."""
    expected = EXPECTED[framework]
    error = stack.one(ERROR.format(project=framework))
    request_span = stack.one(TRANSACTION.format(project=framework, transaction=expected["transaction"]))
    assert error.pop("trace_id") == request_span.pop("trace_id") != ""
    # Django's error belongs to the span of the signal that told the SDK of it.
    assert (error.pop("span_id") == request_span.pop("span_id")) is (framework != "django")
    assert {**error, "basket": json.loads(error["basket"])} == {
        **expected,
        "environment": "production",
        "level": "error",
        "platform": "python",
        "handled": False,
        "culprit": expected["transaction"],
        "last_function": "order",
        "last_in_app": True,
        "counted": 1,
        "request_method": "GET",
    }
    assert request_span == {
        "release": expected["release"],
        "environment": "production",
        "platform": "python",
        "op": "http.server",
        "status": "internal_error",
        "user_id": expected["user_id"],
        "region": expected["tags"]["region"],
    }


def test_what_a_program_measures_itself_is_a_span_of_its_request(stack: Stack, fastapi: None) -> None:
    query = stack.one("SELECT description, segment_id, transaction FROM spans WHERE op = 'db.query'")
    root = stack.one(TRANSACTION.format(project="fastapi", transaction="/orders/{number}"))
    assert query == {
        "description": "SELECT price FROM orders",
        "segment_id": root["span_id"],
        "transaction": "/orders/{number}",
    }


def test_a_persons_address_is_scrubbed_and_the_person_still_counted(stack: Stack, fastapi: None) -> None:
    """The id stays, the e-mail address of the same user goes, also out of the lines of source beside the failure."""
    (payload,) = stack.one("SELECT payload FROM errors WHERE project = 'fastapi'").values()
    assert json.loads(payload)["user"] == {"id": "user-8", "email": "[email]"}
    assert "ada@example.com" not in payload


def test_development_is_kept_apart_from_production(stack: Stack, flask: None) -> None:
    """One issue, counted by environment, and a query for production sees no event of a developer's."""
    errors = stack.found(3, "SELECT environment, fingerprint FROM errors WHERE project = 'flask'")
    assert sorted(row["environment"] for row in errors) == ["development", "development", "production"]
    assert len({row["fingerprint"] for row in errors}) == 1
    counted = [{"environment": "development", "events": 2}, {"environment": "production", "events": 1}]
    trend = "SELECT environment, events FROM errors_trend WHERE project = 'flask' ORDER BY environment"
    assert stack.eventually(counted, trend) == counted
    issue = [{"events": 3, "users_affected": 1, "environments": ["development", "production"]}]
    issues = "SELECT events, users_affected, environments FROM open_issues WHERE project = 'flask'"
    assert stack.eventually(issue, issues) == issue
