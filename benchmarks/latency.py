"""How long it takes from Kafka to an alert, and from Kafka to a row that can be queried, at a steady rate.

``python -m benchmarks.latency`` starts Apache Kafka, ClickHouse and one worker, and sends 1,000 events a second for
half a minute. Every 20th event is the first of an issue of its own, so it has to raise a "new issue" alert. A consumer
of the alert topic notes when each alert comes, and a query every 0.1 s which rows are visible. Both times are counted
from the moment at which the event is handed to the producer, so they hold its sending, too, and the wait for the next
query. Exit code 1 says that a target was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from benchmarks import say_how
from benchmarks.contenders import contender
from benchmarks.events import PROJECT, Generator
from benchmarks.servers import BROKERS, Place, servers
from benchmarks.settings import versions
from benchmarks.targets import Target
from schemas.alert import decode_alert

NEWS_EVERY = 20
POLL_SECONDS = 0.1
CLOCK_SECONDS = 1.0
"""An event is made up to so long before it is sent."""
PATIENCE_SECONDS = 60.0
MOST_ALERT_SECONDS = 2.0
MOST_ROW_SECONDS = 3.0

_encode = msgspec.json.Encoder().encode


@dataclass
class Seen:
    """When each event was sent, by id, and when its row and its alert were seen; seconds of the wall clock."""

    sent: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    news: set[str] = field(default_factory=set)
    rows: dict[str, float] = field(default_factory=dict)
    alerts: dict[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything that was sent has been seen."""
        return len(self.rows) >= len(self.sent) and len(self.alerts) >= len(self.news)


@dataclass
class Latency:
    """The times of one kind in seconds."""

    count: int
    p50: float
    p99: float
    longest: float


def latency(sent: dict[str, float], seen: dict[str, float]) -> Latency:
    """Return percentiles of what was seen of what was sent."""
    took = sorted(seen[key] - sent[key] for key in seen)
    if not took:
        return Latency(0, 0.0, 0.0, 0.0)
    return Latency(len(took), took[len(took) // 2], took[int(len(took) * 0.99)], took[-1])


def parted(sent: dict[str, float], seen: dict[str, float], seconds: float) -> tuple[Latency, Latency]:
    """Return the times of what was sent in the first seconds, and of what was sent after them."""
    until = min(sent.values()) + seconds
    first = {key: at for key, at in seen.items() if sent[key] < until}
    after = {key: at for key, at in seen.items() if sent[key] >= until}
    return latency(sent, first), latency(sent, after)


def send(place: Place, generator: Generator, seen: Seen, rate: int, seconds: float) -> None:
    """Send events at a steady rate; every 20th is the first of a new issue."""
    producer = Producer({"bootstrap.servers": place.servers.broker.address, "linger.ms": 5, "compression.type": "lz4"})
    topic = place.topic("errors")
    events = generator.events(int(rate * seconds))
    started = time.monotonic()
    for number, (key, value) in enumerate(events):
        if number % NEWS_EVERY == 0:
            value = as_news(value)
            seen.news.add(key)
        time.sleep(max(started + number / rate - time.monotonic(), 0))
        seen.sent[key] = time.time()
        seen.order.append(key)
        producer.produce(topic, value, key=key.encode(), headers={"project": PROJECT})
        producer.poll(0)
    producer.flush(30)


def as_news(payload: bytes) -> bytes:
    """Return an event as one of an issue that was never seen."""
    event = msgspec.json.decode(payload)
    event["fingerprint"] = ["benchmark", uuid.uuid4().hex]
    return _encode(event)


def watch_alerts(place: Place, seen: Seen, over: threading.Event) -> None:
    """Note when each "new issue" alert comes to a consumer of the alert topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": place.servers.broker.address,
            "group.id": place.name,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.assign([TopicPartition(place.topic("alerts"), 0, OFFSET_BEGINNING)])
    while not over.is_set():
        message = consumer.poll(0.1)
        if message is not None:
            _note(message, seen)
    consumer.close()


def _note(message: Message, seen: Seen) -> None:
    now = time.time()
    error = message.error()
    if error is not None:
        if error.code() == KafkaError._PARTITION_EOF:
            return
        raise RuntimeError(f"the alert topic cannot be read: {error}")
    alert = decode_alert(message.value() or b"")
    for event_id in alert.event_ids:
        if alert.kind == "new_issue" and event_id in seen.news:
            seen.alerts.setdefault(event_id, now)


def watch_rows(place: Place, seen: Seen, over: threading.Event) -> None:
    """Note which rows are visible, ten times a second; rows older than the oldest one that is awaited are left out."""
    awaited = 0
    while not over.is_set():
        while awaited < len(seen.order) and seen.order[awaited] in seen.rows:
            awaited += 1
        if awaited < len(seen.order):
            since = int((seen.sent[seen.order[awaited]] - CLOCK_SECONDS) * 1000)
            found = place.ask(f"SELECT event_id FROM errors WHERE timestamp >= fromUnixTimestamp64Milli({since})")
            now = time.time()
            for event_id in found.split():
                if event_id in seen.sent:
                    seen.rows.setdefault(event_id, now)
        time.sleep(POLL_SECONDS)


def measure(rate: int, seconds: float, broker: str, seed: int) -> Seen:
    """Run servers, worker, sender and watchers; return what was seen when."""
    seen, over = Seen(), threading.Event()
    generator = Generator(seed)
    with servers(broker) as running, running.place("latency") as place, contender("aftershock", place) as worker:
        worker.wait_until_ready()
        watchers = [threading.Thread(target=watch, args=(place, seen, over)) for watch in (watch_alerts, watch_rows)]
        for watcher in watchers:
            watcher.start()
        try:
            send(place, generator, seen, rate, seconds)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not seen.complete and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            over.set()
            for watcher in watchers:
                watcher.join()
    if not seen.complete:
        raise RuntimeError(
            f"after {PATIENCE_SECONDS:.0f} s {len(seen.rows)} rows of {len(seen.sent)} and {len(seen.alerts)} alerts "
            f"of {len(seen.news)} had been seen"
        )
    return seen


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description="Measure delays at a steady rate."
    )
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to send, after the warm-up")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds that are shown apart")
    parser.add_argument("--broker", choices=tuple(BROKERS), default="apache")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    options = parser.parse_args(arguments)
    say_how()
    seen = measure(options.rate, options.warm_up + options.seconds, options.broker, options.seed)
    first_alerts, alerts = parted(seen.sent, seen.alerts, options.warm_up)
    first_rows, rows = parted(seen.sent, seen.rows, options.warm_up)
    setting = versions(options.broker)
    judged = [
        Target("to the alert on the topic, p99, s", alerts.p99, MOST_ALERT_SECONDS, at_least=False),
        Target("to the row in a query, p99, s", rows.p99, MOST_ROW_SECONDS, at_least=False),
    ]
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    shown = {"alerts": alerts, "rows": rows, "alerts, warm-up": first_alerts, "rows, warm-up": first_rows}
    for name, found in shown.items():
        print(
            f"{name:<15} {found.count:6d}   p50 {found.p50:.2f} s   p99 {found.p99:.2f} s   most {found.longest:.2f} s"
        )
    for target in judged:
        print(target.line())
    if options.json:
        document = {"versions": setting, "rate": options.rate, **{name: asdict(found) for name, found in shown.items()}}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(target.met for target in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
