"""Directed questions: one thing at a time, asked with the parts of an installation instead of with chance."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaException

from tests.chaos.alerts import Alert, AlertTopic
from tests.chaos.errors import TOTALS, compare_rows
from tests.chaos.faults.restarts import restarted
from tests.chaos.installation import Installation
from tests.chaos.ledger import compare_ledger, read_ledger
from tests.chaos.load import Event
from tests.chaos.options import RUNS, Options
from tests.chaos.report import noise
from tests.chaos.schedule import Steps
from tests.chaos.sender import noted_on, produce
from tests.chaos.settings import NEW_ISSUE_RULE, PARTITIONS
from tests.chaos.watch import stretches

PROJECT = "p"
_DRAIN_S = 300.0
_SETTLE_S = 3.0
_BURST_RULE = '[[rule]]\nname = "burst"\nkind = "count"\nthreshold = 50\nwindow = "10s"\n'
_TERM_S = 60.0
"""How long a worker that was told to end may take, whatever is away."""


class Question:
    """An installation with settings of its own, and a load that goes on at a steady rate."""

    def __init__(self, name: str, options: Options, here: Installation) -> None:
        self.name = name
        self.options = options
        self.here = here
        self.alerts = AlertTopic(here.ports.bootstrap)
        self.sent: list[Event] = []
        self.wrong = 0
        self._rng = random.Random(options.seed)

    def say(self, *words: object) -> None:
        """Print a line."""
        self.here.say(f"[{self.name}] {' '.join(map(str, words))}")

    def violation(self, *words: object) -> None:
        """Print what is wrong."""
        self.wrong += 1
        self.say("VIOLATION", *words)

    def send(self, number: int, type_: str = "") -> None:
        """Send so many events at once."""
        for _ in range(number):
            kind = type_ or f"Failure{len(self.sent) % 40}Error"
            event = Event(self._rng, kind, "production", len(self.sent), burst=True)
            self.sent.append(event)
            produce(
                self.here.producer,
                "errors",
                event.body(time.time(), self._rng),
                key=event.id.encode(),
                headers=[("project", PROJECT.encode())],
                on_delivery=noted_on(event),
            )
        self.here.producer.poll(0)

    def load_while(self, condition: Callable[[], bool], rate: float, most: float = float("inf")) -> None:
        """Send at a rate, in events a second, as long as a condition holds; not more than ``most`` in all."""
        begun, before = time.time(), len(self.sent)
        while condition():
            due = int((time.time() - begun) * rate) - (len(self.sent) - before)
            if len(self.sent) < most:
                self.send(due)
            self.here.schedule.tick()

    def load_during(self, steps: Steps, rate: float) -> None:
        """Send at a rate until steps are done."""
        self.here.schedule.add(steps)
        self.load_while(lambda: bool(len(self.here.schedule)), rate)

    def drain(self) -> float:
        """Wait until everything is committed; return how many seconds it took."""
        self.here.producer.flush(60)
        begun = time.time()
        if not self.here.schedule.until(lambda: self.here.lag.nothing_waits_since(begun + 1), _DRAIN_S):
            self.violation(f"the lag is not zero after {_DRAIN_S:.0f} s: {self.here.lag.latest}")
        took = time.time() - begun
        self.here.schedule.pause(_SETTLE_S)
        return took

    def compare(self) -> None:
        """Compare rows, sums and ledger with what was sent."""
        clickhouse = self.here.clickhouse
        rows = clickhouse.rows(
            "SELECT event_id, exception_types[1] AS type, environment, toUnixTimestamp64Milli(timestamp) AS ms,"
            " sample_weight AS weight, kafka_partition AS partition, kafka_offset AS offset FROM errors"
        )
        findings = compare_rows(rows, self.sent)
        if self.here.lag.latest is not None:
            findings += compare_ledger(read_ledger(clickhouse), self.here.lag.latest)
        for finding in findings:
            self.violation(finding.text)
        for table, column in TOTALS.items():
            total = clickhouse.rows(f"SELECT sum({column}) AS n FROM {table}")[0]["n"]
            if total != len(self.sent):
                self.violation(f"{table}: {total} where {len(self.sent)} were sent")
        self.say(f"sent {len(self.sent)}, rows {len(rows)}, of events {len({row['event_id'] for row in rows})}")

    def said(self) -> list[Alert]:
        """Return what alerts there are; none while Kafka does not answer."""
        try:
            self.alerts.go_on()
        except KafkaException as error:
            self.say("alerts cannot be read:", error)
        return self.alerts.read

    def pages(self, since: float) -> None:
        """Print what the workers' health pages have said since some time."""
        for slot, pages in self.here.pages.items():
            if found := stretches(pages.seen, since):
                self.say(f"w{slot} pages [from, to, live, ready, missing]:", json.dumps(found))


