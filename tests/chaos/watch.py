"""What is watched all the time, from threads: how far the consumer group is, and how each worker says it is."""

from __future__ import annotations

import collections
import json
import threading
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.chaos.workers import Worker, page

LOOK_S = 0.5
_TOPICS_AGAIN_S = 5.0
WATCHED = ("errors", "counts", "alerts", "spans", "sessions")
Place = tuple[str, int]
"""Topic and partition."""


class Position(NamedTuple):
    """How far everything was at ``at`` (seconds since 1970): lag by topic; the offsets of each partition."""

    at: float
    lag: dict[str, int]
    ends: dict[Place, tuple[int, int]]
    committed: dict[Place, int]


class Lag(threading.Thread):
    """Reads twice a second where the topics end, and how far the consumer group has committed.

    ``history`` has one entry a look: time, and the lag of ``errors``, ``counts`` and ``alerts``, each ``None`` while
    Kafka does not answer.
    """

    def __init__(self, bootstrap: str, group: str = "aftershock") -> None:
        super().__init__(daemon=True)
        self.latest: Position | None = None
        self.history: list[tuple[float, int | None, int | None, int | None]] = []
        self.go_on = True
        self._kafka = bootstrap
        self._group = group
        self._consumer: Consumer | None = None
        self._wanted: list[TopicPartition] = []
        self._listed_at = 0.0

    def run(self) -> None:
        """Look until told to stop."""
        while self.go_on:
            begun = time.time()
            try:
                position = self._look(begun)
            except KafkaException:
                self.history.append((begun, None, None, None))
            else:
                self.latest = position
                lag = position.lag
                self.history.append((begun, lag.get("errors"), lag.get("counts"), lag.get("alerts")))
            time.sleep(max(0.0, LOOK_S - (time.time() - begun)))
        if self._consumer is not None:
            self._consumer.close()

    def _look(self, now: float) -> Position:
        consumer = self._connected()
        if not self._wanted or now - self._listed_at > _TOPICS_AGAIN_S:
            topics = consumer.list_topics(timeout=3).topics
            self._wanted = [
                TopicPartition(name, number) for name in WATCHED if name in topics for number in topics[name].partitions
            ]
            self._listed_at = now
        ends: dict[Place, tuple[int, int]] = {}
        for one in self._wanted:
            found = consumer.get_watermark_offsets(one, timeout=2, cached=False)
            if found is None:
                raise KafkaException(f"the ends of {one.topic}-{one.partition} are not known")
            ends[one.topic, one.partition] = found
        committed = {(one.topic, one.partition): one.offset for one in consumer.committed(self._wanted, timeout=3)}
        return Position(now, lag_of(ends, committed), ends, committed)

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    "bootstrap.servers": self._kafka,
                    "group.id": self._group,
                    "log_level": 0,
                    "enable.auto.commit": False,
                    "reconnect.backoff.max.ms": 500,
                }
            )
        return self._consumer

    def nothing_waits_since(self, at: float) -> bool:
        """Say whether a look after ``at`` has found that everything was committed."""
        return self.latest is not None and self.latest.at > at and not any(self.latest.lag.values())


def lag_of(ends: dict[Place, tuple[int, int]], committed: dict[Place, int]) -> dict[str, int]:
    """Return how many offsets are not committed, by topic. A partition without a commit counts from its beginning."""
    lag: collections.Counter[str] = collections.Counter()
    for place, (low, high) in ends.items():
        lag[place[0]] += max(high - max(committed.get(place, low), low), 0)
    return dict(lag)


class Seen(NamedTuple):
    """What a worker's health pages said: their statuses (0: no answer), and what the second says is missing."""

    at: float
    live: int
    ready: int
    missing: str


class Pages(threading.Thread):
    """Asks a worker's health pages twice a second, from its first start on."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(daemon=True)
        self.seen: list[Seen] = []
        self.go_on = True
        self._worker = worker

    def run(self) -> None:
        """Ask until told to stop."""
        while self.go_on:
            now = time.time()
            if self._worker.child.started:
                live, _ = page(self._worker.web_port, "/health/live")
                ready, body = page(self._worker.web_port, "/health/ready")
                self.seen.append(Seen(now, live, ready, _missing(body)))
            time.sleep(max(0.0, LOOK_S - (time.time() - now)))

    def ready_since(self, at: float) -> bool:
        """Say whether the worker was ready when last asked, after ``at``."""
        return bool(self.seen) and self.seen[-1].at > at and self.seen[-1].ready == 200

    @property
    def ready(self) -> bool:
        """Whether the worker was ready when last asked."""
        return self.ready_since(0)


def _missing(body: bytes) -> str:
    if not body:
        return ""
    try:
        return ",".join(json.loads(body)["missing"])
    except (ValueError, KeyError):
        return "?"


Stretch = tuple[float, float, int, int, str]
"""From and to, in seconds since a beginning, and what was said all the while: live, ready, missing."""


def stretches(seen: Iterable[Seen], since: float) -> list[Stretch]:
    """Return what was said from ``since`` on, as stretches in which it was the same."""
    found: list[Stretch] = []
    for at, live, ready, missing in seen:
        if at < since:
            continue
        elapsed = round(at - since, 1)
        if found and found[-1][2:] == (live, ready, missing):
            found[-1] = (found[-1][0], elapsed, live, ready, missing)
        else:
            found.append((elapsed, elapsed, live, ready, missing))
    return found


Lags = Sequence[tuple[float, int | None, int | None, int | None]]


def recovery(history: Lags, faults: Sequence[tuple[float, float]], load_end: float, usual: float) -> dict[str, float]:
    """Return the largest lag since the first fault, and how long after the last fault's end it was small again.

    Args:
        history: as :class:`Lag` has it.
        faults: begin and end of each.
        load_end: when the last event was sent.
        usual: the lag of ``errors`` that is nothing special under load.

    Returns:
        ``peak_lag`` in events; ``back_s``, after how many seconds it was at most ``usual`` and stayed so; ``zero_s``,
        after how many it was zero once nothing was sent any more. Those that never happened are left out.
    """
    if not faults:
        return {}
    first, last = min(begun for begun, _ in faults), max(ended for _, ended in faults)
    most = max((errors for at, errors, _, _ in history if errors is not None and at >= first), default=0)
    back: float | None = None
    for at, errors, counts, _ in history:
        if at <= last:
            continue
        if errors is None or errors > usual or (counts or 0) > 400:
            back = None
        elif back is None:
            back = at - last
    zero = next((at - last for at, errors, counts, _ in history if at > load_end and errors == 0 and counts == 0), None)
    found = {"peak_lag": float(most), "back_s": back, "zero_s": zero}
    return {name: round(value, 1) for name, value in found.items() if value is not None}
