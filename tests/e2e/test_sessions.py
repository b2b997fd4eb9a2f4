"""Sessions and feedback of real clients: found in ClickHouse by SQL."""

from __future__ import annotations

from typing import Any

import pytest
from stack import Stack

HEALTH = """
    SELECT environment, release, sessions_total AS total, sessions_errored AS errored, sessions_crashed AS crashed
    FROM release_health WHERE project = '{project}' ORDER BY environment
"""


def health(release: str, total: int, errored: int, crashed: int, environment: str = "production") -> dict[str, Any]:
    """Return a row of HEALTH."""
    return {"environment": environment, "release": release, "total": total, "errored": errored, "crashed": crashed}


@pytest.mark.parametrize(("project", "release"), [("fastapi", "shop@2.0.0"), ("django", "shop@3.1.0")])
def test_a_python_server_counts_a_session_for_each_request(
    project: str, release: str, stack: Stack, fastapi: None, django: None
) -> None:
    """One request was answered and one crashed; they were counted by the server and sent as it ended."""
    expected = [health(release, 2, 0, 1)]
    assert stack.eventually(expected, HEALTH.format(project=project)) == expected


def test_the_sessions_of_development_are_counted_apart(stack: Stack, flask: None) -> None:
    expected = [health("shop@1.4.2", 3, 0, 2, environment="development"), health("shop@1.4.2", 2, 0, 1)]
    assert stack.eventually(expected, HEALTH.format(project="flask")) == expected


def test_express_counts_a_session_for_each_request(stack: Stack, express: None) -> None:
    expected = [health("shop@2.3.1", 2, 0, 1)]
    assert stack.eventually(expected, HEALTH.format(project="express")) == expected


def test_a_node_process_is_a_session(stack: Stack, sockets: None) -> None:
    """It handled its error, and ended in order."""
    expected = [health("shop@2.3.1", 1, 1, 0)]
    assert stack.eventually(expected, HEALTH.format(project="sockets")) == expected


def test_a_visit_is_a_session_that_an_uncaught_error_marks(stack: Stack, web: str) -> None:
    """It began as ``ok``; the page went on after the error, so it did not crash."""
    session = stack.one(
        "SELECT last_status, error_count, environment, release, user != 0 AS has_user FROM sessions_now "
        "WHERE project = 'web' AND last_status != 'ok'"
    )
    assert session == {
        "last_status": "unhandled",
        "error_count": 1,
        "environment": "production",
        "release": "shop-web@3.0.0",
        "has_user": 1,
    }
    expected = [health("shop-web@3.0.0", 1, 1, 0)]
    assert stack.eventually(expected, HEALTH.format(project="web")) == expected


def test_feedback_is_stored_with_its_user(stack: Stack, web: str) -> None:
    feedback = stack.one(
        "SELECT message, release, environment, platform, user_id, user_hash != 0 AS counted FROM feedback "
        "WHERE project = 'web'"
    )
    assert feedback == {
        "message": "the basket is broken",
        "release": "shop-web@3.0.0",
        "environment": "production",
        "platform": "javascript",
        "user_id": "user-11",
        "counted": 1,
    }
