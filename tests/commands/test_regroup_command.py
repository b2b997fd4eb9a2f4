"""``aftershock regroup`` without --apply, and ``explain`` by event id, against a real ClickHouse."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commandline import Commands

import schemas
from pipeline.commands.regroup import moment
from pipeline.errors import Misconfigured
from pipeline.records.record import Batch, Boundaries, Source
from pipeline.regrouping import history
from pipeline.stages.assemble import make_transform
from pipeline.tables.rows import ERROR_COLUMNS
from tests.records import Message

CORPUS = Path(schemas.__file__).parents[1] / "tests" / "fingerprint" / "corpus"
EXAMPLES = Path(schemas.__file__).parent / "examples" / "errors"
ONE_ISSUE = """
[[grouping.fingerprint]]
name = "numbers"
match = { type = "ValueError" }
fingerprint = ["all of them"]
"""
BY_REGION = """
[[grouping.fingerprint]]
name = "regions"
match = { type = "KeyError" }
fingerprint = ["{{ default }}", "{{ tags.region }}"]
"""


def failure(kind: str, function: str, **fields: Any) -> dict[str, Any]:
    """Return an event with one frame."""
    stack = {"frames": [{"function": function, "module": "shop", "in_app": True, "lineno": 3}]}
    return {
        "event_id": uuid.uuid4().hex,
        "timestamp": time.time(),
        "platform": "python",
        "exception": {"values": [{"type": kind, "value": "no", "stacktrace": stack}]},
        **fields,
    }


def store(aftershock: Commands, events: list[Any], project: str = "shop") -> None:
    """Store events as a worker with the settings of the environment does."""
    now = int(time.time() * 1000)
    raw = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    headers = [("project", project.encode())]
    messages = [Message(value, offset, timestamp=now, headers=headers) for offset, value in enumerate(raw)]
    batch = Batch(Source("errors", "life", 0), Boundaries(0, len(raw) - 1), messages)
    outcome = make_transform(aftershock.settings).process(batch)
    assert outcome.dead == []
    lines = msgspec.json.Encoder().encode_lines(outcome.rows["errors"])
    aftershock.clickhouse.insert("errors", ERROR_COLUMNS, lines, uuid.uuid4().hex)


def answer(aftershock: Commands, *arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the summary and the differences that the command writes."""
    result = aftershock.run("regroup", *arguments)
    assert result.exit_code == 0, result.output
    *differences, summary = (json.loads(line) for line in result.stdout.splitlines())
    return summary, differences


