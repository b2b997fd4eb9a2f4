"""What a run of chaos was asked to do: read once from the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "build" / "chaos"
"""Where runs keep their data and logs, and where the log of rounds is, unless told otherwise."""

Mode = Literal["single", "mixed", "none"]
Sabotage = Literal["skip", "twice", "row", "aggregate", "alert", "letter", "ledger", "span", "session", "envelope"]
SABOTAGES: tuple[Sabotage, ...] = get_args(Sabotage)
"""What is done wrong on purpose, to prove that the comparison sees it."""


@dataclass(frozen=True)
class Options:
    """The options of ``python -m tests.chaos run``; see there.

    ``settings`` is a number of :data:`tests.chaos.settings.VARIANTS`, chosen by the seed where it is ``None``.
    ``rate`` is in events a second, ``seconds`` is the least time over which a round's events are spread. ``plain``
    leaves out the spans, sessions and envelopes that are sent besides.
    """

    seed: int
    rounds: int = 10
    mode: Mode = "single"
    kinds: tuple[str, ...] = ()
    settings: int | None = None
    seconds: float = 20
    rate: float = 450
    issues: int = 40
    sabotage: Sabotage | None = None
    product: Path = ROOT
    compiled: Path | None = None
    directory: Path | None = None
    log: Path = RUNS / "rounds.jsonl"
    workers: int = 2
    keep: bool = False
    go_on: bool = False
    plain: bool = False

    @property
    def variant(self) -> int:
        """The number of the settings that the installation runs with."""
        return self.seed % 4 if self.settings is None else self.settings

    @property
    def python(self) -> str:
        """The interpreter that has the product installed."""
        own = self.product / ".venv" / "bin" / "python"
        return str(own) if own.exists() else sys.executable
