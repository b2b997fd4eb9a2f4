"""A worker process of the local stack, and the migrations that have to be applied before the first one starts."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.component import Component
from deploy.local.ports import LOOPBACK
from deploy.local.process import Process
from pipeline import __version__
from pipeline.errors import Misconfigured, Unavailable

_AFTERSHOCK = [sys.executable, "-m", "pipeline"]
_MIGRATE_SECONDS = 300
_MISCONFIGURED = Misconfigured.exit_code


class Worker(Component):
    """One worker, number ``number`` (from 1), whose health and metrics pages are on ``web_port`` of the loopback.

    ``environment`` says where Kafka and ClickHouse are (see :mod:`pipeline.config.settings`); it runs in this process's
    directory, so that it finds the same ``aftershock.toml``.
    """

    version = __version__

    def __init__(self, number: int, *, web_port: int, environment: Mapping[str, str], log: Path) -> None:
        self.name = f"Worker {number}"
        self.port = web_port
        self.address = f"http://{LOOPBACK}:{web_port}"
        self._environment = environment
        self._log = log

    def prepare(self) -> Process:
        """Return the process; everything else is in place."""
        return Process(
            [*_AFTERSHOCK, "worker", f"--web-port={self.port}"],
            log=self._log,
            directory=Path.cwd(),
            environment={**self._environment, "PYTHONUNBUFFERED": "1"},
        )

    def answers(self) -> bool:
        """Ask ``/health/ready``, which says yes once partitions are assigned and the servers answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def migrate(environment: Mapping[str, str]) -> None:
    """Create topics and tables with ``aftershock migrate``.

    Raises :class:`~pipeline.errors.Misconfigured` or :class:`~pipeline.errors.Unavailable` with that command's own
    words.
    """
    try:
        done = subprocess.run(
            [*_AFTERSHOCK, "migrate"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_MIGRATE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the migrations were not finished after {_MIGRATE_SECONDS} s") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        # What libraries log on the way says no more than the command's own last line.
        own = [line.removeprefix("aftershock: ") for line in lines if line.startswith("aftershock: ")]
        said = " | ".join(own or lines[-3:])
        kind = Misconfigured if done.returncode == _MISCONFIGURED else Unavailable
        raise kind(f"the migrations failed: {said}")
