"""What a process has used so far, as Linux tells: CPU time and memory."""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None)


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process and its threads (clock_getcpuclockid(3)).

    /proc has it in hundredths of a second only: a short load may take none of them.

    Raises:
        ProcessLookupError: there is no such process.
    """
    clock = ctypes.c_int()
    error = _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise ProcessLookupError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


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
