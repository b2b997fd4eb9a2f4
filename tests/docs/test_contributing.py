"""CONTRIBUTING.md sends people to files, names and make targets that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
OURS = r"(?:pipeline|schemas|tests|deploy|benchmarks|docs)/"
PATHS = sorted({*re.findall(rf"(?<![\w.*/])({OURS}[\w./-]*|CHANGELOG\.md|\.ci/run|requirements\.lock)", TEXT)})
TARGETS = sorted({*re.findall(r"\bmake ([a-z][a-z-]*)(?=`| {2}|$)", TEXT, re.MULTILINE)})
NAMES = re.findall(r"`(\w+)` in `([\w./]+\.py)`", TEXT)


def test_it_names_files_targets_and_names_to_look_for() -> None:
    assert len(PATHS) > 40
    assert {"install", "lint", "test", "test-compiled", "demo"} <= {*TARGETS}
    assert len(NAMES) >= 5


@pytest.mark.parametrize("path", PATHS)
def test_a_file_or_folder_that_it_names_is_there(path: str) -> None:
    assert (ROOT / path.rstrip(".")).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_that_it_names_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("name", "file"), NAMES)
def test_a_name_is_in_the_file_that_it_is_looked_for_in(name: str, file: str) -> None:
    assert re.search(rf"^{name}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
