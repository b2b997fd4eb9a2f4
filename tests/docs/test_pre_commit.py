"""The hooks of .pre-commit-config.yaml are the commands of `make lint`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def hooks(key: str) -> list[str]:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    return re.findall(rf"^ +(?:- )?{key}: (.+)$", text, re.MULTILINE)


def test_hooks_run_what_make_lint_runs() -> None:
    recipe = ["make", "--dry-run", "--no-print-directory", "--assume-old=install", "lint"]
    lint = subprocess.run(recipe, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lint) >= 4
    assert hooks("entry") == lint


def test_hooks_fetch_nothing_and_look_at_the_whole_tree() -> None:
    assert hooks("repo") == ["local"]
    for key, value in (("language", "system"), ("pass_filenames", "false"), ("always_run", "true")):
        assert hooks(key) == [value] * len(hooks("id"))
