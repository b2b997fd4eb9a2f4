"""The checked-in JSON Schema files are what the structs say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from schemas import export


def test_the_files_are_current() -> None:
    """If this fails, run ``python -m schemas.export`` and look at what changed for producers."""
    assert export.outdated() == []


@pytest.mark.parametrize("name", sorted(export.documents()))
def test_a_schema_is_valid_and_names_itself_by_contract_and_version(name: str) -> None:
    schema = json.loads(export.documents()[name])
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$id"] == f"urn:aftershock:schema:{name.removesuffix('.schema.json')}:1"
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", sorted(export.documents()))
def test_unknown_fields_are_allowed(name: str) -> None:
    assert '"additionalProperties": false' not in export.documents()[name]


def test_a_wrong_type_is_not_valid() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"event_id": 5}, json.loads(export.documents()["event.schema.json"]))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda directory: (directory / "event.schema.json").write_text("{}"), ["event.schema.json"]),
        (lambda directory: (directory / "alert.schema.json").unlink(), ["alert.schema.json"]),
        (lambda directory: (directory / "old.schema.json").write_text("{}"), ["old.schema.json"]),
        (lambda directory: (directory / "package" / "alert.py").write_text("Alert = dict"), ["alert.py"]),
        (lambda directory: (directory / "package" / "issue_change.py").unlink(), ["issue_change.py"]),
        (lambda directory: (directory / "package" / "old.py").write_text(""), ["old.py"]),
        (lambda directory: (directory / "package" / "__init__.py").write_text("written by hand"), []),
    ],
    ids=[
        *("changed", "missing", "superfluous"),
        *("changed module", "missing module", "superfluous module", "what is not written"),
    ],
)
def test_a_file_that_is_not_current_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: object, expected: list[str]
) -> None:
    monkeypatch.setattr(export, "DIRECTORY", tmp_path)
    monkeypatch.setattr(export, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(sys, "argv", ["export"])
    assert export.main() == 0
    assert callable(change)
    change(tmp_path)

    assert [path.name for path in export.outdated()] == expected
    monkeypatch.setattr(sys, "argv", ["export", "--check"])
    assert export.main() == bool(expected)
