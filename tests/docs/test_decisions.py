"""Decision records are numbered without a gap, have the same four parts, and are in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Consequences", "What would change it"]


def test_records_are_numbered_without_a_gap() -> None:
    assert len(RECORDS) >= 10
    assert [record.name[:5] for record in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_parts_and_names_files_that_are_there(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    named = re.findall(r"`((?:pipeline|schemas|tests|benchmarks|deploy)/[\w/.-]*|setup\.py)`", text)
    assert [name for name in named if not (FOLDER.parents[1] / name).exists()] == []
    for module in re.findall(r"`python -m (benchmarks\.\w+)`", text):
        assert (FOLDER.parents[1] / module.replace(".", "/")).with_suffix(".py").is_file()


def test_the_index_has_each_record_under_its_title() -> None:
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert listed == [
        (record.name[:4], record.name, record.read_text().splitlines()[0].removeprefix(f"# {record.name[:4]}: "))
        for record in RECORDS
    ]
