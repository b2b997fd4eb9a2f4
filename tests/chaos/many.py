"""Several seeds, some of them at a time, each in a process of its own: all rounds into one log, and the table of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.options import ROOT
from tests.chaos.table import as_text, read_rounds, table


def seeds_of(text: str) -> list[int]:
    """Return the seeds of ``0-3,7``.

    Raises:
        ValueError: it is not written so.
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def many(seeds: Sequence[int], arguments: Sequence[str], *, parallel: int, log: Path) -> bool:
    """Run seeds, so many at a time, with the same arguments; return whether nothing was wrong in any of them.

    ``log`` gets one line of JSON for each round, behind those that it has; the table is of the new ones.
    """
    before = len(read_rounds([log])) if log.exists() else 0

    def one(seed: int) -> int:
        command = [sys.executable, "-m", "tests.chaos", "run", str(seed), *arguments, f"--log={log}"]
        return subprocess.run(command, cwd=ROOT, check=False).returncode

    with ThreadPoolExecutor(parallel) as pool:
        codes = list(pool.map(one, seeds))
    if log.exists():
        print(as_text(table(read_rounds([log])[before:])))
    for seed, code in zip(seeds, codes, strict=True):
        if code:
            print(f"seed {seed}: exit code {code}")
    return not any(codes)
