"""``[[project]]`` tables in the settings; what ``aftershock projects`` does is in tests/gateway/test_registry.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.settings import load_settings
from pipeline.errors import Misconfigured

WHOLE = '[[project]]\nname = "a"\nid = 1\nkeys = ["0123456789abcdef0123456789abcdef"]\n'


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[[project]]\nname = "shop"\nid = 1\nkeys = ["short"]\n', 4),
        ('[[project]]\nname = "shop"\nid = 1\nkeys = []\n', 4),
        ('[[project]]\nname = "shop"\nid = 0\nkeys = []\n', 3),
        ('[[project]]\nname = "shop"\n', 1),
        (WHOLE + "spike = { times = 0 }\n", 5),
        (WHOLE + "per_day = { errors = 1 }\n", 5),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_line(tmp_path: Path, table: str, line: int) -> None:
    file = tmp_path / "aftershock.toml"
    file.write_text(table, encoding="utf-8")
    with pytest.raises(Misconfigured, match=rf"aftershock\.toml:{line}: project"):
        load_settings(file, {})
