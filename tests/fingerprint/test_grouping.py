"""The order in which grouping decides: rules, the client's fingerprint, reports, stack traces, messages."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from pipeline.fingerprint import Grouped, Grouping, Rules
from schemas.event import Event, ExceptionValue

GROUPING = Grouping(Rules())


def group(event: dict[str, Any], grouping: Grouping = GROUPING) -> Grouped:
    return grouping.group(msgspec.convert(event, Event))


def failure(*functions: str, type_: str = "ValueError", value: str = "bad", **event: Any) -> dict[str, Any]:
    frames = [
        {"function": function, "module": "shop.orders", "filename": "shop/orders.py", "lineno": 3, "in_app": True}
        for function in functions
    ]
    values = [{"type": type_, "value": value, "stacktrace": {"frames": frames}}]
    return {"platform": "python", "exception": {"values": values}, **event}


def test_fingerprint_is_32_hex_digits_and_names_its_version() -> None:
    grouped = group(failure("create"))
    assert re.fullmatch(r"[0-9a-f]{32}", grouped.fingerprint)
    assert (grouped.version, grouped.rule) == ("v1", "stacktrace")


def test_stack_decides_and_message_does_not() -> None:
    one = group(failure("create", value="bad 1"))
    assert one.fingerprint == group(failure("create", value="other words")).fingerprint
    assert one.fingerprint != group(failure("delete", value="bad 1")).fingerprint
    assert one.fingerprint != group(failure("create", value="bad 1", type_="KeyError")).fingerprint


def test_caller_tells_failures_in_a_shared_helper_apart() -> None:
    assert group(failure("create", "load")).fingerprint != group(failure("delete", "load")).fingerprint


@pytest.mark.parametrize("events", [("a 1", "a 2"), ("of ann@x.com", "of [email]"), ("id 0af3 gone", "id 9999 gone")])
def test_messages_differing_in_variables_are_one_issue(events: tuple[str, str]) -> None:
    first, second = ({"message": message} for message in events)
    assert group(first).fingerprint == group(second).fingerprint
    assert group(first).rule == "message"


def test_client_fingerprint_is_honoured_exactly() -> None:
    grouped = group(failure("create", fingerprint=["payment", "4711"]))
    assert (grouped.rule, grouped.components) == ("client", ["payment", "4711"])
    assert grouped.fingerprint == group({"message": "x", "fingerprint": ["payment", "4711"]}).fingerprint
    assert grouped.fingerprint != group(failure("create", fingerprint=["payment", "4712"])).fingerprint


@pytest.mark.parametrize("default", ["{{ default }}", "{{default}}"])
def test_default_stands_for_the_algorithms_components(default: str) -> None:
    plain = group(failure("create"))
    assert group(failure("create", fingerprint=[default])).fingerprint == plain.fingerprint
    extended = group(failure("create", fingerprint=[default, "eu"]))
    assert extended.components == [*plain.components, "eu"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("{{ type }}", "ValueError"),
        ("{{type}}", "ValueError"),
        ("{{ error.type }}", "ValueError"),
        ("{{ value }}", "bad"),
        ("{{ message }}", "bad"),
        ("{{ transaction }}", "POST /orders"),
        ("{{ level }}", "fatal"),
        ("{{ module }}", "shop.orders"),
        ("{{ function }}", "create"),
        ("{{ tags.region }}", "eu"),
        ("{{ tags.none }}", "<no-tag>"),
        ("orders-{{ tags.region }}", "orders-eu"),
        ("{{ nobody knows }}", "{{ nobody knows }}"),
        ("{{ nobody }}", "{{ nobody }}"),
    ],
)
def test_variables_of_a_client_fingerprint(variable: str, value: str) -> None:
    event = failure("create", level="fatal", transaction="POST /orders", tags={"region": "eu"}, fingerprint=[variable])
    assert group(event).components == [value]


def test_title_and_culprit() -> None:
    grouped = group(failure("create", value="first line\nsecond"))
    assert (grouped.title, grouped.culprit) == ("ValueError: first line", "shop.orders in create")
    assert group(failure("create", transaction="POST /orders")).culprit == "POST /orders"


@pytest.mark.parametrize("event", [{}, {"message": ""}, {"exception": {"values": []}}, {"exception": [{}, None]}])
def test_empty_event_still_has_a_fingerprint_and_a_title(event: dict[str, Any]) -> None:
    grouped = group(event)
    assert grouped.title
    assert len(grouped.fingerprint) == 32


def test_frames_are_parallel_lists_over_all_exceptions() -> None:
    event = failure("create", "load")
    event["exception"]["values"] *= 2
    frames = group(event).frames
    assert frames.function == ["create", "load"] * 2
    assert frames.line == [3] * 4
    assert frames.in_app == [True] * 4


@pytest.mark.parametrize("kind", ["csp", "hpkp", "expectct", "expectstaple"])
def test_null_report_is_none(kind: str) -> None:
    event = msgspec.json.decode(msgspec.json.encode({"message": "order 17 is late", kind: None}), type=Event)
    assert GROUPING.group(event).rule == "message"


def test_report_is_titled_by_what_was_blocked() -> None:
    raw = b'{"csp": {"csp-report": {"effective-directive": "script-src-elem", "blocked-uri": "https://evil.example/x.js"}}}'
    grouped = GROUPING.group(msgspec.json.decode(raw, type=Event))
    assert (grouped.rule, grouped.title) == ("csp", "Blocked 'script-src' from 'evil.example'")


@pytest.mark.parametrize("depth", [2, 40, 900])
def test_recursion_counts_once_however_deep(depth: int) -> None:
    deep = group(failure("main", *["visit", "descend"] * depth, "fail"))
    assert deep.components == [
        "type: ValueError",
        *(f"frame: shop.orders in {name}" for name in ("main", "visit", "descend", "fail")),
    ]


def test_frames_with_huge_names_are_read_and_not_remembered() -> None:
    grouping = Grouping(Rules())
    for number in range(3):
        grouped = group(failure("f" * 100_000 + str(number), "g"), grouping)
        assert len(grouped.components[1]) < 2_000


def test_more_frames_than_are_remembered_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.fingerprint.v1.stacks._CACHED", 3)
    monkeypatch.setattr("pipeline.fingerprint.v1.stacks._STACKS_CACHED", 2)
    small = Grouping(Rules())
    events = [failure(*(f"f{at % 7}_{depth}" for depth in range(at % 5 + 1))) for at in range(60)]
    assert [group(one, small).fingerprint for one in events] == [group(one).fingerprint for one in events]


def test_more_chains_than_are_remembered_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.fingerprint.v1.remembered._MOST_BYTES", 1_000)
    small = Grouping(Rules())
    events = [failure(*(f"f{at % 7}_{depth}" for depth in range(at % 5 + 1)), value=str(at)) for at in range(60)]
    assert [group(one, small) for one in events] == [group(one, Grouping(Rules())) for one in events]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("RuntimeError", "maximum recursion depth exceeded"),
        ("ChunkLoadError", "Loading chunk 7 failed."),
        ("Error", "ENOENT: no such file"),
        ("", "TypeError: what the SDK left in the value"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("platform", ["python", "node", "javascript"])
@pytest.mark.parametrize("functions", [("create", "load"), ()])
def test_what_matters_of_a_message_matters_for_a_stack_that_was_seen_before(
    functions: tuple[str, ...], platform: str, type_: str, value: str
) -> None:
    grouping = Grouping(Rules())
    for said in ("bad", value, "bad again", value):
        event = failure(*functions, type_=type_, value=said, platform=platform)
        assert group(event, grouping) == group(event, Grouping(Rules()))


def test_lines_are_those_of_the_event_where_the_stack_was_seen_before() -> None:
    event = failure("create", "load")
    before = group(event)
    event["exception"]["values"][0]["stacktrace"]["frames"][1]["lineno"] = 4
    assert (before.frames.line, group(event).frames.line) == ([3, 3], [3, 4])
    assert before.fingerprint == group(event).fingerprint


def test_text_that_is_no_unicode_is_grouped_all_the_same() -> None:
    event = Event(exception=[ExceptionValue(type="\ud800", value="bad")])
    assert GROUPING.group(event).components == ["type: \ud800", "message: bad"]


def test_title_is_of_what_was_carried() -> None:
    event = failure("create")
    event["exception"]["values"].append({"type": "ExecutionException", "value": "java.lang.X"})
    assert group(event).title == "ValueError: bad"
