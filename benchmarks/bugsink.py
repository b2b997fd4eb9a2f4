"""Bugsink, the leanest self-hosted tracker, as its manual runs it on a single server, in an environment of its own.

Installed from PyPI into the user's cache, so that its Django meets none of our libraries. See
https://www.bugsink.com/docs/single-server-production/.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.cache import DownloadError, cached
from deploy.local.component import Component
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process

VERSION = "2.6.1"
GUNICORN_WORKERS = 2
"""One a core here; its manual has as many."""

_QUOTAS = "\n".join(
    f'BUGSINK["MAX_EVENTS_{whom}PER_{period}"] = 10_000_000'
    for whom in ("", "PER_PROJECT_")
    for period in ("5_MINUTES", "HOUR", "MONTH")
)
_NEW_PROJECT = """
from projects.models import Project
print("key:" + Project.objects.create(name="benchmark").sentry_key.hex)
"""


def installed() -> Path:
    """Return the directory with Bugsink's packages, downloaded if it is not there yet.

    Raises :class:`~pipeline.errors.Unavailable` when it cannot be downloaded.
    """

    def install(directory: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", f"--target={directory}", f"bugsink=={VERSION}"]
        if subprocess.run(command, check=False).returncode:
            raise DownloadError("pip could not install it")

    return cached(f"bugsink/{VERSION}", install, title=f"Bugsink {VERSION}", need_megabytes=300, option="--no-peer")


class Program(Component):
    """One of Bugsink's two processes, in a directory of its own."""

    version = VERSION

    def __init__(
        self, name: str, arguments: list[str], directory: Path, environment: dict[str, str], port: int
    ) -> None:
        self.name = name
        self.address = f"{LOOPBACK}:{port}"
        self._arguments = arguments
        self._directory = directory
        self._environment = environment
        self._port = port

    def prepare(self) -> Process:
        """Return the process; everything else is in place."""
        log = self._directory / f"{self.name}.log"
        command = [sys.executable, *self._arguments]
        return Process(command, log=log, directory=self._directory, environment=self._environment)

    def answers(self) -> bool:
        """Ask whether the port is open; the background process has none, and is left to itself."""
        if not self._port:
            return True
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def bugsink(directory: Path) -> Iterator[tuple[int, str]]:
    """Run Bugsink with a project; yield its port and the project's key. The project's number is 1."""
    directory.mkdir()
    port = free_port()
    environment = {"PYTHONPATH": str(installed()), "DJANGO_SETTINGS_MODULE": "bugsink_conf"}

    def script(name: str, *arguments: str) -> str:
        program = f"import sys; from bugsink.scripts.{name} import main; sys.exit(main())"
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(
            command, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout

    script("create_conf", "--template=singleserver", f"--host={LOOPBACK}", f"--base-dir={directory}")
    with (directory / "bugsink_conf.py").open("a") as settings:
        settings.write(f"\n{_QUOTAS}\n")
    script("manage", "migrate")
    script("manage", "migrate", "snappea", "--database=snappea")
    found = re.search(r"key:(\w+)", script("manage", "shell", "-c", _NEW_PROJECT))
    assert found is not None
    background = "from bugsink.scripts.runsnappea import main; main()"
    web = ["-m", "gunicorn", f"--bind={LOOPBACK}:{port}", f"--workers={GUNICORN_WORKERS}", "bugsink.wsgi"]
    with (
        Program("bugsink-background", ["-c", background], directory, environment, 0),
        Program("bugsink-web", web, directory, environment, port),
    ):
        yield port, found[1]
