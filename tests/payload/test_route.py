"""An event goes to the topic on which the worker takes it for what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import Refused
from pipeline.payload.decode import decode
from pipeline.payload.kinds import is_span
from pipeline.payload.route import Route, route

SPAN = {"span_id": "b0e6f15b45c36b12", "trace_id": "aa"}
CASES: list[tuple[dict[str, Any], str]] = [
    ({"type": "transaction"}, "spans"),
    ({"type": "span"}, "spans"),
    ({"type": "span", "message": "m"}, "spans"),
    ({}, "errors"),
    ({"message": "m"}, "errors"),
    ({"type": "profile", **SPAN}, "errors"),
    (SPAN, "spans"),
    ({**SPAN, "type": ""}, "spans"),
    ({**SPAN, "type": None}, "spans"),
    ({**SPAN, "type": "default"}, "spans"),
    ({**SPAN, "type": 3}, "errors"),
    ({**SPAN, "type": []}, "spans"),
    ({**SPAN, "span_id": ""}, "spans"),
    ({**SPAN, "span_id": 5}, "spans"),
    ({**SPAN, "span_id": []}, "errors"),
    ({**SPAN, "message": "m"}, "errors"),
    ({**SPAN, "message": ""}, "errors"),
    ({**SPAN, "message": 5}, "errors"),
    ({**SPAN, "message": []}, "spans"),
    ({**SPAN, "message": {"formatted": "m"}}, "errors"),
    ({**SPAN, "logentry": {"message": "m"}}, "errors"),
    ({**SPAN, "logentry": "m"}, "spans"),
    ({**SPAN, "exception": None}, "spans"),
    ({**SPAN, "exception": []}, "spans"),
    ({**SPAN, "exception": {}}, "spans"),
    ({**SPAN, "exception": {"values": []}}, "spans"),
    ({**SPAN, "exception": {"values": [None]}}, "spans"),
    ({**SPAN, "exception": {"values": [{"type": "ValueError"}]}}, "errors"),
    ({**SPAN, "exception": [{"type": "ValueError"}]}, "errors"),
]


@pytest.mark.parametrize(("event", "topic"), CASES, ids=lambda value: str(value))
def test_an_event_is_sent_to_the_topic_of_what_the_worker_takes_it_for(event: dict[str, Any], topic: str) -> None:
    raw = json.dumps(event).encode()
    assert route(raw).topic == topic
    try:
        stored = "spans" if is_span(decode(raw).event, "spans") else "errors"
    except Refused:
        stored = "errors"
    assert stored == topic


def test_what_is_sent_to_errors_is_an_error_there_whatever_its_fields() -> None:
    assert not is_span(decode(json.dumps(SPAN).encode()).event, "errors")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "transaction", "contexts": {"trace": {"trace_id": "aa"}}}, Route("spans", b"aa")),
        (SPAN, Route("spans", b"aa")),
        ({"event_id": "ee"}, Route("errors", b"ee")),
        ({}, Route("errors", None)),
    ],
)
def test_the_key_is_the_trace_or_the_event(event: dict[str, Any], expected: Route) -> None:
    assert route(json.dumps(event).encode()) == expected


@pytest.mark.parametrize("raw", [b"[]", b"{", b'"\xff"'])
def test_what_is_no_object_has_no_route(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|UTF-8"):
        route(raw)
