"""What commands show: on a terminal for people, in a pipe for programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text


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


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> None:
    """Print a table to standard output, numbers to the right; cells that do not fit are cut on a terminal."""
    terminal = on_terminal()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(
            Text(printable(name)),
            justify="right" if is_number else "left",
            overflow="ellipsis",
            no_wrap=True,
            min_width=min(len(name), 12),
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False, width=None if terminal else 100_000, soft_wrap=not terminal).print(table)
