"""The corpus: no leak, no false positive, the same structure, and nothing left for a second scrubbing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.scrub import Policy, Scrubber
from tests.every import every
from tests.scrub.corpus import places, survivors, texts

TEXTS = [(f"{group}: {case[0]}", case) for group, cases in texts.ALL.items() for case in cases]
SHAPES = ("message", "ascii", "exception", "repr", "json", "json in ASCII", "text with JSON in ASCII")


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber(Policy())


def shape(value: Any) -> Any:
    """Return the structure of a JSON value: containers and how many keys and elements, not what the leaves are."""
    if isinstance(value, dict):
        return ("object", *sorted((shape(item) for item in value.values()), key=repr))
    if isinstance(value, list):
        return ("array", *(shape(item) for item in value))
    return "leaf"


def scrubbed(scrubber: Scrubber, event: dict[str, Any], *, ascii_only: bool = False) -> dict[str, Any]:
    payload = json.dumps(event, ensure_ascii=ascii_only).encode()
    result = scrubber.scrub(payload)
    after: dict[str, Any] = json.loads(result.payload)
    assert shape(after) == shape(event)
    assert scrubber.scrub(result.payload).payload is result.payload
    return after


def event_of(text: str, place: str) -> dict[str, Any]:
    if place in ("message", "ascii"):
        return {"message": text}
    if place == "exception":
        return {"exception": {"values": [{"type": "E", "value": text}]}}
    if place == "repr":
        return {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"x": repr(text)}}]}}]}}
    if place == "json in ASCII":
        return {"extra": {"body": json.dumps({"inner": [text], "n": 1})}}
    if place == "text with JSON in ASCII":
        return {"logentry": {"formatted": f"got {json.dumps([text])} back"}}
    return {"extra": {"body": json.dumps({"inner": text, "n": 1}, ensure_ascii=False)}}


def texts_of(event: Any) -> list[str]:
    """Return every text in an event, with JSON inside strings read too."""
    if isinstance(event, dict):
        return [found for key, value in event.items() for found in (key, *texts_of(value))]
    if isinstance(event, list):
        return [found for value in event for found in texts_of(value)]
    if isinstance(event, str):
        try:
            inner = json.loads(event)
        except ValueError:
            return [event]
        return [event, *(texts_of(inner) if isinstance(inner, dict | list | str) else [])]
    return [json.dumps(event)]


@pytest.mark.parametrize("place", SHAPES)
@pytest.mark.parametrize("kind", texts.ALL)
def test_secret_in_text_goes_and_the_rest_stays(scrubber: Scrubber, kind: str, place: str) -> None:
    def check(case: texts.Text) -> None:
        _, text, gone, kept, label = case
        after = "\n".join(texts_of(scrubbed(scrubber, event_of(text, place), ascii_only=place == "ascii")))
        assert gone not in after
        assert repr(gone)[1:-1] not in after
        assert json.dumps(gone)[1:-1] not in after
        assert any(written in after for written in (kept, repr(kept)[1:-1], json.dumps(kept)[1:-1]))
        assert label in after

    every(((case[0], case) for case in texts.ALL[kind]), check)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_secret_goes_from_every_place(scrubber: Scrubber, ascii_only: bool) -> None:
    def check(case: places.Place) -> None:
        _, event, gone, kept = case
        after = scrubbed(scrubber, event, ascii_only=ascii_only)
        text = "\n".join(texts_of(after))
        assert [secret for secret in gone if secret in text] == []
        assert [other for other in kept if other not in text and other not in json.dumps(after)] == []

    every(((case[0], case) for case in places.PLACES), check)


@pytest.mark.parametrize("place", SHAPES)
def test_harmless_text_stays(scrubber: Scrubber, place: str) -> None:
    def check(text: Any) -> None:
        payload = json.dumps(event_of(text, place), ensure_ascii=place == "ascii").encode()
        assert scrubber.scrub(payload).payload is payload

    every(survivors.TEXTS, check)


def test_harmless_event_stays(scrubber: Scrubber) -> None:
    def check(event: Any) -> None:
        payload = json.dumps(event).encode()
        assert scrubber.scrub(payload).payload is payload

    every(survivors.EVENTS, check)


def test_a_text_that_fails_is_named() -> None:
    def check(case: int) -> None:
        assert case < 2

    with pytest.raises(AssertionError, match=r"2 of 4 failed:\n.*two: .*\n(.*\n)*three: "):
        every([("zero", 0), ("one", 1), ("two", 2), ("three", 3)], check)
    with pytest.raises(AssertionError, match="no case"):
        every([], check)


def test_the_corpus_is_as_large_as_it_says() -> None:
    harmless = len(survivors.TEXTS) + len(survivors.EVENTS)
    everything = len(TEXTS) + len(places.PLACES) + harmless
    assert everything >= 300
    assert harmless * 3 >= everything
