"""What was not taken is added up, and leaves as few messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.config.gateway import ProjectSettings
from pipeline.gateway.endpoint import Endpoint, Incoming
from pipeline.gateway.items import Message
from pipeline.gateway.outcomes import MOST_IN_A_MESSAGE, MOST_KINDS, Outcomes
from pipeline.gateway.projects import Projects
from pipeline.gateway.rejection import Rejected
from schemas.outcome import Count
from schemas.outcome import Outcomes as OutcomesMessage

KEY = "0123456789abcdef0123456789abcdef"
LIMITED = ProjectSettings(name="shop", id=7, keys=(KEY,), per_minute={"session": 0}, origins=("https://shop.example",))
NOW = 1_800_000_000.0


def counts(messages: list[Message]) -> list[Count]:
    assert {(message.topic, message.key) for message in messages} <= {("outcomes", None)}
    return [one for message in messages for one in msgspec.json.decode(message.value, type=OutcomesMessage).counts]


def send(body: bytes, outcomes: Outcomes, key: str = KEY, **headers: str) -> Any:
    auth = {"x-sentry-auth": f"Sentry sentry_key={key}", **headers}
    return Endpoint(Projects([LIMITED]), 1 << 20, outcomes).take(Incoming("envelope", "7", auth, {}, body), NOW)


def test_equal_counts_are_one_and_taken_once() -> None:
    outcomes = Outcomes()
    outcomes.add("shop", KEY, "error", "sampled", 2)
    outcomes.add("shop", KEY, "error", "sampled", 3)
    outcomes.add("shop", KEY, "error", "filtered:localhost")
    outcomes.add("shop", KEY, "error", "sampled", 0)
    assert counts(outcomes.take(NOW)) == [
        Count("shop", "01234567", "error", "sampled", 5),
        Count("shop", "01234567", "error", "filtered:localhost", 1),
    ]
    assert outcomes.take(NOW) == []


def test_a_flood_of_different_projects_stays_bounded_and_is_counted_whole() -> None:
    outcomes = Outcomes()
    for number in range(MOST_KINDS + 1500):
        outcomes.add(str(number), KEY, "error", "rate_limited")
    messages = outcomes.take(NOW)
    assert len(messages) == -(-(MOST_KINDS + 1) // MOST_IN_A_MESSAGE)
    found = counts(messages)
    assert sum(one.quantity for one in found) == MOST_KINDS + 1500
    assert found[-1] == Count("", "", "error", "rate_limited", 1500)
    assert len({message.value for message in messages}) == len(messages)


def test_dropped_and_refused_items_are_counted_with_their_reason() -> None:
    outcomes = Outcomes()
    report = b'{"discarded_events":[{"reason":"before_send","category":"error","quantity":4}]}'
    send(b'{}\n{"type":"attachment"}\nx\n{"type":"session"}\n{}\n{"type":"client_report"}\n' + report, outcomes)
    assert counts(outcomes.take(NOW)) == [
        Count("shop", "01234567", "attachment", "no_topic", 1),
        Count("shop", "01234567", "session", "rate_limited:minute", 1),
        Count("shop", "01234567", "error", "client_before_send", 4),
    ]


@pytest.mark.parametrize(
    ("body", "key", "found"),
    [
        (b"no envelope", KEY, Count("shop", "01234567", "default", "invalid:malformed", 1)),
        (b"{}", "f" * 32, Count("", "", "default", "invalid:project", 1)),
        (
            b'{}\n{"type":"check_in"}\n' + b"x" * 200_000,
            KEY,
            Count("shop", "01234567", "monitor", "invalid:too_large", 1),
        ),
    ],
)
def test_a_refused_request_is_counted(body: bytes, key: str, found: Count) -> None:
    outcomes = Outcomes()
    with pytest.raises(Rejected):
        send(body, outcomes, key)
    assert counts(outcomes.take(NOW)) == [found]


def test_a_page_of_an_origin_that_may_not_send_counts_for_the_project() -> None:
    outcomes = Outcomes()
    with pytest.raises(Rejected):
        send(b"{}", outcomes, origin="https://elsewhere.example")
    assert counts(outcomes.take(NOW)) == [Count("shop", "01234567", "default", "invalid:origin", 1)]


def test_a_key_in_the_body_alone_counts_for_nobody() -> None:
    """Whoever sends it may have read it anywhere, and nothing else of the request says so."""
    outcomes = Outcomes()
    body = b'{"dsn":"https://%s@errors.example/7"}\nno item' % KEY.encode()
    with pytest.raises(Rejected):
        Endpoint(Projects([LIMITED]), 1 << 20, outcomes).take(Incoming("envelope", None, {}, {}, body), NOW)
    assert counts(outcomes.take(NOW)) == [Count("", "", "default", "invalid:malformed", 1)]
