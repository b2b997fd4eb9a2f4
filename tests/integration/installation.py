"""An installation of Aftershock for one test: topics and a database of its own, real workers, real messages."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local.ports import free_port
from deploy.local.worker import Worker
from pipeline.config.settings import load_settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings
from pipeline.errors import AftershockError
from pipeline.store.migrate import migrate_clickhouse, migrate_kafka

EXAMPLE = Path(__file__).parents[2] / "schemas" / "examples" / "errors" / "python-flask-get.json"
Message = tuple[str, bytes, bytes | None]
"""Topic without prefix, value, key."""


class Installation:
    """Topics and tables under the names of one test, and what a test does with them."""

    def __init__(self, kafka: str, clickhouse: str, names: Any, directory: Path) -> None:
        self.kafka = kafka
        self.prefix = names.topic_prefix
        self.directory = directory
        self.config = directory / "aftershock.toml"
        self.environment = {
            "AFTERSHOCK_KAFKA": kafka,
            "AFTERSHOCK_CLICKHOUSE": clickhouse,
            "AFTERSHOCK_TOPIC_PREFIX": names.topic_prefix,
            "AFTERSHOCK_DATABASE": names.database,
            "AFTERSHOCK_HASH_KEY": "a key for tests",
            "AFTERSHOCK_CONFIG": str(self.config),
        }
        self.config.write_text("[kafka]\nsession_timeout_s = 6\n", encoding="utf-8")
        self.clickhouse = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
        self._workers = 0

    def configure(self, toml: str) -> None:
        """Add to the settings file, before workers start."""
        with self.config.open("a", encoding="utf-8") as file:
            file.write(toml)

    def migrate(self) -> None:
        """Create topics and tables as ``aftershock migrate`` does, in this process: starting another takes longer."""
        settings = load_settings(self.config, self.environment)
        migrate_clickhouse(self.clickhouse, settings.retention, lambda _line: None)
        asyncio.run(migrate_kafka(settings, self.clickhouse, lambda _line: None))

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Run a worker, ready when entered."""
        self._workers += 1
        log = self.directory / f"worker-{self._workers}.log"
        with Worker(self._workers, web_port=free_port(), environment=self.environment, log=log) as running:
            yield running

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run ``aftershock`` with these arguments."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments],
            env={**os.environ, **self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def produce(self, messages: Iterable[Message], project: str = "shop") -> None:
        """Send messages, each acknowledged by the broker."""
        asyncio.run(self._produce(list(messages), project))

    async def _produce(self, messages: Sequence[Message], project: str) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka, acks="all", linger_ms=5, max_request_size=25 * 1024 * 1024
        )
        await producer.start()
        try:
            headers = [("project", project.encode())]
            sent = [
                await producer.send(self.prefix + topic, value, key=key, headers=headers)
                for topic, value, key in messages
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    def consume(self, topic: str) -> list[Any]:
        """Return every record that is on a topic now."""
        return asyncio.run(self._consume(self.prefix + topic))

    async def _consume(self, topic: str) -> list[Any]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            await consumer._client.force_metadata_update()
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[Any] = []
            for partition in partitions:
                await consumer.seek_to_beginning(partition)
            while [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
                for fetched in (await consumer.getmany(timeout_ms=500)).values():
                    records.extend(fetched)
            return records
        finally:
            await consumer.stop()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return a query's rows."""
        return self.clickhouse.rows(sql)

    def value(self, sql: str) -> Any:
        """Return the only value of a query; ``None`` while the server is away."""
        try:
            (row,) = self.rows(sql)
        except AftershockError:
            return None
        (value,) = row.values()
        return value

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a condition holds; fail with ``what`` and the ends of the workers' logs if it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(
                    f"{log.name}: {log.read_text(errors='replace')[-2000:]}"
                    for log in sorted(self.directory.glob("worker-*.log"))
                )
                raise AssertionError(f"not within {seconds} s: {what}\n{logs}")
            time.sleep(0.1)

    def wait_for_rows(self, number: int, table: str = "errors", seconds: float = 60) -> None:
        """Wait until a table has so many rows."""
        self.wait_for(
            f"{number} rows in {table}",
            lambda: (self.value(f"SELECT count() AS n FROM {table}") or 0) >= number,
            seconds,
        )


def event(number: int = 0, *, group: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an error event made from a captured one: its own id, now, one of 100 users, the type of its group."""
    made: dict[str, Any] = json.loads(EXAMPLE.read_bytes())
    made["event_id"] = uuid.uuid4().hex
    made["timestamp"] = time.time()
    made["user"] = {"id": str(number % 100)}
    made["exception"]["values"][-1]["type"] = f"Failure{group}"
    made.update(fields)
    return made


def message(made: dict[str, Any], topic: str = "errors") -> Message:
    """Return an event as a message with its key."""
    return topic, json.dumps(made).encode(), made["event_id"].encode()
