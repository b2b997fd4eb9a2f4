"""Every example payload is valid by the checked-in JSON Schema, decodes, and keeps what the structs name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import schemas
from schemas.alert import Alert, decode_alert, encode_alert
from schemas.dead_letter import DeadLetter
from schemas.event import Event
from schemas.export import OTHERS
from schemas.topics import CHECK_INS, FEEDBACK, LOGS, OUTCOMES, RELEASES, SESSIONS

SCHEMAS = Path(schemas.__file__).parent
EXAMPLES = SCHEMAS / "examples"
EVENTS = sorted(path for topic in ("errors", "spans") for path in (EXAMPLES / topic).glob("*.json"))
ALERTS = sorted((EXAMPLES / "alerts").glob("*.json"))
DEAD_LETTERS = sorted((EXAMPLES / "dead-letters").glob("*.json"))
CONTRACTS = {
    SESSIONS.name: "session",
    LOGS.name: "log",
    CHECK_INS.name: "check-in",
    FEEDBACK.name: "feedback",
    OUTCOMES.name: "outcomes",
    RELEASES.name: "release-change",
}
"""The contract of each of the other topics."""

REST = [(path, name) for topic, name in CONTRACTS.items() for path in sorted((EXAMPLES / topic).glob("*.json"))]


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / "json" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


def validate(payload: object, name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema(name), format_checker=jsonschema.FormatChecker())
    validator.validate(payload)


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def differences(kept: Any, original: Any, where: str = "") -> list[str]:
    """Return where what was kept differs from the original; what was not kept is no difference, nor is a null."""
    if isinstance(kept, dict) and isinstance(original, dict):
        return [
            found
            for key, value in kept.items()
            if value is not None
            for found in differences(value, original.get(key), f"{where}.{key}")
        ]
    if isinstance(kept, list) and isinstance(original, list) and len(kept) == len(original):
        pairs = enumerate(zip(kept, original, strict=True))
        return [found for index, (a, b) in pairs for found in differences(a, b, f"{where}[{index}]")]
    return [] if kept == original else [where]


def test_there_are_examples_of_every_contract() -> None:
    assert len(EVENTS) >= 40
    assert ALERTS
    assert DEAD_LETTERS
    assert {name for _, name in REST} == set(CONTRACTS.values()) == set(OTHERS)


@pytest.mark.parametrize("path", EVENTS, ids=named)
def test_an_event_is_valid_by_the_schema(path: Path) -> None:
    validate(json.loads(path.read_bytes()), "event")


@pytest.mark.parametrize("path", EVENTS, ids=named)
def test_an_event_decodes_and_keeps_the_fields_that_the_struct_names(path: Path) -> None:
    original = json.loads(path.read_bytes())
    event = msgspec.json.decode(path.read_bytes(), type=Event)
    kept = json.loads(msgspec.json.encode(event))

    assert differences(kept, original) == []
    given = {key for key, value in original.items() if value is not None and key in Event.__struct_fields__}
    assert {key for key in given if kept[key] is None} == set()


@pytest.mark.parametrize("path", EVENTS, ids=named)
def test_an_example_holds_nothing_of_the_machine_it_was_captured_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for mark in (str(Path.home()), "/home/", "/Users/", "/tmp/", "/var/folders/"):
        assert mark not in text


@pytest.mark.parametrize("path", ALERTS, ids=named)
def test_an_alert_is_valid_and_survives_a_round_trip(path: Path) -> None:
    original = json.loads(path.read_bytes())
    validate(original, "alert")
    alert = decode_alert(path.read_bytes())

    assert decode_alert(encode_alert(alert)) == alert
    assert original.keys() == set(Alert.__struct_fields__)
    validate(json.loads(encode_alert(alert)), "alert")


@pytest.mark.parametrize("path", DEAD_LETTERS, ids=named)
def test_the_headers_of_a_dead_letter_are_valid_and_survive_a_round_trip(path: Path) -> None:
    headers = json.loads(path.read_bytes())
    validate(headers, "dead-letter")
    letter = DeadLetter.from_headers([(name, value.encode()) for name, value in headers.items()])

    assert {name: value.decode() for name, value in letter.headers()} == headers


@pytest.mark.parametrize(("path", "name"), REST, ids=lambda value: named(value) if isinstance(value, Path) else value)
def test_another_example_is_valid_and_keeps_the_fields_that_the_struct_names(path: Path, name: str) -> None:
    original = json.loads(path.read_bytes())
    validate(original, name)
    contract, _ = OTHERS[name]
    found = msgspec.json.decode(path.read_bytes(), type=contract)
    kept = json.loads(msgspec.json.encode(found))

    assert differences(kept, {**kept, **original}) == []
    assert original.keys() & set(contract.__struct_fields__)
