"""A gateway process of the local stack."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.component import Component
from deploy.local.ports import LOOPBACK
from deploy.local.process import Process
from pipeline import __version__

LOCAL_KEY = "0" * 31 + "1"
"""The key in the DSN that is shown where no project is configured: then any key will do."""


class Gateway(Component):
    """One gateway on ``port`` of the loopback.

    ``environment`` says where Kafka is (see :mod:`pipeline.config.settings`); it runs in this process's directory, so
    that it finds the same ``aftershock.toml``. What waits for Kafka waits in ``data``. With ``share_port`` several run
    on one port.
    """

    name = "Gateway"
    version = __version__

    def __init__(
        self, *, port: int, environment: Mapping[str, str], data: Path, log: Path, share_port: bool = False
    ) -> None:
        self.port = port
        self.address = f"http://{LOOPBACK}:{port}"
        self._environment = {**environment, "AFTERSHOCK_DATA": str(data)}
        self._log = log
        self._options = ["--share-port"] if share_port else []

    def dsn(self, project: str | int = 1, key: str = LOCAL_KEY) -> str:
        """Return the DSN of a project."""
        return f"http://{key}@{LOOPBACK}:{self.port}/{project}"

    def prepare(self) -> Process:
        """Return the process; everything else is in place."""
        return Process(
            [sys.executable, "-m", "pipeline", "gateway", f"--host={LOOPBACK}", f"--port={self.port}", *self._options],
            log=self._log,
            directory=Path.cwd(),
            environment={**self._environment, "PYTHONUNBUFFERED": "1"},
        )

    def answers(self) -> bool:
        """Ask ``/health/ready`` whether events go to Kafka; before that it keeps them on disk."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            state = json.loads(connection.getresponse().read())
            return bool(state["ready"] and not state["missing"])
        except (OSError, ValueError, http.client.HTTPException):
            return False
        finally:
            connection.close()
