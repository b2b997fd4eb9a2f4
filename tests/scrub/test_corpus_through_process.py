"""The corpus as an outsider would try it: whole events into ``aftershock process``, and only its answers looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.every import every
from tests.scrub.corpus import places, survivors, texts

SECRETS = [(f"{group}: {case[0]}", case) for group, cases in texts.ALL.items() for case in cases]
ROOT = Path(__file__).parents[2]


def wrapped(text: str) -> dict[str, Any]:
    """Return an event with a text in the places where programs put texts."""
    return {
        **whole({}),
        "logentry": {"formatted": text},
        "exception": {
            "values": [
                {
                    "type": "RuntimeError",
                    "value": text,
                    "stacktrace": {"frames": [{"function": "run", "lineno": 7, "vars": {"note": text}}]},
                }
            ]
        },
        "breadcrumbs": {"values": [{"category": "log", "message": text}]},
        "extra": {"note": text, "body": json.dumps({"inner": [text]}, ensure_ascii=False)},
    }


def whole(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with what every SDK sends."""
    usual = {
        "event_id": "9f2c1e5f0c6e4a55b1d3b7f0a4f6d210",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "platform": "python",
        "level": "error",
        "environment": "production",
        "release": "shop@1.4.2",
        "sdk": {"name": "sentry.python", "version": "2.20.0"},
    }
    return {**usual, **event}


EVENTS: dict[str, dict[str, Any]] = {
    **{f"text {name}": wrapped(case[1]) for name, case in SECRETS},
    **{f"place {case[0]}": whole(case[1]) for case in places.PLACES},
    **{f"harmless {name}": wrapped(str(text)) for name, text in survivors.TEXTS},
    **{f"harmless event {name}": whole(dict(event)) for name, event in survivors.EVENTS},  # type: ignore[arg-type]
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The answer to each event, by its name: one process, one event a line."""
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in EVENTS.values())
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "process"],
        input=lines.encode(),
        cwd=tmp_path_factory.mktemp("empty"),
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AFTERSHOCK_")},
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        check=True,
        timeout=120,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(EVENTS)
    return dict(zip(EVENTS, found, strict=True))


def texts_of(value: Any) -> str:
    """Return every text in a value, that of JSON inside strings too."""
    if isinstance(value, dict):
        return "\n".join(texts_of(part) for item in value.items() for part in item)
    if isinstance(value, list):
        return "\n".join(map(texts_of, value))
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        inner = json.loads(value)
    except ValueError:
        return value
    return value + "\n" + texts_of(inner) if isinstance(inner, dict | list | str) else value


@pytest.mark.parametrize("kind", texts.ALL)
def test_a_secret_is_nowhere_in_the_answer(answers: dict[str, Any], kind: str) -> None:
    """Neither in the event, nor in the columns that would be stored beside it."""

    def check(case: texts.Text) -> None:
        name, _, gone, kept, label = case
        answer = answers[f"text {kind}: {name}"]
        assert answer["reason"] is None
        found = texts_of(answer)
        assert gone not in found
        event = answer["event"]
        for text in (event["logentry"]["formatted"], event["exception"]["values"][0]["value"], event["extra"]["note"]):
            assert kept in text
            assert label in text

    every(((case[0], case) for case in texts.ALL[kind]), check)


def test_a_secret_goes_from_every_place(answers: dict[str, Any]) -> None:
    def check(case: places.Place) -> None:
        name, _, gone, kept = case
        answer = answers[f"place {name}"]
        assert answer["reason"] is None
        found = texts_of(answer)
        assert [secret for secret in gone if secret in found] == []
        event = {field: value for field, value in answer["event"].items() if field != "stored"}
        found = texts_of(event) + json.dumps(event)
        assert [other for other in kept if other not in found] == []

    every(((case[0], case) for case in places.PLACES), check)


def test_what_is_harmless_comes_back_as_it_was_sent(answers: dict[str, Any]) -> None:
    def check(name: str) -> None:
        answer = answers[name]
        assert answer["reason"] is None
        assert {field: value for field, value in answer["event"].items() if field != "stored"} == EVENTS[name]

    every(((name, name) for name in EVENTS if name.startswith("harmless")), check)
