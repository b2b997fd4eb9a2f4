"""A real ClickHouse server without an installation: the engine of chDB's npm package, listening on the loopback.

clickhouse-local has two statements that make it a server, ``SYSTEM START LISTEN HTTP`` and a query that does not end;
the query here reads standard input, which stays open as long as this process lives. Databases and tables made over
HTTP are in ``--path`` and are there again after a restart, also after kill -9.
"""

from __future__ import annotations

import http.client
import platform
import sys
from pathlib import Path

from deploy.local.cache import cached
from deploy.local.component import Component
from deploy.local.npm import extract
from deploy.local.ports import LOOPBACK
from deploy.local.process import Process
from pipeline.errors import Misconfigured

VERSION = "26.7.3-stable.1"

# (operating system, machine) as the platform module names them, to package and the SHA-512 of its archive. chDB 3.4.0
# lists these four as its native packages; without a checksum the package manager's own check is the only one.
_PACKAGES: dict[tuple[str, str], tuple[str, str | None]] = {
    ("Linux", "x86_64"): (
        "@chdb/lib-linux-x64-gnu",
        "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
    ),
    ("Linux", "aarch64"): ("@chdb/lib-linux-arm64-gnu", None),
    ("Darwin", "arm64"): ("@chdb/lib-darwin-arm64", None),
    ("Darwin", "x86_64"): ("@chdb/lib-darwin-x64", None),
}
_LIBRARY = "libchdb.so"
# The archive twice (npm's cache and the file) and the library unpacked.
_NEED_MEGABYTES = 1_000
_SERVE = "SYSTEM START LISTEN HTTP; SELECT count() FROM file('/dev/stdin', 'LineAsString')"


def package_for(system: str, machine: str, libc: str) -> tuple[str, str | None]:
    """Return npm package and checksum for a platform, named as the ``platform`` module does.

    Raises :class:`~pipeline.errors.Misconfigured` for one that there is no package for, naming those there are.
    """
    package = _PACKAGES.get((system, machine))
    if package is None or (system == "Linux" and libc != "glibc"):
        here = f"{system} on {machine}" + (
            f" with {libc or 'another C library than glibc'}" if system == "Linux" else ""
        )
        raise Misconfigured(
            f"the local ClickHouse does not run on {here}; it does on Linux with glibc and on macOS, x86-64 and arm64: "
            "name an existing server with --clickhouse"
        )
    return package


def library() -> Path:
    """Return the path of the engine's library, downloaded (about 180 MB, 570 MB unpacked) if it is not there yet.

    Raises :class:`~pipeline.errors.Misconfigured` or :class:`~pipeline.errors.Unavailable` with what to do.
    """
    package, integrity = package_for(platform.system(), platform.machine(), platform.libc_ver()[0])
    name = f"clickhouse/{VERSION}-{platform.system()}-{platform.machine()}".lower()
    title = f"ClickHouse ({package}@{VERSION})"

    def fill(directory: Path) -> None:
        extract(package, VERSION, _LIBRARY, directory, integrity)

    place = cached(name, fill, title=title, need_megabytes=_NEED_MEGABYTES, option="--clickhouse")
    return place / _LIBRARY


class ClickHouse(Component):
    """A ClickHouse server that keeps its data in ``directory`` and speaks HTTP on ``port`` of the loopback.

    User ``default``, no password, and no connection from elsewhere. Every acknowledged insert survives kill -9 of the
    server (not a power cut: parts are not synced to disk one by one).
    """

    name = "ClickHouse"
    version = f"chDB {VERSION}"

    def __init__(self, directory: Path, *, port: int, log: Path) -> None:
        self.port = port
        self.address = f"http://{LOOPBACK}:{port}"
        self._directory = directory
        self._log = log

    def prepare(self) -> Process:
        """Fetch the engine if it is not there yet."""
        config = Path(__file__).with_name("clickhouse.xml")
        return Process(
            [
                sys.executable,
                "-I",
                "-S",
                str(Path(__file__).with_name("clickhouse_process.py")),
                str(library()),
                f"--config-file={config}",
                f"--path={self._directory}",
                f"--listen_host={LOOPBACK}",
                f"--http_port={self.port}",
                "--multiquery",
                f"--query={_SERVE}",
            ],
            log=self._log,
            directory=self._directory,
            environment={"AFTERSHOCK_CLICKHOUSE_CONFIG": str(config)},
            ends_with_stdin=True,
        )

    def answers(self) -> bool:
        """Ask ``/ping``."""
        return answers_ping(LOOPBACK, self.port)


def answers_ping(host: str, port: int) -> bool:
    """Tell whether a ClickHouse server answers ``/ping`` over plain HTTP."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
