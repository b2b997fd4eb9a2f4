"""An alert that was sent is resolved, once, wherever the counting worker was killed and however long it stayed away."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.counts.batch_counts import Counter
from pipeline.counts.windows import Windows
from schemas.alert import Alert
from schemas.counts import CountsBatch
from tests.occurrences import NOON, SOURCE, Occurrence, rules_of

LATENESS_S = 30
LONG_S = 300
RULES = rules_of(
    {"name": "burst", "kind": "count", "threshold": 4, "window": "60s", "cooldown": "0s"},
    {"name": "calm", "kind": "count", "threshold": 3, "window": "60s", "cooldown": "30s", "match": {"level": "error"}},
    {"name": "all", "kind": "count", "threshold": 6, "window": "60s", "by": "all"},
)
COUNTER = Counter(RULES, 1)
FINGERPRINTS = ("aa" * 16, "bb" * 16)


class Killed(Exception):
    """The worker is gone in the middle of what it did."""


class Simulation:
    """A counting worker, its changelog, its committed offset and the alert topic; the worker may be killed anywhere."""

    def __init__(self) -> None:
        self.now = float(NOON)
        self.log: list[CountsBatch] = []
        self.table: dict[bytes, bytes] = {}
        self.committed = 0
        self.topic: list[Alert] = []
        self.start()

    def start(self) -> None:
        self.position = self.committed
        self.windows = Windows(RULES, 0, partitions=1, allowed_lateness_s=LATENESS_S)
        self.windows.sent = self.sent = {alert.id: None for alert in self.topic}
        self.windows.load(self.table.items())

    def produce(self, events: list[tuple[int, int, int]]) -> None:
        """Append a message about (issue, age in seconds, weight)."""
        occurrences = [
            Occurrence(fingerprint=FINGERPRINTS[issue], timestamp_ms=(int(self.now) - age) * 1000, weight=weight)
            for issue, age, weight in events
        ]
        first = self.log[-1].last + 1 if self.log else 0
        (batch,) = COUNTER.count(occurrences, SOURCE, first, first + len(events) - 1).values()
        self.log.append(batch)

    def send(self, alerts: list[Alert], most: int | None = None) -> None:
        new = [alert for alert in alerts if alert.id not in self.sent]
        for alert in new[:most]:
            self.topic.append(alert)
            self.sent[alert.id] = None
        if most is not None:
            raise Killed

    def apply(self, messages: int, sent: int | None = None) -> None:
        """Apply messages as one fetch; with ``sent``, die when so many of its alerts were sent."""
        alerts = []
        for _ in range(min(messages, len(self.log) - self.position)):
            alerts += self.windows.apply(self.log[self.position], self.position, self.now)
            self.position += 1
        self.send(alerts, sent)

    def tick(self, sent: int | None = None) -> None:
        if self.position == len(self.log):
            self.send(self.windows.tick(self.now), sent)

    def flush(self, entries: int | None = None) -> None:
        """Write the state; with ``entries``, die when so many were written."""
        for key, value in self.windows.take_changes()[:entries]:
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value
        if entries is not None:
            raise Killed
        self.committed = self.position

    def kill(self) -> None:
        raise Killed

    def advance(self, seconds: int) -> None:
        self.now += seconds

    def do(self, name: str, *arguments: object) -> None:
        try:
            getattr(self, name)(*arguments)
        except Killed:
            self.start()

    def finish(self) -> None:
        """Apply what is there, and let time pass until everything is over."""
        self.apply(len(self.log))
        for _ in range(6):
            self.flush()
            self.now += LONG_S
            self.tick()

    def check(self) -> None:
        """Each id once, and for every rule and group: firing, resolved, firing, resolved, …, and nothing left on."""
        assert len({alert.id for alert in self.topic}) == len(self.topic)
        told = defaultdict(list)
        for alert in self.topic:
            told[alert.dedup_key].append(alert.state)
        for states in told.values():
            assert states == ["firing", "resolved"] * (len(states) // 2), states


EVENTS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0, 0, 0, 4, 30, 60, 80, 100, 120, 140]), st.integers(1, 4)),
    min_size=1,
    max_size=4,
)
BURST = ("produce", [(0, 0, 4)])
STEPS = st.one_of(
    st.tuples(st.just("produce"), EVENTS),
    st.tuples(st.just("produce"), EVENTS),
    st.tuples(st.just("apply"), st.integers(1, 4)),
    st.tuples(st.just("apply"), st.integers(1, 4)),
    st.tuples(st.just("apply"), st.integers(1, 4), st.integers(0, 3)),
    st.just(("tick",)),
    st.just(("tick",)),
    st.tuples(st.just("tick"), st.integers(0, 3)),
    st.just(("flush",)),
    st.tuples(st.just("flush"), st.integers(0, 9)),
    st.just(("kill",)),
    st.tuples(st.just("advance"), st.sampled_from([1, 7, 65, LONG_S])),
)


@settings(max_examples=800, deadline=None)
@example([BURST, ("apply", 1), ("kill",), ("advance", LONG_S)])
@example([BURST, ("apply", 1, 1), ("advance", LONG_S), ("apply", 1), ("tick",), ("kill",), ("advance", LONG_S)])
@example(
    # A tick between the two messages, which is not there when they are applied again, must not change the name.
    [
        ("produce", [(1, 140, 2)]),
        ("apply", 3),
        ("tick",),
        ("produce", [(0, 60, 1), (1, 120, 2)]),
        ("produce", [(1, 80, 4), (1, 60, 1), (1, 30, 1)]),
        ("apply", 4, 1),
    ]
)
@example(
    # Nor may the removal of a window that is not written yet.
    [
        ("produce", [(1, 80, 4), (1, 120, 2), (0, 100, 4)]),
        ("apply", 3),
        ("tick",),
        ("produce", [(1, 0, 1), (0, 60, 4), (0, 0, 2)]),
        ("produce", [(0, 0, 1)]),
        ("apply", 2),
        ("tick", 0),
    ]
)
@given(st.lists(STEPS, max_size=40))
def test_firing_and_resolved_alternate_wherever_the_worker_is_killed(steps: list[tuple[Any, ...]]) -> None:
    simulation = Simulation()
    for step in steps:
        simulation.do(*step)
    simulation.finish()
    simulation.check()


def test_an_alert_that_was_sent_before_a_crash_is_resolved_however_long_that_took() -> None:
    simulation = Simulation()
    for step in (BURST, ("apply", 1), ("kill",), ("advance", LONG_S), ("apply", 1), ("tick",), ("flush",), ("tick",)):
        simulation.do(*step)
    assert [alert.state for alert in simulation.topic if alert.rule == "burst"] == ["firing", "resolved"]


def test_an_alert_that_was_not_sent_before_a_crash_is_withheld_once_it_is_old() -> None:
    simulation = Simulation()
    for step in (BURST, ("apply", 1, 0), ("advance", LONG_S)):
        simulation.do(*step)
    simulation.finish()
    assert simulation.topic == []
