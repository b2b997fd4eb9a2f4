"""Sends the errors of a round straight into Kafka, at about the rate that was asked for, from a thread of its own."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from tests.chaos.load import Event, in_class_a
from tests.chaos.options import Sabotage

_SAME_PACE_EVENTS = 300
_POLL_S = 0.05


class Sender(threading.Thread):
    """Sends events over ``seconds``, faster and slower by turns; ``done`` once each has its answer.

    With the sabotage ``skip`` one event of a group of class A is not sent, with ``twice`` it is sent twice.
    """

    def __init__(
        self,
        producer: Producer,
        project: str,
        events: Sequence[Event],
        *,
        seed: int,
        seconds: float,
        sabotage: Sabotage | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.done = False
        self._producer = producer
        self._project = project
        self._events = events
        self._seconds = seconds
        self._rng = random.Random(seed)
        self._sabotage = sabotage if sabotage in ("skip", "twice") else None

    def run(self) -> None:
        """Send all."""
        at = time.time()
        pause = self._seconds / len(self._events)
        factor = 1.0
        for number, event in enumerate(self._events):
            if number % _SAME_PACE_EVENTS == 0:
                factor = self._rng.uniform(0.6, 1.4)
            if not event.burst:
                at += pause * factor
            while (wait := at - time.time()) > 0:
                self._producer.poll(min(wait, _POLL_S))
            body = event.body(time.time(), self._rng)
            for _ in range(self._times(event)):
                self._send(event, body)
        while self._producer.flush(1) > 0:
            pass
        self.done = True

    def _times(self, event: Event) -> int:
        """Return how often an event is sent."""
        if self._sabotage is None or event.weight != 1 or not in_class_a(event):
            return 1
        times = 0 if self._sabotage == "skip" else 2
        self._sabotage = None
        return times

    def _send(self, event: Event, body: bytes) -> None:
        headers = [("project", self._project.encode())]
        if event.weight != 1:
            headers.append(("weight", f"{event.weight:g}".encode()))
        produce(self._producer, "errors", body, key=event.id.encode(), headers=headers, on_delivery=noted_on(event))


def noted_on(event: Event) -> Callable[[KafkaError | None, Message], None]:
    """Return what notes on an event where Kafka has put it, or why it has not."""

    def note(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            event.failure = str(error)
        else:
            event.partition, event.offset = message.partition(), message.offset()

    return note


def produce(
    producer: Producer,
    topic: str,
    value: bytes,
    *,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
    on_delivery: Callable[[KafkaError | None, Message], None] | None = None,
    timestamp: int = 0,
) -> None:
    """Hand a message to the producer, as soon as it has room; ``timestamp`` is in milliseconds, and now if it is 0."""
    while True:
        try:
            producer.produce(topic, value, key, headers=list(headers), on_delivery=on_delivery, timestamp=timestamp)
            return
        except BufferError:
            producer.poll(0.1)
