"""``@sentry/browser`` in a page whose key may send one error a minute: what it sends, keeps to itself, and reports."""

from __future__ import annotations

from typing import Any

from stack import Stack

TAKEN = {"statusCode": 200, "headers": {"x-sentry-rate-limits": None, "retry-after": None}}
KEPT: dict[str, Any] = {}
"""What the SDK's transport answers when it has not sent an event."""


def test_a_page_of_another_origin_reads_the_limit_and_when_it_ends(limited: dict[str, Any]) -> None:
    """The headers are as the SDK saw them, which a browser shows only where the answer exposes them."""
    first, second = limited["told"][:2]
    seconds = second["headers"]["retry-after"]
    assert first == TAKEN
    assert second == {
        "statusCode": 429,
        "headers": {"x-sentry-rate-limits": f"{seconds}:error:key:minute", "retry-after": seconds},
    }
    assert 0 < int(seconds) <= 60


def test_the_browser_sends_no_more_of_what_is_limited(limited: dict[str, Any]) -> None:
    _, until_refused, meanwhile, *_ = limited["sent"]
    assert until_refused == ["event", "event"]
    assert limited["told"][2:5] == [KEPT] * 3
    assert meanwhile == []


def test_the_browser_goes_on_sending_what_is_not_limited(stack: Stack, limited: dict[str, Any]) -> None:
    _, _, _, others, _ = limited["sent"]
    assert others == ["span", "feedback"]
    assert stack.one("SELECT op, release FROM spans WHERE project = 'limited' AND is_transaction AND op = 'task'") == {
        "op": "task",
        "release": "kiosk@1.0.0",
    }
    assert stack.one("SELECT message FROM feedback WHERE project = 'limited'") == {"message": "it fails"}


def test_the_browser_sends_again_when_the_limit_has_ended(stack: Stack, limited: dict[str, Any]) -> None:
    *_, afterwards = limited["sent"]
    assert afterwards == ["event"]
    assert limited["told"][5:] == [TAKEN]
    errors = stack.found(2, "SELECT title FROM errors WHERE project = 'limited' ORDER BY timestamp")
    assert errors == [{"title": "Error: failure 1"}, {"title": "Error: failure 6"}]


def test_what_the_browser_kept_to_itself_is_reported_and_what_was_refused_is_counted(
    stack: Stack, limited: dict[str, Any]
) -> None:
    """The client report comes when the page is left; each error is an outcome with its reason."""
    expected = [
        {"reason": "client_ratelimit_backoff", "items": 3},
        {"reason": "rate_limited:minute", "items": 1},
    ]
    outcomes = (
        "SELECT reason, sum(quantity) AS items FROM outcomes "
        "WHERE project = 'limited' AND category = 'error' GROUP BY reason ORDER BY reason"
    )
    assert stack.eventually(expected, outcomes) == expected
