# ruff: noqa: E501, RUF005
"""Whatever an event holds, grouping gives a fingerprint, the same one every time."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fingerprint import Grouping, Rules
from pipeline.fingerprint.v1.messages import Messages, normal_message
from pipeline.fingerprint.v1.platforms import PLATFORMS
from schemas.event import NOTHING, Event, ExceptionValue, Frame, LogEntry, Mechanism, Stacktrace

GROUPING = Grouping(Rules())

PIECES = st.sampled_from(
    [
        "",
        "a",
        "$",
        "<",
        ">",
        "::",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "/",
        "\\",
        ".",
        "@",
        "*",
        "1",
        " ",
        "\n",
        "é",
    ]
    + [
        "{closure}",
        "lambda$a$0",
        "<locals>",
        "block in ",
        "async ",
        "https://a/",
        "webpack:///",
        "{{ default }}",
        "\x00",
    ]
)
TEXT = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20)
MAYBE = st.none() | TEXT
FRAMES = st.builds(
    Frame, function=MAYBE, module=MAYBE, filename=MAYBE, abs_path=MAYBE, package=MAYBE, context_line=MAYBE,
    in_app=st.none() | st.booleans(), lineno=st.none() | st.integers(0, 2**31), platform=st.sampled_from([None, *PLATFORMS]),
)  # fmt: skip
MECHANISMS = st.builds(
    Mechanism, exception_id=st.none() | st.integers(0, 4), parent_id=st.none() | st.integers(0, 4),
    is_exception_group=st.none() | st.booleans(), source=st.sampled_from([None, "exceptions[0]", "__cause__", "cause"]),
    synthetic=st.none() | st.booleans(),
)  # fmt: skip
STACKS = st.builds(Stacktrace, frames=st.none() | st.lists(st.none() | FRAMES, max_size=6))
EXCEPTIONS = st.builds(
    ExceptionValue, type=MAYBE, value=MAYBE | st.integers() | st.booleans(), mechanism=st.none() | MECHANISMS,
    stacktrace=st.none() | STACKS,
)  # fmt: skip
EVENTS = st.builds(
    Event, platform=st.sampled_from([None, "unheard-of", *PLATFORMS]), transaction=MAYBE, logger=MAYBE, stacktrace=st.none() | STACKS,
    exception=st.none() | st.lists(st.none() | EXCEPTIONS, max_size=5), message=MAYBE,
    logentry=st.none() | st.builds(LogEntry, message=MAYBE, formatted=MAYBE),
    fingerprint=st.none() | st.lists(st.none() | TEXT | st.integers() | st.floats(), max_size=3),
    csp=st.sampled_from([NOTHING, msgspec.Raw(b"{}"), msgspec.Raw(b"[]"), msgspec.Raw(b'{"csp-report":{"blocked-uri":3}}')]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_every_event_gets_a_fingerprint_and_a_title(event: Event) -> None:
    grouped = GROUPING.group(event)
    assert re.fullmatch(r"[0-9a-f]{32}", grouped.fingerprint)
    assert grouped.title
    assert len(grouped.title) <= 200
    assert len(grouped.culprit) <= 200
    assert grouped.components
    frames = grouped.frames
    assert len({len(one) for one in (frames.function, frames.module, frames.file, frames.line, frames.in_app)}) == 1
    assert GROUPING.group(event) == Grouping(Rules()).group(event)


@settings(max_examples=200, deadline=None)
@given(TEXT, st.integers(0, 10**12), st.uuids(), st.emails(domains=st.just("example.com")))
def test_numbers_ids_and_addresses_never_show_in_a_message(text: str, number: int, uuid: object, email: str) -> None:
    normal = normal_message(f"sent {number} of {uuid} at 12ms for 'x{text!r}' to 10.0.0.{number % 250}")
    assert str(number) not in normal or len(str(number)) < 3
    assert str(uuid) not in normal


def test_message_is_remembered_without_changing() -> None:
    messages = Messages()
    assert messages.normal("order 17 is late") == messages.normal("order 17 is late") == "order * is late"