@contextmanager
def question(name: str, options: Options, rules: str, *, worker: str = "") -> Iterator[Question]:
    """Ask on an installation with these rules, which is ended in any case."""
    toml = f"[kafka]\npartitions = {{ errors = {PARTITIONS} }}\n[worker]\n{worker}\n{rules}"
    directory = options.directory or RUNS / f"{name}-{int(time.time())}"
    here = Installation(options, directory, toml, lambda text: print(time.strftime("%H:%M:%S"), text, flush=True))
    try:
        here.start()
        yield Question(name, options, here)
    finally:
        here.stop()


def joins(options: Options, times: int) -> bool:
    """Nothing is killed and nothing is away: one more worker joins and leaves in order, under load, over and over."""
    with question("joins", options, NEW_ISSUE_RULE) as asked:
        here, worker = asked.here, asked.here.workers[asked.here.third_slot]

        def steps() -> Steps:
            for _ in range(times):
                yield here.chance.uniform(1, 4)
                begun = time.time()
                worker.launch()
                while not here.pages[worker.slot].ready_since(begun) and time.time() < begun + 60:
                    yield 0.1
                yield here.chance.uniform(1, 4)
                worker.wanted = False
                worker.expected_end = "leaves"
                worker.child.signal(signal.SIGTERM)
                while worker.child.running:
                    yield 0.1
            yield 8.0

        asked.load_during(steps(), options.rate)
        return _answered(asked, f"{2 * times} rebalances in order")


def restarts(options: Options, times: int) -> bool:
    """Rolling restarts under load: SIGTERM to each worker, one when the one before it is ready again."""
    with question("restarts", options, NEW_ISSUE_RULE) as asked:
        here = asked.here

        def steps() -> Steps:
            for _ in range(times):
                for slot in here.slots:
                    yield here.chance.uniform(1, 4)
                    yield from restarted(here, slot)
            yield 8.0

        asked.load_during(steps(), options.rate)
        return _answered(asked, f"{times} rolling restarts")


def _answered(asked: Question, what: str) -> bool:
    took = asked.drain()
    asked.compare()
    lost = len(asked.sent) - asked.here.clickhouse.rows("SELECT uniqExact(event_id) AS n FROM errors")[0]["n"]
    asked.say(f"{what}, {asked.options.rate:.0f} events/s, drained in {took:.0f} s: lost {lost} of {len(asked.sent)}")
    return not asked.wrong


