"""docs/issues.md says what the code does: its message is the example, and every field is described."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pipeline.commands.issues import ORDERS, STATUSES
from schemas.issue_change import IssueChange, decode_issue_change, key_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "issues.md").read_text(encoding="utf-8")


def test_the_message_shown_is_the_example() -> None:
    example = ROOT / "schemas" / "examples" / "issue-changes" / "resolved-in-the-next-release.json"
    assert re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL) == [example.read_text(encoding="utf-8")]


def test_every_field_of_a_change_is_described_in_order() -> None:
    table = TEXT.split("| field | meaning |", 1)[1].split("\n\n", 1)[0]
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]
    assert named == list(IssueChange.__struct_fields__)


def test_every_choice_is_named() -> None:
    assert all(f"`{choice}`" in TEXT for choice in (*STATUSES, *ORDERS))


def test_the_typed_example_changes_one_thing() -> None:
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[1], found)
    latest = (ROOT / "schemas" / "examples" / "issue-changes" / "resolved-in-the-next-release.json").read_bytes()
    before = json.loads(latest)
    key = key_of(before["project"], before["fingerprint"])
    after = decode_issue_change(key, found["assigned"](key, latest, "grace@example.com"))
    assert after == replace(decode_issue_change(key, latest), assignee="grace@example.com")
    assert before.get("assignee") != "grace@example.com"
