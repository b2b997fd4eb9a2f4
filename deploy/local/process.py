"""One child process with a log file: start, end gently or at once, never outlive this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_CHILD = Path(__file__).with_name("child.py")


class Process:
    """A command that can be started again after it has ended.

    ``log`` receives standard output and standard error; the previous run's is kept as ``<log>.1``. ``environment`` is
    added to this process's own. With ``ends_with_stdin`` the command is ended by closing its standard input, which
    stays open as long as this process lives; otherwise by SIGTERM. The child gets a session of its own, so that Ctrl-C
    on the terminal reaches this process alone, which ends its children in order.

    Start it from a thread that lives as long as the child shall (see :mod:`deploy.local.child`).
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        ends_with_stdin: bool = False,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._directory = directory
        self._environment = dict(environment or {})
        self._ends_with_stdin = ends_with_stdin
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command; an error to do so ends up in its log and exit code like any other failure of it."""
        if self.running:
            raise RuntimeError(f"{self.command[0]} is running already")
        self._directory.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), *self.command],
                stdin=subprocess.PIPE if self._ends_with_stdin else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process id of the last start, None before the first."""
        return self._popen.pid if self._popen else None

    @property
    def running(self) -> bool:
        """Whether the command has been started and has not ended yet."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it), None while it runs or before it was started."""
        return self._popen.poll() if self._popen else None

    def wait(self, seconds: float = 60.0) -> None:
        """Return once the command has ended; raises :class:`subprocess.TimeoutExpired` after ``seconds``."""
        if self._popen is not None:
            self._popen.wait(seconds)

    def ask_to_end(self) -> None:
        """Ask the command to end and do not wait for it."""
        if self._popen is not None and self._ends_with_stdin:
            self._close_stdin(self._popen)
        else:
            self._signal(signal.SIGTERM)

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Ask the command to end, wait up to ``grace_seconds``, then kill it. Does nothing if it is not running."""
        if self._popen is None:
            return
        self.ask_to_end()
        try:
            self.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the command and everything it started with SIGKILL, and wait until it is gone."""
        if self._popen is None:
            return
        self._signal(signal.SIGKILL)
        self._popen.wait()
        self._close_stdin(self._popen)

    def last_lines(self, count: int = 10) -> list[str]:
        """Return the last ``count`` lines of this run's log, empty if there is none."""
        try:
            size = self.log.stat().st_size
            with self.log.open("rb") as log:
                log.seek(max(0, size - 16_384))
                return log.read().decode(errors="replace").splitlines()[-count:]
        except FileNotFoundError:
            return []

    def _close_stdin(self, popen: subprocess.Popen[bytes]) -> None:
        if popen.stdin is not None:
            popen.stdin.close()

    def _signal(self, signum: int) -> None:
        # poll() first: once the child has been waited for, its number may belong to another process.
        if self._popen is not None and self._popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signum)
