"""What a process has used so far, from Linux's /proc: CPU time and memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process and its threads, to a hundredth of a second (proc(5), stat)."""
    # The second field, the command's name in parentheses, may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def group(leader: int) -> list[int]:
    """Return the processes of a process group, which are those that a component started (proc(5), stat)."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                if int((place / "stat").read_text().rsplit(")", 1)[1].split()[2]) == leader:
                    found.append(int(place.name))
    return found


def peak_megabytes(pid: int) -> float:
    """Return the largest resident size so far, in megabytes of 10^6 bytes (proc(5), status, VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has no VmHWM")
