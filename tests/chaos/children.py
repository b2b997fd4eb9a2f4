"""Child processes: started again and again, each time with a log file of its own, and never left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_CHILD = Path(__file__).resolve().parents[2] / "deploy" / "local" / "child.py"


class Child:
    """A command that is started by the main thread and ends with it, in a session of its own.

    The log of each start is ``<log's stem>-<number>.log``; ``stdin`` keeps a pipe to it open.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        stdin: bool = False,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment or {})
        self.starts = 0
        self.log = log
        self._log_stem = log
        self._directory = directory
        self._stdin = stdin
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command."""
        self.starts += 1
        self.log = self._log_stem.with_name(f"{self._log_stem.stem}-{self.starts}.log")
        with self.log.open("wb") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), *self.command],
                stdin=subprocess.PIPE if self._stdin else subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self.popen is not None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.popen is not None and self.popen.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        assert self.popen is not None, f"{self.name} was never started"
        return self.popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last start, ``None`` while it runs."""
        return None if self.popen is None else self.popen.poll()

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the process, or to all of its session, if it runs."""
        if self.running:
            with suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(self.pid, number)

    def kill(self) -> None:
        """Kill it with all it has started, and wait until it is gone."""
        self.signal(signal.SIGKILL, group=True)
        if self.popen is not None:
            self.popen.wait()

    def say(self, *words: object) -> None:
        """Write a line to its standard input."""
        assert self.popen is not None
        assert self.popen.stdin is not None
        self.popen.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.popen.stdin.flush()

    def last_line(self) -> str:
        """Return the last line of its present log, and nothing if there is none."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1][:300] if lines else ""

    def logs(self) -> list[Path]:
        """Return the logs of all starts."""
        return sorted(self._log_stem.parent.glob(f"{self._log_stem.stem}-*.log"))


def signal_quietly(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def children_of(parent: int) -> list[int]:
    """Return the processes that a process has started and that are still its children."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError, IndexError):
                if int(_stat(place)[1]) == parent:
                    found.append(int(place.name))
    return found


def alive(pid: int) -> bool:
    """Say whether a process is there and is no zombie."""
    try:
        return _stat(Path("/proc", str(pid)))[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def resident_megabytes(pid: int) -> float:
    """Return how much memory a process has; 0 if it is gone."""
    try:
        found = re.search(r"VmRSS:\s+(\d+)", Path("/proc", str(pid), "status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _stat(place: Path) -> list[str]:
    """Return the fields of ``/proc/<pid>/stat`` from the state on: state, parent, ..."""
    return (place / "stat").read_text().rsplit(")", 1)[1].split()
