"""What the coverage-guided fuzzer has found."""

from __future__ import annotations

import json

import pytest

from pipeline.scrub import Policy, Scrubber, engine

SCRUBBER = Scrubber(Policy())

MORE_THE_SECOND_TIME = {
    "numbers that touch": "+23333333+2233323333233+37333333+23333333+223333233+37333333+23333333+223333233"
    "+232330033333332",
    "a marker whose word is context": '"333330333333333\x0033333333733333"',
    "a marker where digits were": '3}:3imei3":":281#*@221im;}M\x033ei332333333333333+2332/333333"'
    ":523323333333333+223333333@2",
}
"""A number that is not one by itself, but may become one by what stands beside it after the first scrubbing."""


@pytest.mark.parametrize("text", MORE_THE_SECOND_TIME.values(), ids=MORE_THE_SECOND_TIME.keys())
def test_scrubbing_settles_at_once(text: str) -> None:
    once = SCRUBBER.scrub(json.dumps({"message": text}).encode()).payload
    assert SCRUBBER.scrub(once).payload is once


def test_a_key_that_a_marker_makes_sensitive_loses_its_value_at_once() -> None:
    once = SCRUBBER.scrub(json.dumps({"extra": {"i\0Pw]:o\x7fc?#c": ["&", 1]}}).encode()).payload
    assert SCRUBBER.scrub(once).payload is once


@pytest.mark.parametrize("secret", ["\U00010000", "a\U0001f600b", "h\u00fcnter2", "\u5bc6\u7801"])
def test_an_escaped_letter_is_never_cut_in_two(secret: str) -> None:
    once = SCRUBBER.scrub(json.dumps({"modules": {"password": f"secret={secret} now"}}).encode()).payload
    assert json.loads(once) == {"modules": {"password": "secret=[secret] now"}}
    assert SCRUBBER.scrub(once).payload is once


NUMBERS = (
    ("+4915123456789", "+4915123456788"),
    ("+1 415 555 2671", "+1 415 555 2672"),
    ("0049 30 901820", "004930901821"),
    ("415-555-2671", "(415) 555-2672"),
    ("(415) 555-2671", "415-555-2672"),
    ("030 1234567", "0151 23456788"),
    ("07700900123", "015123456788"),
    ("06 12 34 56 78", "06 12 34 56 79"),
    ("536-22-8726", "536-22-8727"),
    ("4111111111111111", "415-555-2671"),
    ("415-555-2671", "4111 1111 1111 1111"),
    ("+4915123456789", "07700900123"),
    ("490154203237518", "4111111111111111"),
    ("10.1.2.3", "415-555-2671"),
    ("a@b.example", "07700900123"),
)


@pytest.mark.parametrize("joint", ["/", ",", ";", "|", ", ", " / "])
@pytest.mark.parametrize("numbers", NUMBERS, ids="+".join)
def test_numbers_with_a_character_between_them_are_both_found(numbers: tuple[str, str], joint: str) -> None:
    once = SCRUBBER.scrub(json.dumps({"message": f"to {joint.join(numbers)} now"}).encode()).payload
    found = json.loads(once)["message"].removeprefix("to ").removesuffix(" now")
    assert [marker[0] + marker[-1] for marker in found.split(joint)] == ["[]", "[]"]
    assert SCRUBBER.scrub(once).payload is once


def test_a_string_that_does_not_settle_goes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no pass is left, what stands around a finding may be one, and so goes with it."""
    monkeypatch.setattr(engine, "_MOST_PASSES", 1)
    event = {"message": "to a@b.example and 4111111111111111 now", "extra": {"a": "10.1.2.3 up", "b": "free text"}}
    once = SCRUBBER.scrub(json.dumps(event).encode()).payload
    assert json.loads(once) == {"message": "[email]", "extra": {"a": "[ip]", "b": "free text"}}
