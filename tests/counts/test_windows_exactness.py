"""Whatever crashes, repeats and replays happen, the windows hold what a plain fold over the batches gives."""

from __future__ import annotations

from collections import Counter as Bag
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.counts.batch_counts import Counter
from pipeline.counts.windows import Windows
from schemas.alert import Alert
from schemas.counts import CountsBatch
from tests.occurrences import NOON, SOURCE, Occurrence, rules_of

HOP, WINDOW = 5, 60
RULES = rules_of(
    {"name": "new", "kind": "new_issue"},
    {"name": "burst", "kind": "count", "threshold": 4, "window": "60s", "cooldown": "0s"},
    {"name": "calm", "kind": "count", "threshold": 3, "window": "60s", "cooldown": "30s", "match": {"level": "error"}},
    {"name": "all", "kind": "count", "threshold": 6, "window": "60s", "by": "all", "match": {"message": "*time*"}},
)
COUNTER = Counter(RULES, 1)
FINGERPRINTS = ("aa" * 16, "bb" * 16)


class Simulation:
    """Source workers that send batches, some twice, and a counting worker that crashes and starts over."""

    def __init__(self) -> None:
        self.now = float(NOON)
        self.log: list[CountsBatch] = []
        self.sent: dict[int, list[CountsBatch]] = {0: [], 1: []}
        self.table: dict[bytes, bytes] = {}
        self.committed = 0
        self.alerts: list[Alert] = []
        self.folded: Bag[tuple[str, str, int]] = Bag()
        self.start()

    def start(self) -> None:
        self.position = self.committed
        self.windows = Windows(RULES, 0, partitions=1, allowed_lateness_s=3600)
        self.windows.load(self.table.items())

    def produce(self, source: int, events: list[tuple[int, int, int]]) -> None:
        """Send a batch of (issue, age in seconds, weight)."""
        first = self.sent[source][-1].last + 1 if self.sent[source] else 0
        occurrences = []
        for issue, age, weight in events:
            at = int(self.now) - age
            fingerprint = FINGERPRINTS[issue]
            occurrences.append(Occurrence(fingerprint=fingerprint, timestamp_ms=at * 1000, weight=weight))
            for rule, group in (("burst", fingerprint), ("calm", fingerprint), ("all", "")):
                self.folded[rule, group, at // HOP * HOP] += weight
        (batch,) = COUNTER.count(
            occurrences, SOURCE._replace(partition=source), first, first + len(events) - 1
        ).values()
        self.sent[source].append(batch)
        self.log.append(batch)

    def resend(self, source: int, batches: int) -> None:
        """A source worker that crashed sends its last batches again, with the same boundaries."""
        self.log += self.sent[source][-batches:]

    def apply(self, messages: int) -> None:
        for _ in range(min(messages, len(self.log) - self.position)):
            self.alerts += self.windows.apply(self.log[self.position], self.position, self.now)
            self.position += 1

    def write(self, entries: int | None) -> None:
        for key, value in self.windows.take_changes()[:entries]:
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value

    def flush(self) -> None:
        self.write(None)
        self.committed = self.position

    def crash(self, entries: int) -> None:
        """Die in the middle of a flush, after some of its entries and before the commit."""
        self.write(entries)
        self.start()

    def crash_before_commit(self) -> None:
        self.write(None)
        self.start()

    def tick(self) -> None:
        if self.position == len(self.log):
            self.alerts += self.windows.tick(self.now)

    def advance(self, seconds: int) -> None:
        self.now += seconds

    def finish(self) -> None:
        self.apply(len(self.log))

    def expected(self, rule: str, fingerprint: str) -> int:
        end = int(self.now // HOP) * HOP + HOP
        return sum(self.folded[rule, fingerprint, pane] for pane in range(end - WINDOW, end, HOP))

    def check_counts(self) -> None:
        for rule in ("burst", "calm"):
            for fingerprint in FINGERPRINTS:
                found = self.windows.count(rule, ("shop", "production", fingerprint), self.now)
                assert found == self.expected(rule, fingerprint)
        assert self.windows.count("all", ("shop", "production", ""), self.now) == self.expected("all", "")


events = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0, 0, 0, 4, 30, 80]), st.integers(1, 4)), min_size=1, max_size=4
)
sources = st.integers(0, 1)
produce = st.tuples(st.just("produce"), sources, events)
resend = st.tuples(st.just("resend"), sources, st.integers(1, 3))
apply = st.tuples(st.just("apply"), st.integers(1, 4))
flush = st.just(("flush",))
crash = st.one_of(st.tuples(st.just("crash"), st.integers(0, 12)), st.just(("crash_before_commit",)))
passing = st.one_of(st.tuples(st.just("advance"), st.sampled_from([1, 7, 65])), st.just(("tick",)))


def run(steps: list[tuple[Any, ...]], *, failures: bool = True) -> Simulation:
    simulation = Simulation()
    for name, *arguments in steps:
        if failures or name not in ("resend", "crash", "crash_before_commit"):
            getattr(simulation, name)(*arguments)
    simulation.finish()
    return simulation


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(produce, produce, resend, apply, apply, flush, crash), max_size=40))
def test_crashes_and_repeats_change_neither_the_counts_nor_the_alerts(steps: list[tuple[Any, ...]]) -> None:
    """While no time passes, exactly the same alerts are raised as without any failure, and no other."""
    simulation = run(steps)
    simulation.check_counts()
    undisturbed = run(steps, failures=False)
    assert {alert.id for alert in simulation.alerts} == {alert.id for alert in undisturbed.alerts}
    assert len({alert.id for alert in undisturbed.alerts}) == len(undisturbed.alerts)


BURST = ("produce", 0, [(0, 0, 4)])


@settings(max_examples=400, deadline=None)
@example([BURST, ("apply", 1), ("advance", 65), ("tick",), BURST, ("apply", 1), ("crash", 0)])
@example([BURST, ("apply", 1), ("flush",), ("advance", 65), ("tick",), ("crash_before_commit",), BURST])
@given(st.lists(st.one_of(produce, produce, resend, apply, apply, flush, crash, passing, passing), max_size=60))
def test_counts_stay_exact_while_time_passes_and_every_alarm_ends(steps: list[tuple[Any, ...]]) -> None:
    """Whatever failed in between, each firing count is resolved under its own id, and nothing else is."""
    simulation = run(steps)
    simulation.check_counts()
    simulation.advance(7200)
    simulation.tick()
    simulation.flush()
    simulation.tick()
    counts = [alert for alert in simulation.alerts if alert.kind == "count"]
    open_episodes: Bag[str] = Bag()
    seen: set[str] = set()
    for alert in counts:
        if alert.id not in seen:
            seen.add(alert.id)
            open_episodes[alert.dedup_key] += 1 if alert.state == "firing" else -1
            assert open_episodes[alert.dedup_key] in (0, 1)
    assert not +open_episodes


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(produce, resend, apply, flush, crash, passing), max_size=40))
def test_an_issue_is_new_once(steps: list[tuple[Any, ...]]) -> None:
    """Every issue that was counted was announced as new, always with one id."""
    simulation = run(steps)
    announced = {(alert.fingerprint, alert.id) for alert in simulation.alerts if alert.kind == "new_issue"}
    counted = {fingerprint for rule, fingerprint, _ in simulation.folded if rule == "burst"}
    assert sorted(fingerprint for fingerprint, _ in announced) == sorted(counted)
