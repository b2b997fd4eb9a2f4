"""The processes of the product in an installation: workers, each under a supervisor, and a gateway."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from deploy.local.ports import LOOPBACK
from tests.chaos.children import Child, alive, children_of, resident_megabytes
from tests.chaos.options import Options
from tests.chaos.servers import Ports
from tests.chaos.settings import HASH_KEY


class Program:
    """A program of the product that a supervisor starts again a second after it has ended.

    ``wanted`` says that it should run; ``expected_end`` names the fault that ends it, and is ``None`` where it ends by
    itself.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self.wanted = False
        self.again_at = 0.0
        self.expected_end: str | None = None
        self.stage_pids: list[int] = []

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.child.name

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.child.running

    def launch(self) -> None:
        """Start it."""
        self.wanted = True
        self.expected_end = None
        self.child.start()

    def stages(self) -> list[int]:
        """Return the processes of a worker's stages."""
        return children_of(self.child.pid) if self.running else []


class Worker(Program):
    """One worker, whose connections to Kafka and ClickHouse go through routes of its own."""

    def __init__(self, slot: int, options: Options, directory: Path, ports: Ports) -> None:
        environment = {
            **installed_at(
                f"{LOOPBACK}:{ports.kafka_proxy[slot]}", f"http://{LOOPBACK}:{ports.clickhouse_proxy[slot]}", directory
            ),
            "PYTHONUNBUFFERED": "1",
        }
        if options.compiled:
            environment["PYTHONPATH"] = str(options.compiled)
        self.slot = slot
        self.web_port = ports.web[slot]
        self.peak_main = self.peak_all = 0.0
        super().__init__(
            Child(
                f"w{slot}",
                [options.python, "-m", "pipeline", "worker", f"--web-port={self.web_port}"],
                log=directory / "logs" / f"worker-{slot}.log",
                directory=directory,
                environment=environment,
            )
        )

    def measure(self) -> None:
        """Note how much memory it has now, with its stages and alone, in megabytes."""
        if self.running:
            main = resident_megabytes(self.child.pid)
            self.peak_main = max(self.peak_main, main)
            self.peak_all = max(self.peak_all, main + sum(map(resident_megabytes, self.stage_pids)))


class Gateway(Program):
    """The gateway; what waits for Kafka waits on its disk, also while it is away."""

    def __init__(self, options: Options, directory: Path, ports: Ports) -> None:
        self.port = ports.gateway
        super().__init__(
            Child(
                "gateway",
                [options.python, "-m", "pipeline", "gateway", f"--host={LOOPBACK}", f"--port={self.port}"],
                log=directory / "logs" / "gateway.log",
                directory=directory,
                environment={
                    **installed_at(ports.bootstrap, f"http://{LOOPBACK}:{ports.clickhouse}", directory),
                    "AFTERSHOCK_DATA": str(directory / "gateway"),
                    "PYTHONUNBUFFERED": "1",
                },
            )
        )

    def answers(self) -> bool:
        """Say whether what it takes goes to Kafka at once: nothing waits on disk."""
        status, body = page(self.port, "/health/ready", seconds=2)
        try:
            return status == 200 and not json.loads(body)["missing"]
        except (ValueError, KeyError):
            return False


def installed_at(kafka: str, clickhouse: str, directory: Path) -> dict[str, str]:
    """Return the environment that tells a program of the product where everything is."""
    return {
        "AFTERSHOCK_KAFKA": kafka,
        "AFTERSHOCK_CLICKHOUSE": clickhouse,
        "AFTERSHOCK_CONFIG": str(directory / "aftershock.toml"),
        "AFTERSHOCK_HASH_KEY": HASH_KEY,
    }


def page(port: int, path: str, *, seconds: float = 1.5) -> tuple[int, bytes]:
    """Return status and body of a page on the loopback; status 0 if there is no answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


class Orphans:
    """Stage processes that should end with their worker: who is still there some seconds later."""

    _GRACE_S = 8.0

    def __init__(self) -> None:
        self.found: list[list[int]] = []
        self._watched: list[tuple[float, list[int]]] = []

    def expect_end(self, pids: list[int], now: float) -> None:
        """Note processes whose worker has just ended."""
        self._watched.append((now + self._GRACE_S, list(pids)))

    def look(self, now: float) -> list[int]:
        """Return those that should be gone by now and are not."""
        due = [pids for at, pids in self._watched if now >= at]
        self._watched = [entry for entry in self._watched if now < entry[0]]
        left = [[pid for pid in pids if alive(pid)] for pids in due]
        self.found += [pids for pids in left if pids]
        return [pid for pids in left for pid in pids]