def resolved(options: Options, seconds: float) -> bool:
    """An alert fires, all workers are killed before the window's state is written, and stay away: is it resolved?"""
    with question("resolved", options, _BURST_RULE, worker="flush_interval_s = 10\n") as asked:
        here = asked.here
        here.schedule.pause(12)
        asked.send(60, "Burst0Error")
        here.producer.flush(60)
        here.schedule.until(lambda: bool(asked.said()), 20)
        for slot in here.slots:
            here.workers[slot].wanted = False
            here.workers[slot].expected_end = "kill"
            here.workers[slot].child.signal(signal.SIGKILL, group=True)
        asked.say("said before the kill:", _in_short(asked.said()))
        here.schedule.pause(seconds)
        for slot in here.slots:
            here.workers[slot].launch()
        here.schedule.until(lambda: {"firing", "resolved"} <= {one["state"] for one in asked.said()}, 60)
        here.schedule.pause(_SETTLE_S)
        asked.say(f"said after {seconds:.0f} s away:", _in_short(asked.said()))
        on = here.clickhouse.rows(
            "SELECT rule, argMax(state, created_at) AS state, max(created_at) AS since FROM alerts"
            " WHERE kind = 'count' GROUP BY dedup_key, rule HAVING state = 'firing'"
        )
        if on:
            asked.violation("still on by the query of docs/alerts.md:", on)
        return not asked.wrong


def _in_short(alerts: list[Alert]) -> list[tuple[Any, ...]]:
    return [(one["rule"], one["state"], one["value"], one["window_end"], one["created_at"]) for one in alerts]


def outage(options: Options, what: str, seconds: float) -> bool:
    """A server is away under load for so long: what pages and logs say, memory, and how long it takes to catch up."""
    with question("outage", options, NEW_ISSUE_RULE) as asked:
        here = asked.here
        server = here.clickhouse if what == "clickhouse" else here.kafka
        until = time.time() + 8
        asked.load_while(lambda: time.time() < until, 250)
        here.schedule.pause(_SETTLE_S)
        logs = {slot: here.workers[slot].child.log for slot in here.slots}
        before = {slot: _size(log.read_bytes()) for slot, log in logs.items()}
        begun = time.time()
        asked.send(3000)  # some wait in the workers when it goes
        here.producer.poll(0.1)
        server.kill()
        down = time.time()
        asked.load_while(lambda: time.time() < down + seconds, 15, most=30_000)
        for slot, log in logs.items():
            (lines, size), (lines_before, size_before) = _size(log.read_bytes()), before[slot]
            worker = here.workers[slot]
            asked.say(
                f"w{slot}: {lines - lines_before} lines, {size - size_before} bytes logged, peak"
                f" {worker.peak_main:.0f} MB, {worker.peak_all:.0f} MB with its stages"
            )
        server.launch()
        here.schedule.until(server.answers, 60)
        up = time.time()
        asked.say(f"lag zero {asked.drain():.1f} s after {what} answered")
        asked.compare()
        asked.say(f"down at {down - begun:.1f}, up at {up - begun:.1f}")
        asked.pages(begun)
        for end in here.ends:
            asked.violation("ended by itself:", end)
        asked.say("logged most:", noise(here)["texts"][:6])
        return not asked.wrong


def _size(text: bytes) -> tuple[int, int]:
    return text.count(b"\n"), len(text)


def term(options: Options) -> bool:
    """SIGTERM while a server is away: how long a worker takes, and with which exit code it ends."""
    with question("term", options, NEW_ISSUE_RULE) as asked:
        here = asked.here
        worker = here.workers[here.slots[0]]
        for server in (None, here.clickhouse, here.kafka):
            here.schedule.until(lambda: all(here.pages[slot].ready for slot in here.slots), 60)
            what = server.child.name if server else "nothing"
            asked.send(1500)
            here.producer.poll(0.2)
            if server:
                server.kill()
            here.schedule.pause(2)
            worker.wanted = False
            worker.expected_end = "term"
            begun = time.time()
            worker.child.signal(signal.SIGTERM)
            here.schedule.until(lambda: not worker.child.running, _TERM_S)
            took, code = time.time() - begun, worker.child.exit_code
            asked.say(f"SIGTERM with {what} away: ended after {took:.1f} s, exit code {code}")
            if code != 0:
                asked.violation(f"exit code {code} with {what} away")
            worker.child.kill()
            if server:
                server.launch()
                here.schedule.until(server.answers, 60)
            here.schedule.pause(2)
            worker.launch()
        asked.drain()
        asked.compare()
        return not asked.wrong
