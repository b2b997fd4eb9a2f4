"""A small disk for the data of one server, so that it can be full: a file system in memory. Only root can make one."""

from __future__ import annotations

import subprocess
from pathlib import Path

MEGABYTES = 768


class NoDisk(Exception):
    """There is none to be had; the message says why."""


class Disk:
    """A file system in memory, mounted over a directory.

    Raises:
        NoDisk: it cannot be mounted here.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        _run("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(directory))

    def unmount(self) -> None:
        """Throw it away with all that is on it.

        Raises:
            NoDisk: something still uses it.
        """
        _run("umount", str(self._directory))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoDisk(str(error)) from None
    if done.returncode != 0:
        raise NoDisk(done.stderr.strip() or f"{command[0]}: exit code {done.returncode}")
