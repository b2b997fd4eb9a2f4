"""One round: events are sent, things are broken, and once nothing waits any more everything is compared."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from tests.chaos.alerts import (
    NEW_ISSUE,
    AlertTopic,
    all_there,
    compare_alerts,
    compare_new_issues,
    compare_stored,
    repeated,
    said,
)
from tests.chaos.envelopes import EnvelopeSender, events_for_envelopes
from tests.chaos.errors import compare_errors
from tests.chaos.faults import BEFORE, KINDS
from tests.chaos.findings import Finding
from tests.chaos.installation import Fault, Installation
from tests.chaos.ledger import compare_ledger, read_ledger
from tests.chaos.letters import compare_letters, read_letters
from tests.chaos.load import SMALL, Event, Shape, events_of_round
from tests.chaos.options import Sabotage
from tests.chaos.others import Others, OthersSender, compare_others
from tests.chaos.sabotage import Sabotaged
from tests.chaos.sender import Sender
from tests.chaos.settings import VARIANTS, envelope_key, envelope_project_of, other_project_of, project_of

LOAD_LEAST_S = 16.0
LOAD_MOST_S = 240.0
BEFORE_MOST_S = 120.0
DRAIN_S = 150.0
SETTLE_S = 3.0
"""How long duplicates get to show up after the lag is zero."""
ALERTS_S = 60.0
_LOOK_S = 2.0
_OF_ENVELOPES = 50
_OF_OTHERS = 100


@dataclass
class Course:
    """How a round went; times in seconds since 1970. ``by_hand``: the workers had to be killed before it went on."""

    begun: float = field(default_factory=time.time)
    load_end: float = 0.0
    drained_at: float = 0.0
    by_hand: bool = False
    drained: bool = False
    faults: list[Fault] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)


class Round:
    """One round of a seed.

    Args:
        here: the installation.
        number: its number, from 0 on.
        shape: how many events it has.
        alerts: the alert topic, which all rounds read on.
        sabotage: what is to be made wrong.
    """

    def __init__(
        self, here: Installation, number: int, shape: Shape, alerts: AlertTopic, sabotage: Sabotage | None = None
    ) -> None:
        options = here.options
        self.here = here
        self.number = number
        self.shape = shape
        self.alerts = alerts
        self.sabotage = sabotage
        self.variant = VARIANTS[options.variant]
        self.project = project_of(number, self.variant)
        self.envelope_project = envelope_project_of(number)
        self.other_project = other_project_of(number)
        self._seed = options.seed * 1000 + number
        self.events = events_of_round(random.Random(self._seed), shape)
        # Drawn apart, so that a seed's errors stay what they are.
        besides = random.Random(f"{self._seed} besides")
        few = 0 if options.plain else len(self.events)
        self.envelopes = events_for_envelopes(besides, few // _OF_ENVELOPES)
        self.others = Others(besides, few // _OF_OTHERS)
        self.course = Course()
        self.kept: list[Event] = self.events
        self.sabotaged = Sabotaged(
            here.clickhouse,
            alerts,
            project=self.project,
            other_project=self.other_project,
            events=self.events,
            envelopes=self.envelopes,
            rng=besides,
        )
        self._looked_at = 0.0
        self._expired = 0

    # What happens

    def play(self, kinds: Sequence[str]) -> None:
        """Send the events, break things meanwhile, and wait until nothing waits any more."""
        here = self.here
        faults, skipped = len(here.faults), len(here.skipped)
        for kind in kinds:
            if kind in BEFORE:
                here.schedule.add(KINDS[kind](here))
        here.schedule.until(lambda: not len(here.schedule), BEFORE_MOST_S)
        self._expired = len(here.expired)
        self._load([kind for kind in kinds if kind not in BEFORE])
        self.course.faults, self.course.skipped = here.faults[faults:], here.skipped[skipped:]
        self._drain()
        here.schedule.pause(SETTLE_S)
        here.schedule.until(self._all_there, ALERTS_S)
        if self.sabotage:
            here.say(f"   sabotage: {self.sabotaged.sabotage(self.sabotage)}")

    def _load(self, kinds: Sequence[str]) -> None:
        here, options, course = self.here, self.here.options, self.course
        course.begun = time.time()
        seconds = len(self.events) / options.rate
        if self.shape != SMALL:
            seconds = max(options.seconds, seconds)
        senders: list[Sender | EnvelopeSender | OthersSender] = [
            Sender(
                here.producer,
                self.project,
                self.events,
                seed=self._seed,
                seconds=seconds,
                sabotage=self.sabotage,
            )
        ]
        if not options.plain:
            through_gateway = EnvelopeSender(
                here.gateway.port,
                self.number + 1,
                envelope_key(self.number),
                self.envelopes,
                seed=self._seed,
                seconds=seconds,
            )
            course.answers = through_gateway.answers
            senders += [through_gateway, OthersSender(here.producer, self.other_project, self.others, seconds)]
        for sender in senders:
            sender.start()
        for number, kind in enumerate(kinds):
            here.schedule.add(KINDS[kind](here), here.chance.uniform(3, 15 if number else 8))
        least = course.begun + (LOAD_LEAST_S if self.shape != SMALL else 0)
        here.schedule.until(
            lambda: time.time() > least and all(sender.done for sender in senders) and not len(here.schedule),
            LOAD_MOST_S,
        )
        course.load_end = time.time()
        if len(here.schedule) or not all(sender.done for sender in senders):
            raise RuntimeError(f"faults or load do not end within {LOAD_MOST_S:.0f} s")

    def _drain(self) -> None:
        here, course = self.here, self.course

        def nothing_waits() -> bool:
            return here.lag.nothing_waits_since(course.load_end)

        course.drained = here.schedule.until(nothing_waits, DRAIN_S)
        if not course.drained:
            here.say(f"   STUCK after {DRAIN_S:.0f} s: {here.lag.latest and here.lag.latest.lag}")
            course.by_hand = True
            for slot in here.slots:
                here.workers[slot].expected_end = "by hand"
                here.workers[slot].child.signal(signal.SIGKILL, group=True)
            course.drained = here.schedule.until(nothing_waits, DRAIN_S)
        course.drained_at = time.time()

    def _all_there(self) -> bool:
        """Say whether all alerts and envelopes are there, looking seldom."""
        now = time.time()
        if now - self._looked_at < _LOOK_S or not self.here.lag.nothing_waits_since(self.course.load_end):
            return False
        self._looked_at = now
        try:
            self.alerts.go_on()
        except KafkaException:
            return False
        return all_there(self.project, self.shape, self.alerts.of_project(self.project)) and self._envelopes_there()

    def _envelopes_there(self) -> bool:
        sql = f"SELECT DISTINCT event_id FROM errors WHERE project = '{self.envelope_project}'"
        try:
            stored = {row["event_id"] for row in self.here.clickhouse.rows(sql)}
        except (OSError, RuntimeError):
            return False
        return all(event.may_be_missing or event.id in stored for event in self.envelopes)

    # What is compared

    def compare(self) -> list[Finding]:
        """Return everything that is not as it was sent."""
        clickhouse, position = self.here.clickhouse, self.here.lag.latest
        self.alerts.go_on()
        self._mark_expired()
        findings = [] if self.course.drained else [Finding("harness", 1, "the lag never became zero")]
        compared = compare_errors(clickhouse, self.project, self.events, thinned=self.variant.thinned)
        findings += compared.findings
        self.kept = compared.kept
        alerts = self.alerts.of_project(self.project)
        if len(self.kept) == len(self.events):
            findings += compare_alerts(self.project, self.shape, alerts, compared.types)
        findings += compare_stored(clickhouse, self.project, alerts)
        if not self.here.options.plain:
            findings += self._compare_envelopes()
            findings += compare_others(clickhouse, self.other_project, self.others)
        for check in self.here.checks:
            findings += check(clickhouse)
        findings += compare_letters(self.here.letters, read_letters(clickhouse))
        if position is not None:
            findings += compare_ledger(read_ledger(clickhouse), position)
        return findings

    def _mark_expired(self) -> None:
        """Expect nothing of events whose records were deleted, nor of envelopes, of which nobody knows the place."""
        expired = self.here.expired[self._expired :]
        for event in self.events:
            if any(
                one.partition == event.partition and one.first <= (event.offset or 0) < one.before for one in expired
            ):
                event.may_be_missing = True
        for event in self.envelopes:
            event.may_be_missing = event.may_be_missing or bool(expired)

    def _compare_envelopes(self) -> list[Finding]:
        compared = compare_errors(self.here.clickhouse, self.envelope_project, self.envelopes)
        alerts = self.alerts.of_project(self.envelope_project)
        types = len({event.type for event in compared.kept})
        return [
            *compared.findings,
            *compare_new_issues(said(alerts)[NEW_ISSUE], compared.types, types),
            *compare_stored(self.here.clickhouse, self.envelope_project, alerts),
        ]

    @property
    def alerts_repeated(self) -> int:
        """How many alerts were said again."""
        return repeated(self.alerts.of_project(self.project))
