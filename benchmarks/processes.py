"""What a process uses, as Linux tells: CPU time, memory, open file descriptors, threads."""

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
    return _status(pid, "VmHWM") * 1024 / 1e6


def resident_megabytes(pid: int) -> float:
    """Return the resident size now, in megabytes of 10^6 bytes (proc(5), status, VmRSS)."""
    return _status(pid, "VmRSS") * 1024 / 1e6


def threads(pid: int) -> int:
    """Return the number of threads (proc(5), status, Threads)."""
    return _status(pid, "Threads")


def descriptors(pid: int) -> int:
    """Return the number of open file descriptors (proc(5), fd)."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def command_line(pid: int) -> list[str]:
    """Return the arguments that a process was started with (proc(5), cmdline)."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").removesuffix("\0").split("\0")


def busy_seconds() -> float:
    """Return the CPU time that everything on the machine has used, on all cores together (proc(5), stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} has no {field}")
