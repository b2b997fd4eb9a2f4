"""The alert contract: what it looks like on the wire, and the evidence that goes with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.alerts.evidence import Subject, build_alert
from pipeline.alerts.rules import Rules
from pipeline.counts.windows import Windows
from schemas.alert import ALERT_VERSION, Alert, decode_alert, encode_alert, quote
from tests.occurrences import NOON, Occurrence, counted

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "alerts"


def alert(**changes: Any) -> Alert:
    subject = Subject("count", "error", 100, ["level ILIKE 'error'"], "Boom", "here", "error", "1", ["e1"])
    settings: dict[str, Any] = {
        "state": "firing",
        "started": NOON,
        "value": 120,
        "window": (NOON, NOON + 300),
        "now": NOON + 1.5,
    }
    group = ("shop", "production", "ff")
    return build_alert("burst", changes.pop("group", group), subject, table="aftershock.errors", **settings | changes)


def examples() -> dict[str, Alert]:
    """The alerts of the default rules for an issue that appears, bursts and calms down."""
    rules = Rules()
    windows = Windows(rules, 0, partitions=1, allowed_lateness_s=60)

    def event(number: int, second: float) -> Occurrence:
        return Occurrence(
            project="1",
            release="shop@2.4.1",
            fingerprint="5d41402abc4b2a76b9719d911017c592",
            title="TimeoutError: payment provider did not answer",
            culprit="shop.payments in charge",
            event_id=f"9f1c2a7e5b0d4c3f8e6a1b2c3d4e{number:04x}",
            timestamp_ms=int((NOON + second) * 1000),
        )

    (new,) = windows.apply(counted(rules, event(0, 1.25)), 0, NOON + 2.5)
    burst = counted(rules, *(event(number, 60 + number / 2) for number in range(1, 105)), first=1)
    (firing,) = windows.apply(burst, 1, NOON + 112.75)
    windows.tick(NOON + 420)
    windows.take_changes()
    (resolved,) = windows.tick(NOON + 422.5)
    return {"new-issue-firing": new, "issue-burst-firing": firing, "issue-burst-resolved": resolved}


@pytest.mark.parametrize("name", ["new-issue-firing", "issue-burst-firing", "issue-burst-resolved"])
def test_the_examples_are_what_the_windows_send(name: str) -> None:
    text = (EXAMPLES / f"{name}.json").read_text(encoding="utf-8")
    assert decode_alert(text) == examples()[name]
    assert msgspec.json.decode(text) == msgspec.json.decode(encode_alert(examples()[name]))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_example_is_an_alert(path: Path) -> None:
    assert decode_alert(path.read_bytes()).version == ALERT_VERSION


def test_times_are_rfc_3339_in_utc() -> None:
    plain = msgspec.json.decode(encode_alert(alert()))
    assert plain["created_at"] == "2026-09-21T14:13:21.500000Z"
    assert plain["window_start"] == "2026-09-21T14:13:20Z"
    assert decode_alert(encode_alert(alert())).created_at == datetime.fromtimestamp(NOON + 1.5, UTC)


def test_unknown_fields_are_skipped_and_missing_ones_refused() -> None:
    plain = msgspec.json.decode(encode_alert(alert()))
    assert decode_alert(msgspec.json.encode({**plain, "later": 1})) == alert()
    del plain["rule"]
    with pytest.raises(ValueError, match="not an alert"):
        decode_alert(msgspec.json.encode(plain))


@pytest.mark.parametrize("data", [b"", b"secret", b"[]", b'{"id": "secret"}', b'{"id": "\xff"}'])
def test_what_is_no_alert_is_refused_without_its_content(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an alert") as caught:
        decode_alert(data)
    assert "secret" not in str(caught.value)


def test_another_version_is_refused_by_name() -> None:
    plain = msgspec.json.decode(encode_alert(alert()))
    with pytest.raises(ValueError, match="version 2; this program reads version 1"):
        decode_alert(msgspec.json.encode({**plain, "version": 2}))


def test_ids_tell_changes_apart_and_nothing_else() -> None:
    assert alert().id == alert(now=NOON + 99, value=7, window=(1, 2)).id
    others = [alert(state="resolved"), alert(started=1), alert(group=("shop", "production", "")), alert()]
    assert len({other.id for other in others}) == 4
    assert {other.dedup_key for other in others if other.fingerprint} == {alert().dedup_key}
    moved = alert(group=("shop", "productionf", "f"))
    assert moved.id != alert().id
    assert moved.dedup_key != alert().dedup_key


def test_the_query_asks_for_the_events_of_the_window() -> None:
    assert alert().query == (
        "SELECT timestamp, event_id, level, title, culprit FROM aftershock.errors WHERE project = 'shop' "
        "AND environment = 'production' AND fingerprint = 'ff' "
        "AND timestamp >= toDateTime64('2026-09-21 14:13:20.000', 3, 'UTC') "
        "AND timestamp < toDateTime64('2026-09-21 14:18:20.000', 3, 'UTC') AND level ILIKE 'error' "
        "ORDER BY timestamp DESC LIMIT 100"
    )
    assert "fingerprint" not in alert(group=("shop", "production", "")).query


@settings(deadline=None)
@given(st.text())
def test_a_quoted_text_ends_where_it_should(text: str) -> None:
    """Read back by the rules of ClickHouse's string literals: a backslash takes the next character along."""
    quoted = quote(text)
    assert quoted.startswith("'")
    names = {"0": "\0", "n": "\n", "r": "\r", "t": "\t"}
    characters = iter(quoted[1:])
    read = []
    for character in characters:
        if character == "'":
            break
        if character == "\\":
            following = next(characters)
            character = names.get(following, following)
        read.append(character)
    assert "".join(read) == text
    assert next(characters, None) is None
