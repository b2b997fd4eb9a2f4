"""The servers of an installation: Apache Kafka and ClickHouse, and the proxy between them and each worker.

Kafka has a listener for each worker, whose advertised address is the worker's route of the proxy: so all that a worker
says goes through routes of its own, and can be held up or broken for it alone. The harness asks past the proxy.
"""

from __future__ import annotations

import http.client
import json
import sys
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from deploy.local import clickhouse as local_clickhouse
from deploy.local import kafka as local_kafka
from deploy.local.clickhouse import answers_ping
from deploy.local.kafka_protocol import answers_api_versions
from deploy.local.ports import LOOPBACK, free_port
from tests.chaos.children import Child

_DEPLOY = Path(local_kafka.__file__).parent
_DATABASE = "aftershock"


class Ports:
    """Free ports: two for the servers, and five for each worker, by its slot."""

    def __init__(self, slots: Sequence[int]) -> None:
        self.slots = tuple(slots)
        self.kafka, self.clickhouse, self.gateway = free_port(), free_port(), free_port()
        self.kafka_behind = {slot: free_port() for slot in slots}
        self.kafka_proxy = {slot: free_port() for slot in slots}
        self.clickhouse_proxy = {slot: free_port() for slot in slots}
        self.web = {slot: free_port() for slot in slots}

    @property
    def bootstrap(self) -> str:
        """Kafka's address past the proxy."""
        return f"{LOOPBACK}:{self.kafka}"


class Server(Protocol):
    """A server that is started again when it ends by itself. ``died`` counts how often it did."""

    child: Child
    wanted: bool
    died: int

    def launch(self) -> None:
        """Start it."""

    def answers(self) -> bool:
        """Say whether it takes requests."""

    def kill(self) -> None:
        """Kill it, and do not start it again."""


class Kafka:
    """One KRaft node with a listener for each worker."""

    def __init__(self, directory: Path, logs: Path, ports: Ports) -> None:
        self._directory = directory
        self._ports = ports
        self._directory.mkdir(parents=True, exist_ok=True)
        self.wanted = False
        self.died = 0
        self.child = Child("kafka", (), log=logs / "kafka.log", directory=directory)

    def launch(self) -> None:
        """Start it; its storage is formatted the first time."""
        file = self._directory / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        program = local_kafka.java()
        options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        options += [f"-Dlog4j2.configurationFile={_DEPLOY / 'kafka-log4j2.properties'}"]
        options += ["-cp", f"{local_kafka.libraries()}/*"]
        if not (self._directory / "log" / "meta.properties").exists():
            local_kafka._format([program, *options], file)
        self.child.command = [program, "-Xmx400m", *options, "kafka.Kafka", str(file)]
        self.child.start()
        self.wanted = True

    def _properties(self) -> dict[str, str | int]:
        ports = self._ports
        properties = local_kafka.server_properties(self._directory / "log", ports.kafka, free_port())
        controller = str(properties["listeners"]).rpartition("CONTROLLER://")[2]
        plain = f"PLAINTEXT://{ports.bootstrap}"
        behind = [f"P{slot}://{LOOPBACK}:{port}" for slot, port in ports.kafka_behind.items()]
        proxied = [f"P{slot}://{LOOPBACK}:{port}" for slot, port in ports.kafka_proxy.items()]
        protocols = "".join(f",P{slot}:PLAINTEXT" for slot in ports.slots)
        return {
            **properties,
            "listeners": ",".join([plain, *behind, f"CONTROLLER://{controller}"]),
            "advertised.listeners": ",".join([plain, *proxied]),
            "listener.security.protocol.map": f"{properties['listener.security.protocol.map']}{protocols}",
            "inter.broker.listener.name": "PLAINTEXT",
        }

    def answers(self) -> bool:
        """Ask for the protocol versions."""
        return answers_api_versions(LOOPBACK, self._ports.kafka, 1)

    def kill(self) -> None:
        """Kill it, and do not start it again."""
        self.wanted = False
        self.child.kill()


class ClickHouse:
    """A ClickHouse whose data lies in a directory, and the questions that the harness asks it."""

    def __init__(self, directory: Path, logs: Path, ports: Ports, python: str = sys.executable) -> None:
        config = _DEPLOY / "clickhouse.xml"
        directory.mkdir(parents=True, exist_ok=True)
        command = [
            python, "-I", "-S", str(_DEPLOY / "clickhouse_process.py"), str(local_clickhouse.library()),
            f"--config-file={config}", f"--path={directory}", f"--listen_host={LOOPBACK}",
            f"--http_port={ports.clickhouse}", "--multiquery", f"--query={local_clickhouse._SERVE}",
        ]  # fmt: skip
        self.child = Child(
            "clickhouse",
            command,
            log=logs / "clickhouse.log",
            directory=directory.parent,
            environment={"AFTERSHOCK_CLICKHOUSE_CONFIG": str(config)},
            stdin=True,
        )
        self.directory = directory
        self.wanted = False
        self.died = 0
        self._port = ports.clickhouse

    def launch(self) -> None:
        """Start it."""
        self.child.start()
        self.wanted = True

    def answers(self) -> bool:
        """Ask ``/ping``."""
        return answers_ping(LOOPBACK, self._port)

    def kill(self) -> None:
        """Kill it, and do not start it again."""
        self.wanted = False
        self.child.kill()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return a query's rows.

        Raises:
            OSError: the server does not answer.
            RuntimeError: it refuses the query.
        """
        return [json.loads(line) for line in self.run(f"{sql} FORMAT JSONEachRow").splitlines()]

    def run(self, sql: str, *, seconds: float = 60) -> str:
        """Run a statement and return its answer; what it changes has changed then.

        Raises:
            OSError: the server does not answer.
            RuntimeError: it refuses the statement.
        """
        settings = {"database": _DATABASE, "output_format_json_quote_64bit_integers": 0, "mutations_sync": 1}
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=seconds)
        try:
            connection.request("POST", f"/?{urllib.parse.urlencode(settings)}", sql.encode())
            answer = connection.getresponse()
            said = answer.read().decode()
        except http.client.IncompleteRead as error:
            # What went wrong in the middle of an answer stands at its end.
            raise RuntimeError(error.partial[-500:].decode(errors="replace")) from error
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(said[:500])
        return said


class Proxy:
    """The proxy process: a route ``k<slot>`` to Kafka and ``c<slot>`` to ClickHouse for each worker."""

    def __init__(self, directory: Path, logs: Path, ports: Ports) -> None:
        routes = [f"k{slot}={ports.kafka_proxy[slot]}:{ports.kafka_behind[slot]}" for slot in ports.slots]
        routes += [f"c{slot}={ports.clickhouse_proxy[slot]}:{ports.clickhouse}" for slot in ports.slots]
        program = str(Path(__file__).with_name("proxy.py"))
        self.child = Child(
            "proxy", [sys.executable, program, *routes], log=logs / "proxy.log", directory=directory, stdin=True
        )

    def say(self, *words: object) -> None:
        """Give a command: see :mod:`tests.chaos.proxy`."""
        self.child.say(*words)
