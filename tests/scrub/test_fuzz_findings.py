"""What the coverage-guided fuzzer has found."""

from __future__ import annotations

import json

import pytest

from pipeline.scrub import Policy, Scrubber

SCRUBBER = Scrubber(Policy())

MORE_THE_SECOND_TIME = {
    "numbers that touch": "+23333333+2233323333233+37333333+23333333+223333233+37333333+23333333+223333233"
    "+232330033333332",
    "a marker whose word is context": '"333330333333333\x0033333333733333"',
    "a marker where digits were": '3}:3imei3":":281#*@221im;}M\x033ei332333333333333+2332/333333"'
    ":523323333333333+223333333@2",
}
"""A number that is not one by itself, but becomes one by what stands beside it after the first scrubbing."""


@pytest.mark.parametrize("text", MORE_THE_SECOND_TIME.values(), ids=MORE_THE_SECOND_TIME.keys())
def test_scrubbing_settles_after_the_second_time(text: str) -> None:
    twice = SCRUBBER.scrub(SCRUBBER.scrub(json.dumps({"message": text}).encode()).payload).payload
    assert SCRUBBER.scrub(twice).payload == twice


@pytest.mark.xfail(strict=False, reason="what a marker replaced is no longer the neighbour that spoke against a number")
@pytest.mark.parametrize("text", MORE_THE_SECOND_TIME.values(), ids=MORE_THE_SECOND_TIME.keys())
def test_scrubbing_settles_at_once(text: str) -> None:
    once = SCRUBBER.scrub(json.dumps({"message": text}).encode()).payload
    assert SCRUBBER.scrub(once).payload == once


@pytest.mark.xfail(strict=False, reason="a slash before a number speaks for a path")
def test_telephone_numbers_with_a_slash_between_them_are_both_found() -> None:
    found = json.loads(SCRUBBER.scrub(b'{"message":"call +4915123456789/+4915123456788"}').payload)
    assert found == {"message": "call [phone]/[phone]"}
