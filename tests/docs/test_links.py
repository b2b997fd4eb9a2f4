"""Links between the documents lead to files and headings that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINKS = [
    (file, link)
    for file in FILES
    for link in re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8"))
    if not link.startswith(("http:", "https:"))
]


def anchors(file: Path) -> set[str]:
    """Return what headings can be linked by, as GitHub makes it of their text."""
    text = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_there_are_documents_that_link_to_each_other() -> None:
    assert {ROOT / "README.md", ROOT / "SECURITY.md"} <= {file for file, _ in LINKS}


@pytest.mark.parametrize(("file", "link"), LINKS, ids=[f"{file.name}-{link}" for file, link in LINKS])
def test_a_link_leads_somewhere(file: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (file.parent / path).resolve() if path else file
    assert target.exists()
    assert not anchor or anchor in anchors(target)
