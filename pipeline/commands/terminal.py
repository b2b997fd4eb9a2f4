"""What commands show: on a terminal for people, in a pipe for programs."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2
LONG_S = 2.0
"""What takes longer than so many seconds is told."""
NARROWEST = 12
"""Where columns would have to be cut to less than this, a table would not be read."""


def on_terminal(stream: TextIO | None = None) -> bool:
    """Say whether a person reads what is written; of standard output unless another stream is named."""
    return (stream or sys.stdout).isatty()


def one_line_errors() -> None:
    """Keep the drivers' own logs off the terminal: what has failed is said once, by the command."""
    for name in ("aiokafka", "clickhouse_connect"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def printable(text: str) -> str:
    """Return a text on one line with nothing in it that a terminal would obey: it may come from anywhere."""
    return "".join(char if char.isprintable() else " " for char in text)


def plural(count: int, noun: str) -> str:
    """Return a number of things in words: ``1 topic``, ``2 topics``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show on a terminal what is being done, on a line that goes when it is done, where that takes long."""
    if not on_terminal(sys.stderr):
        yield
        return

    def show() -> None:
        sys.stderr.write(f"\r\033[K{text}...")
        sys.stderr.flush()

    timer = threading.Timer(LONG_S, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> None:
    """Print a table to standard output, numbers to the right; the widest cells are cut where a terminal ends.

    Where a terminal has no room for all columns, each row is a list of its cells, one a line.
    """
    terminal = on_terminal()
    console = Console(highlight=False, width=None if terminal else 100_000, soft_wrap=not terminal)
    names = [printable(name) for name in columns]
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    widest = fitting(widths, console.width - GAP * (len(widths) - 1))
    if terminal and widest < min(NARROWEST, max(widths)):
        _show_lists(console, names, cells)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, width, is_number in zip(names, widths, numeric, strict=True):
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(Text(name), justify=justify, overflow="ellipsis", no_wrap=True, width=min(width, widest))
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def fitting(widths: Sequence[int], room: int) -> int:
    """Return how wide the widest columns may be so that all have room together; 0 or less if there is none."""
    for count, width in enumerate(sorted(widths), -len(widths)):
        if width * -count > room:
            return room // -count
        room -= width
    return max(widths)


def _show_lists(console: Console, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row as a list, under a line with its number."""
    widest = max(map(len, names))
    for number, row in enumerate(rows, 1):
        console.print(Text(f"row {number}", style="bold"))
        for name, cell in zip(names, row, strict=True):
            console.print(Text(f"  {name:{widest}}  {cell}"), overflow="ellipsis", no_wrap=True)
