"""The buffer between the application and Kafka: takes messages without waiting, sends them from librdkafka's threads.

The buffer is librdkafka's own queue, bounded in messages and bytes. It belongs to one process: after a fork the child
leaves its parent's client alone (those messages are the parent's to send) and makes its own when it needs one.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

Headers = list[tuple[str, str | bytes | None]]
Losses = tuple[tuple[str, int], ...]

TIMED_OUT = frozenset(
    code
    for code in (
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
    )
)
"""Codes that mean "Kafka could not be reached in time"; every other code means that it refused the message."""

KILL_SECONDS = 0.2
"""How long a closing outbox waits for librdkafka to hand back what it had not sent."""


class Outbox:
    """A Kafka producer that never waits, survives forks and says what it could not deliver.

    Args:
        settings: librdkafka's settings.
        on_lost: called as ``on_lost(losses, reason, detail)`` for each message that did not arrive, from whichever
            thread is in :meth:`send`, :meth:`flush`, :meth:`serve` or :meth:`close`.

    Raises:
        confluent_kafka.KafkaException: librdkafka does not accept the settings.
    """

    def __init__(self, settings: Mapping[str, Any], on_lost: Callable[[Losses, str, str], None]) -> None:
        self._settings = {**settings, "error_cb": self._failed}
        self._on_lost = on_lost
        self._lock = threading.RLock()  # reentrant: a signal handler may capture while its thread holds it
        self._reachable = True
        self._fatal = False
        self._delivered: Counter[str] = Counter()
        self.last_error = ""
        self._producer: Producer | None = Producer(self._settings)
        forked = weakref.WeakMethod(self._forked)
        os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    def send(self, topic: str, key: str | None, value: bytes, headers: Headers, losses: Losses) -> None:
        """Put a message into the buffer and return at once.

        Raises ``BufferError`` when the buffer is full and ``KafkaException`` when librdkafka refuses the message (too
        large, say); the message is then not counted by ``on_lost``.
        """
        producer = self._current()
        producer.produce(topic, value, key, on_delivery=partial(self._answered, losses), headers=headers)
        producer.poll(0)

    def serve(self) -> None:
        """Take in what happened since the last call, without waiting."""
        if self._producer is not None:
            self._producer.poll(0)

    def flush(self, seconds: float) -> int:
        """Wait up to ``seconds`` until everything has been answered for; return the number of messages that are not."""
        producer = self._producer
        return 0 if producer is None else int(producer.flush(seconds))

    def close(self) -> None:
        """Give up what is still in the buffer, counting it as lost; a later :meth:`send` starts afresh."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(blocking=False)
            producer.flush(KILL_SECONDS)

    @property
    def delivered(self) -> dict[str, int]:
        """The number of messages that Kafka has acknowledged, by topic, as of the last call."""
        with self._lock:
            return dict(self._delivered)

    @property
    def pending(self) -> int:
        """The number of messages that were taken and not yet answered for."""
        producer = self._producer
        return 0 if producer is None else len(producer)

    @property
    def reachable(self) -> bool:
        """Whether a broker has been reached since all of them were last seen to be down."""
        return self._reachable

    def _current(self) -> Producer:
        with self._lock:
            if self._fatal:
                # An idempotent producer that lost its place (the broker forgot its sequence) refuses everything from
                # then on; only a new one goes on.
                self.close()
                self._fatal = False
            if self._producer is None:
                self._producer = Producer(self._settings)
            return self._producer

    def _answered(self, losses: Losses, error: KafkaError | None, message: Message) -> None:
        if error is None:
            with self._lock:
                self._delivered[message.topic() or ""] += 1
            self._reachable = True
            return
        self._on_lost(losses, "network_error" if error.code() in TIMED_OUT else "send_error", error.str())

    def _failed(self, error: KafkaError) -> None:
        self.last_error = error.str()
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._reachable = False
        if error.fatal():
            self._fatal = True

    def _forked(self) -> None:
        """Run in the child of a fork: leave the parent's client alone and start without one."""
        self._lock = threading.RLock()  # another thread may have held the old one, and is not here to release it
        self._delivered.clear()
        if self._producer is not None:
            # librdkafka's threads are not in the child, and destroying the client waits for them: it must never be
            # destroyed here, not even when the interpreter ends, so it keeps one reference for good.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))
            self._producer = None
