"""Tables on a terminal: every column has room, or each row is a list."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from pipeline.commands.terminal import fitting

SHOW = """
import json, sys
from pipeline.commands.terminal import show_table
columns, rows = json.loads(sys.argv[1])
show_table(columns, rows, [name == "events" for name in columns])
"""


def shown(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The lines that a terminal of this width shows, without colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm"}
    arguments = [sys.executable, "-c", SHOW, json.dumps([columns, rows])]
    done = subprocess.run(arguments, stdout=theirs, env=environment, check=False, timeout=60)
    os.close(theirs)
    assert done.returncode == 0
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:
        pass  # how a terminal says that nobody writes to it any more
    os.close(ours)
    return [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", said.decode()).splitlines()]


@pytest.mark.parametrize(
    ("widths", "room", "widest"),
    [
        ([90, 5, 14, 23], 74, 32),
        ([3, 4], 80, 4),
        ([50, 50], 60, 30),
        ([10, 10, 10], 30, 10),
        ([10] * 20, 40, 2),
        ([5], 0, 0),
    ],
)
def test_the_widest_columns_are_cut_until_all_have_room(widths: list[int], room: int, widest: int) -> None:
    assert fitting(widths, room) == widest
    assert sum(min(width, widest) for width in widths) <= room


def test_numbers_and_times_are_whole_beside_a_long_title() -> None:
    row = ["A title that goes on and on and on, and does not fit", "12345", "2026-11-22 07:23:11.512"]
    assert shown(["title", "events", "last_seen"], [row], 60) == [
        "title                        events  last_seen",
        "A title that goes on and o…   12345  2026-11-22 07:23:11.512",
    ]


def test_columns_without_room_become_lists() -> None:
    names = [f"column_number_{number}" for number in range(8)]
    assert shown([*names, "events"], [["x" * 50] * 8 + ["7"]], 40) == [
        "row 1",
        *(f"  {name}  {'x' * 20}…" for name in names),
        "  events           7",
    ]
