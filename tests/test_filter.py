"""Events that nobody wants to see."""

from __future__ import annotations

import pytest

from pipeline.filter import Filter, headline
from schemas.event import Event, ExceptionValue, LogEntry


def raised(kind: str | None, value: object) -> Event:
    return Event(exception=[ExceptionValue(type="Inner", value="inner"), ExceptionValue(type=kind, value=value)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (raised("ValueError", "bad"), "ValueError: bad"),
        (raised("ValueError", None), "ValueError"),
        (raised("ValueError", ""), "ValueError"),
        (raised(None, 0), "Error: 0"),
        (Event(exception=[None]), ""),
        (Event(message="plain"), "plain"),
        (Event(logentry=LogEntry(message="%s", formatted="done")), "done"),
        (Event(logentry=LogEntry(message="%s")), "%s"),
        (Event(), ""),
    ],
)
def test_the_headline_is_what_was_raised_last_or_the_message(event: Event, line: str) -> None:
    assert headline(event) == line


@pytest.mark.parametrize(
    ("event", "by"),
    [
        (Event(environment="dev-7"), "environments"),
        (Event(environment="my dev-7"), None),
        (Event(release="1.0.0-rc1"), "releases"),
        (Event(release=2), "releases"),
        (raised("ConnectionError", "first\nsecond line"), "messages"),
        (Event(message="ConnectionErro"), None),
        (Event(environment="dev-7", release="2"), "environments"),
        (Event(), None),
    ],
)
def test_globs_cover_the_whole_value(event: Event, by: str | None) -> None:
    found = Filter(environments=("dev-*", "test"), messages=("ConnectionError*",), releases=("*-rc?", "2"))
    assert found.active
    assert found.drops(event) == by


def test_without_settings_nothing_is_dropped() -> None:
    assert not Filter().active
    assert Filter().drops(Event(environment="dev")) is None