def test_the_same_rules_change_nothing_of_the_corpus(aftershock: Commands) -> None:
    """Grouping sees what is stored: so the replay of every captured event gives what is stored, column by column."""
    lines = [line for path in sorted(CORPUS.glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    events = [json.dumps(json.loads(line)["event"]).encode() for line in lines]
    events += [path.read_bytes() for path in sorted(EXAMPLES.glob("*.json"))]
    store(aftershock, events)
    summary, differences = answer(aftershock, "--since", "all")
    assert differences == []
    assert summary["rows"] == len(events) > 300
    assert (summary["relabelled"], summary["unreadable"], summary["moved_rows"]) == (0, 0, 0)
    assert summary["unchanged"] == summary["issues_before"] == summary["issues_after"] > 50


def test_other_rules_show_merges_splits_and_moves_with_counts_and_examples(
    aftershock: Commands, tmp_path: Path
) -> None:
    first = [failure("ValueError", "parse") for _ in range(3)]
    second = [failure("ValueError", "format") for _ in range(2)]
    third = [failure("KeyError", "look_up", tags={"region": region}) for region in ("eu", "eu", "us")]
    store(aftershock, [*first, *second, *third, failure("OSError", "read")])
    other = tmp_path / "other.toml"
    other.write_text(ONE_ISSUE + BY_REGION, encoding="utf-8")
    summary, (merge, split) = answer(aftershock, "--config", str(other))

    assert (merge["kind"], merge["project"], merge["count"]) == ("merge", "shop", 5)
    assert [(part["count"], part["title"]) for part in merge["parts"]] == [(3, "ValueError: no"), (2, "ValueError: no")]
    assert merge["parts"][0]["examples"] == [event["event_id"] for event in first]
    assert (split["kind"], split["count"]) == ("split", 3)
    assert [part["count"] for part in split["parts"]] == [2, 1]
    assert split["parts"][1]["examples"] == [third[2]["event_id"]]
    assert (summary["issues_before"], summary["issues_after"], summary["unchanged"]) == (4, 4, 1)
    assert aftershock.run("regroup", "--config", str(other), "--exit-code").exit_code == 5
    assert aftershock.run("regroup", "--exit-code").exit_code == 0

    table = aftershock.run("regroup", "--config", str(other), "--format", "table").stdout.splitlines()
    assert table[1].split()[:2] == ["merge", "shop"]
    assert table[-1].startswith("9 events replayed. Of 4 issues 1 stay as they are")


def test_one_project_alone_is_replayed(aftershock: Commands, tmp_path: Path) -> None:
    store(aftershock, [failure("ValueError", "parse")], "shop")
    store(aftershock, [failure("ValueError", "parse"), failure("OSError", "read")], "it's")
    other = tmp_path / "other.toml"
    other.write_text(ONE_ISSUE, encoding="utf-8")
    summary, (move,) = answer(aftershock, "--config", str(other), "--project", "it's")
    assert (summary["rows"], move["kind"], move["project"]) == (2, "move", "it's")


def test_large_issues_are_read_in_pieces_and_whole(aftershock: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces end between issues, and within a large one at full minutes; each row is in one piece."""
    monkeypatch.setattr(history, "PIECE_ROWS", 10)
    start = time.time() - 600
    events = [failure("ValueError", "parse", timestamp=start + number * 7) for number in range(60)]
    events += [failure("ValueError", f"f{number % 9}", timestamp=start) for number in range(40)]
    store(aftershock, events)
    summary, differences = answer(aftershock, "--since", "2w")
    assert (summary["rows"], differences) == (100, [])
    found = [week.monday for week in history.weeks(aftershock.clickhouse, None)]
    read = [
        row.event_id for monday in found for rows in history.read_week(aftershock.clickhouse, monday) for row in rows
    ]
    assert sorted(read) == sorted(event["event_id"] for event in events)


def test_explain_shows_a_stored_event_and_the_rule_that_decided(aftershock: Commands, tmp_path: Path) -> None:
    stored = failure("ValueError", "parse")
    store(aftershock, [stored, failure("OSError", "read")])
    dashed = str(uuid.UUID(stored["event_id"]))
    shown = aftershock.run("explain", dashed.upper())
    assert shown.exit_code == 0, shown.output
    [row] = aftershock.clickhouse.rows(
        "SELECT fingerprint, grouping_components AS components FROM errors WHERE event_id = {id:String}",
        {"id": stored["event_id"]},
    )
    lines = shown.stdout.splitlines()
    assert f"fingerprint  {row['fingerprint']}" in lines
    assert "decided by   stacktrace (v1)" in lines
    assert lines[lines.index("components") + 1 :] == [f"  {component}" for component in row["components"]]

    other = tmp_path / "other.toml"
    other.write_text(ONE_ISSUE, encoding="utf-8")
    now = aftershock.run("explain", stored["event_id"], "--config", str(other)).output
    assert "decided by   rule:numbers (v1)" in now
    assert f"stored under another fingerprint, {row['fingerprint']}" in now


def test_explain_says_when_there_is_no_such_event(aftershock: Commands) -> None:
    missing = aftershock.run("explain", "0" * 32)
    assert missing.exit_code == Misconfigured.exit_code
    assert "no event with the id" in str(missing.exception)


def test_an_unknown_version_is_refused_with_those_there_are(aftershock: Commands) -> None:
    result = aftershock.run("regroup", "--version", "v0")
    assert result.exit_code == Misconfigured.exit_code
    assert "known are v1" in str(result.exception)


NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", datetime(2026, 3, 4, 12, tzinfo=UTC)),
        ("2w", datetime(2026, 2, 19, 12, tzinfo=UTC)),
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
        ("2026-02-28T12:00+02:00", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("all", None),
    ],
)
def test_since_is_a_span_or_a_date_or_all(text: str, expected: datetime | None) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "d", "7", "7y", "-1d", "soon", "99999999d"])
def test_since_that_is_nothing_of_it_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="--since"):
        moment(text, NOW)
