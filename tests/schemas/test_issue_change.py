"""Issue changes on the topic: what is wrong is named with its remedy, and nothing of the content is repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import schemas
from schemas.issue_change import check_issue_change, decode_issue_change, encode_issue_change, issue_of, key_of

SCHEMAS = Path(schemas.__file__).parent
SCHEMA = json.loads((SCHEMAS / "json" / "issue-change.schema.json").read_text(encoding="utf-8"))
EXAMPLES = sorted((SCHEMAS / "examples" / "issue-changes").glob("*.json"))
AA = "a" * 32
CHANGE = {"project": "shop", "fingerprint": AA, "id": "1", "changed_at": "2026-09-21T14:15:20Z", "status": "resolved"}


def decode(**fields: Any) -> Any:
    return decode_issue_change(key_of("shop", AA), json.dumps({**CHANGE, **fields}).encode())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_survives_a_round_trip(path: Path) -> None:
    original = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(original)
    key = key_of(original["project"], original["fingerprint"])
    change = decode_issue_change(key, path.read_bytes())
    check_issue_change(change)
    assert decode_issue_change(key, encode_issue_change(change)) == change


def test_there_are_examples_of_each_kind() -> None:
    assert {json.loads(path.read_bytes())["status"] for path in EXAMPLES} == {"open", "resolved", "ignored"}


def test_what_is_left_out_has_defaults_and_what_is_unknown_is_skipped() -> None:
    change = decode(colour="blue")
    assert (change.version, change.assignee, change.merged_into, change.until_count) == (1, "", "", None)
    assert change.changed_ms == 1_790_000_120_000


@pytest.mark.parametrize(
    ("fields", "field", "remedy"),
    [
        ({"version": 2}, "version", "must be the number 1"),
        ({"version": "hunter2"}, "version", "must be the number 1"),
        ({"project": ""}, "project", "1 to 200 characters"),
        ({"fingerprint": "hunter2"}, "fingerprint", "32 lower-case"),
        ({"fingerprint": f"{AA}\n"}, "fingerprint", "32 lower-case"),
        ({"id": ""}, "id", "new for each"),
        ({"changed_at": "hunter2"}, "changed_at", "RFC 3339"),
        ({"changed_at": "2026-09-21T14:15:20"}, "changed_at", "offset"),
        ({"status": "hunter2"}, "status", "open, resolved, ignored"),
        ({"in_release": 7}, "in_release", "200 characters"),
        ({"assignee": "x" * 201}, "assignee", "200 characters"),
        ({"in_release": "2.0", "after_release": "1.0"}, "after_release", "leave one of them out"),
        ({"status": "open", "in_release": "2.0"}, "in_release", "resolved"),
        ({"until_count": 3}, "until_count", "ignored"),
        ({"status": "ignored", "until_count": 0}, "until_count", "from 1"),
        ({"status": "ignored", "until_users": 10_001}, "until_users", "10000"),
        ({"merged_into": "hunter2"}, "merged_into", "32 lower-case"),
        ({"merged_into": AA}, "merged_into", "another one"),
        ({"deleted": "once"}, "deleted", "open alone"),
        ({"deleted": "hunter2"}, "deleted", "discard"),
    ],
)
def test_a_mistake_is_named_by_its_field_and_remedy(fields: dict[str, Any], field: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"the field {field} ") as caught:
        decode(**fields)
    assert remedy in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [b"", b"hunter2", b"\xff", b"[]", b'"hunter2"'])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="issue change") as caught:
        decode_issue_change(key_of("shop", AA), value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match="the field id "):
        decode_issue_change(key_of("shop", AA), json.dumps({"project": "shop", "fingerprint": AA}).encode())


@pytest.mark.parametrize("key", [None, b"", b"shop", b"/" + AA.encode(), b"shop/AA", b"\xff"])
def test_a_key_that_names_no_issue_is_refused(key: bytes | None) -> None:
    with pytest.raises(ValueError, match="project/fingerprint"):
        issue_of(key)


def test_the_key_has_to_agree_with_the_content() -> None:
    with pytest.raises(ValueError, match="not the key's"):
        decode_issue_change(key_of("blog", AA), json.dumps(CHANGE).encode())


def test_a_project_may_have_a_slash() -> None:
    assert issue_of(key_of("team/shop", AA)) == ("team/shop", AA)
