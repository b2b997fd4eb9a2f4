"""The table of rounds by kind of fault, made from logs of rounds. Pure, but for reading the logs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_SEVERAL = "several at once"
_NOTHING = "nothing broken"
_ALL = "all"
_COLUMNS = (
    "kind", "rounds", "wrong", "lost", "doubled", "alerts missing", "alerts extra", "aggregates off", "others off",
    "stuck", "left out", "recovery median s", "most s", "log lines",
)  # fmt: skip
_SORTS = ("lost", "doubled", "alert missing", "alert extra", "aggregate")


class Line(NamedTuple):
    """A line of the table; ``found`` has the figures of the columns from ``lost`` to ``others off``.

    ``stuck`` are the rounds that went on only when the workers were killed by hand.
    """

    kind: str
    rounds: int
    wrong: int
    found: tuple[float, ...]
    stuck: int
    skipped: int
    recovery: tuple[float, float] | None
    log_lines: int

    def cells(self) -> tuple[str, ...]:
        """Return it as text."""
        recovery = ("-", "-") if self.recovery is None else tuple(f"{one:.1f}" for one in self.recovery)
        figures = (self.rounds, self.wrong, *self.found, self.stuck, self.skipped)
        return (self.kind, *(f"{figure:g}" for figure in figures), *recovery, str(self.log_lines))


def read_rounds(logs: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the rounds of logs; lines that are no JSON objects are passed over."""
    lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def table(rounds: Sequence[dict[str, Any]]) -> list[Line]:
    """Return a line for each kind of fault, one for rounds with several, and one for all."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for one in rounds:
        kinds = one["kinds"]
        name = kinds[0] if len(kinds) == 1 else _SEVERAL if kinds else _NOTHING
        by_kind.setdefault(name, []).append(one)
    return [*(_line(kind, several) for kind, several in sorted(by_kind.items())), _line(_ALL, rounds)]


def _line(kind: str, rounds: Sequence[dict[str, Any]]) -> Line:
    found = [one.get("found", {}) for one in rounds]
    sums = tuple(sum(each.get(sort, 0) for each in found) for sort in _SORTS)
    others = sum(number for each in found for sort, number in each.items() if sort not in _SORTS)
    recoveries = [
        one["recovery"].get("back_s") or one["recovery"].get("zero_s")
        for one in rounds
        if one["recovery"].get("back_s") or one["recovery"].get("zero_s")
    ]
    return Line(
        kind,
        len(rounds),
        sum(one["verdict"] != "ok" for one in rounds),
        (*sums, others),
        sum(bool(one.get("by_hand")) for one in rounds),
        sum(bool(one.get("skipped")) for one in rounds),
        (statistics.median(recoveries), max(recoveries)) if recoveries else None,
        sum(one.get("log_lines", 0) for one in rounds),
    )


def as_text(lines: Sequence[Line]) -> str:
    """Return the table in columns."""
    cells = [_COLUMNS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
    rows = (
        "  ".join(cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in cells)
    )
    return "\n".join(row.rstrip() for row in rows)
