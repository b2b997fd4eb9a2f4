"""The servers to measure on: Apache Kafka and ClickHouse on free ports of the loopback, in a temporary directory.

Each run gets topics and a database of its own, made by ``aftershock migrate``, so runs do not see each other's rows.
"""

from __future__ import annotations

import http.client
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer

from benchmarks.events import PROJECT
from deploy.local.clickhouse import ClickHouse
from deploy.local.component import Component
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.worker import migrate

BROKERS = {"apache": ApacheKafka, "embedded": EmbeddedBroker}

SETTINGS = """
[storage]
then_one_in = 1

[[rule]]
name = "new issue"
kind = "new_issue"
severity = "warning"
window = "1h"

[[rule]]
name = "issue burst"
kind = "count"
severity = "error"
threshold = 100
window = "5m"
cooldown = "10m"

[[rule]]
name = "errors in production"
kind = "count"
severity = "critical"
threshold = 1000
window = "1m"
by = "all"
match = { environment = "production" }
"""
"""Every event is stored whole, as the other contenders do it. The two rules that run without a configuration, and a
count over everything."""


@dataclass
class Place:
    """Topics and a database of one run: ``environment`` names them to ``aftershock`` and to the other contenders."""

    servers: Servers
    name: str
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.environment = {
            "AFTERSHOCK_KAFKA": self.servers.broker.address,
            "AFTERSHOCK_CLICKHOUSE": self.servers.clickhouse.address,
            "AFTERSHOCK_TOPIC_PREFIX": f"{self.name}-",
            "AFTERSHOCK_DATABASE": self.name,
            "AFTERSHOCK_CONFIG": str(self.servers.directory / "aftershock.toml"),
        }

    def topic(self, name: str) -> str:
        """Return a topic's full name."""
        return f"{self.name}-{name}"

    def rows(self) -> int:
        """Return how many rows ``errors`` has."""
        return int(self.ask("SELECT count() FROM errors"))

    def ask(self, sql: str) -> str:
        """Return ClickHouse's answer to a statement in this run's database, as tab-separated text."""
        return self.servers.ask(sql, self.name)


class Servers:
    """The running servers, and one HTTP connection for questions to ClickHouse."""

    def __init__(self, directory: Path, broker: Component, clickhouse: ClickHouse) -> None:
        self.directory = directory
        self.broker = broker
        self.clickhouse = clickhouse
        self._connection = http.client.HTTPConnection(LOOPBACK, clickhouse.port, timeout=60)

    def ask(self, sql: str, database: str) -> str:
        """Return the answer to a statement as text; raises :class:`RuntimeError` when it is refused."""
        try:
            self._connection.request("POST", f"/?database={database}", body=sql.encode())
            response = self._connection.getresponse()
            text = response.read().decode()
        except BaseException:
            # Interrupted in the middle, a connection takes no other question, not even DROP DATABASE at the end.
            self._connection.close()
            raise
        if response.status != http.client.OK:
            raise RuntimeError(f"ClickHouse refused a statement of the benchmark: {text[:300]}")
        return text.strip()

    @contextmanager
    def place(self, name: str) -> Iterator[Place]:
        """Make topics and a database, and drop the database afterwards."""
        place = Place(self, name)
        migrate(place.environment)
        try:
            yield place
        finally:
            self.ask(f"DROP DATABASE {name} SYNC", "default")


@contextmanager
def servers(broker: str) -> Iterator[Servers]:
    """Start a broker (a key of :data:`BROKERS`) and ClickHouse, and end them afterwards."""
    with tempfile.TemporaryDirectory(prefix="aftershock-benchmark-") as name:
        directory = Path(name)
        (directory / "aftershock.toml").write_text(SETTINGS)
        kafka = BROKERS[broker](directory / "kafka", port=free_port(), log=directory / "kafka.log")
        clickhouse = ClickHouse(directory / "clickhouse", port=free_port(), log=directory / "clickhouse.log")
        with kafka, clickhouse:
            yield Servers(directory, kafka, clickhouse)
            # All of it is thrown away: no need to wait for orderly ends.
            kafka.kill()
            clickhouse.kill()


def produce(place: Place, events: Iterable[tuple[str, bytes]]) -> float:
    """Put events on the ``errors`` topic; return how many seconds it took until Kafka had them all."""
    producer = Producer(
        {
            "bootstrap.servers": place.servers.broker.address,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 20_000,
        }
    )
    topic = place.topic("errors")
    started = time.perf_counter()
    for key, value in events:
        while True:
            try:
                producer.produce(topic, value, key=key.encode(), headers={"project": PROJECT})
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    if producer.flush(60) != 0:
        raise RuntimeError("Kafka did not take all events of the benchmark")
    return time.perf_counter() - started
