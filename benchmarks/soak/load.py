"""Sends events at a steady rate, from a thread of its own, and writes down the id of each."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from benchmarks.events import PROJECT, Generator
from benchmarks.servers import Place

TICK_S = 0.01
FLUSH_S = 60.0
ADMIN_S = 30.0
LOG_LEVEL = 2
"""Critical only (syslog's levels): delivery reports tell what goes wrong, and the library would write warnings while a
new broker makes its topics, and errors once it is stopped."""

KEPT_BYTES = 512 * 1024 * 1024
"""How much of each partition Kafka keeps: some 10 minutes at full speed, so that hours do not fill the disk. A worker
that lags further behind than this loses events, which the comparison shows."""

SEGMENT_BYTES = 64 * 1024 * 1024


def bound_topic(place: Place) -> None:
    """Make Kafka delete what is older than the last :data:`KEPT_BYTES` of each partition of the errors topic."""
    entries = [
        ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET)
        for name, value in (("retention.bytes", KEPT_BYTES), ("segment.bytes", SEGMENT_BYTES))
    ]
    resource = ConfigResource(ResourceType.TOPIC, place.topic("errors"), incremental_configs=entries)
    client = AdminClient({"bootstrap.servers": place.servers.broker.address, "log_level": LOG_LEVEL})
    for done in client.incremental_alter_configs([resource]).values():
        done.result(ADMIN_S)


class Load(threading.Thread):
    """Sends events until the time is over or it is ended.

    After a delay it sends what is overdue at once, so that the rate over the whole run is the one asked for. The
    producer is idempotent: its own retries do not write an event to Kafka twice.

    Args:
        place: the topics.
        generator: makes the events.
        rate: events a second.
        seconds: for how long.
        ids: the file for the ids, 16 bytes each.
    """

    def __init__(self, place: Place, generator: Generator, rate: float, seconds: float, ids: Path) -> None:
        super().__init__(name="load", daemon=True)
        self.sent = 0
        self.failure: str | None = None
        self._generator = generator
        self._rate = rate
        self._seconds = seconds
        self._ids = ids
        self._topic = place.topic("errors")
        self._ended = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": place.servers.broker.address,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 20,
                "batch.size": 256 * 1024,
                "queue.buffering.max.messages": 20_000,
                "log_level": LOG_LEVEL,
            }
        )

    def run(self) -> None:
        """Send; an error of any kind ends up in ``failure``."""
        try:
            self._send()
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"

    def end(self) -> None:
        """Send no more, and return when Kafka has everything that was sent."""
        self._ended.set()
        self.join(2 * FLUSH_S)

    def check(self) -> None:
        """Raise :class:`RuntimeError` when an event could not be sent."""
        if self.failure is not None:
            raise RuntimeError(f"the load stopped after {self.sent} events: {self.failure}")

    def _send(self) -> None:
        started = time.monotonic()
        with self._ids.open("wb") as ids:
            while not self._ended.is_set() and self.failure is None:
                elapsed = time.monotonic() - started
                due = int(min(elapsed, self._seconds) * self._rate)
                for key, value in self._generator.events(due - self.sent):
                    self._produce(key, value)
                    ids.write(bytes.fromhex(key))
                    self.sent += 1
                    if self._ended.is_set():
                        break
                self._producer.poll(0)
                if elapsed >= self._seconds:
                    break
                self._ended.wait(TICK_S)
        waiting = self._producer.flush(FLUSH_S)
        if waiting and self.failure is None:
            self.failure = f"Kafka had not taken {waiting} events after {FLUSH_S:.0f} s"

    def _produce(self, key: str, value: bytes) -> None:
        while not self._ended.is_set():
            try:
                self._producer.produce(
                    self._topic, value, key=key.encode(), headers={"project": PROJECT}, on_delivery=self._delivered
                )
                return
            except BufferError:
                self._producer.poll(0.05)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self.failure = f"Kafka did not take an event: {error.str()}"
