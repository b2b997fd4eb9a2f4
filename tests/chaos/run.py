"""A run: one seed, which is one installation and so many rounds."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections.abc import Callable, Sequence

from tests.chaos.alerts import AlertTopic
from tests.chaos.errors import compare_totals
from tests.chaos.faults import ON_SMALL_DISK, chosen_kinds
from tests.chaos.findings import Finding
from tests.chaos.installation import Installation
from tests.chaos.load import SMALL, Shape
from tests.chaos.options import RUNS, Options
from tests.chaos.report import Before, append, in_words, keep_evidence, noise, summary
from tests.chaos.rounds import Round
from tests.chaos.settings import VARIANTS, toml

AGAIN_S = 30.0
"""How long what is not right at first may take to become right."""
_MOST_SAID = 20


def kinds_of_round(options: Options, number: int, sample: Callable[[Sequence[str]], list[str]]) -> list[str]:
    """Return the kinds of fault of a round.

    Args:
        options: what was asked for.
        number: the round's number.
        sample: draws two or three of several, for mixed rounds.
    """
    kinds = chosen_kinds(options.kinds)
    if options.mode == "none":
        return []
    if options.mode == "single":
        # Seeds share out the kinds: of ten rounds, seed 0 has the first ten, seed 1 the next ones, and so on around.
        return kinds[(options.seed * options.rounds + number) % len(kinds)].split("+")
    return [kind for several in sample(kinds) for kind in several.split("+")]


class Run:
    """One seed.

    Args:
        options: what was asked for.
        proof: whether, after the last round, a small one shows that each comparison sees what is wrong.
    """

    def __init__(self, options: Options, *, proof: bool = False) -> None:
        self.options = options
        self._proof = proof
        variant = VARIANTS[options.variant]
        self.shapes: list[Shape] = [Shape(options.issues)] * options.rounds + [SMALL] * proof
        self.directory = (options.directory or RUNS / f"{options.seed}-{int(time.time())}").absolute()
        kinds = {one for several in chosen_kinds(options.kinds) for one in several.split("+")}
        self.here = Installation(
            options, self.directory, toml(variant, self.shapes), self.say, small_disk=bool(kinds & ON_SMALL_DISK)
        )
        self.alerts = AlertTopic(self.here.ports.bootstrap)
        self.rounds: list[Round] = []

    def say(self, text: str) -> None:
        """Print a line, and keep it."""
        line = f"{dt.datetime.now():%H:%M:%S} seed {self.options.seed} {text}"
        print(line, flush=True)
        with (self.directory / "said.log").open("a") as out:
            out.write(line + "\n")

    def run(self) -> bool:
        """Do all rounds; return whether nothing was wrong. Ends at the first round in which something is."""
        options, here = self.options, self.here
        self.say(
            f"begins: {options.rounds} rounds, {options.mode}, settings {options.variant}"
            f" ({VARIANTS[options.variant].name}), {options.workers} workers, in {self.directory}"
        )
        clean = False
        try:
            here.start()
            clean = True
            for number in range(options.rounds):
                before, clean = clean, False
                clean = self._round(number) and before
                if not clean and not options.go_on:
                    break
            if clean and self._proof:
                clean = self._prove()
        finally:
            self._end(clean)
        if clean and not options.keep:
            shutil.rmtree(self.directory)
        return clean

    def _sample(self, kinds: Sequence[str]) -> list[str]:
        chance = self.here.chance
        return chance.sample(kinds, min(chance.choice((2, 3)), len(kinds)))

    def _round(self, number: int) -> bool:
        options = self.options
        before = Before(self.here)
        kinds = kinds_of_round(options, number, self._sample)
        self.here.round = number
        one = Round(self.here, number, self.shapes[number], self.alerts, options.sabotage)
        self.rounds.append(one)
        one.play(kinds)
        findings = self._compare(one)
        line = summary(one, kinds, findings, before)
        append(options.log, line)
        self.say(in_words(line))
        for finding in findings[:_MOST_SAID]:
            self.say(f"   VIOLATION {finding.text}")
        if findings:
            self.say(f"   evidence in {keep_evidence(one, self.rounds, findings)}")
        return not findings

    def _compare(self, one: Round) -> list[Finding]:
        findings = self._compared(one)
        if findings and not one.sabotage:
            self.say(f"   not right at first, looked at again in {AGAIN_S:.0f} s: {[f.text for f in findings[:6]]}")
            self.here.schedule.pause(AGAIN_S)
            findings = self._compared(one)
        return findings

    def _compared(self, one: Round) -> list[Finding]:
        try:
            findings = one.compare()
            kept = {each.project: each.kept for each in self.rounds}
            findings += compare_totals(self.here.clickhouse, kept, thinned=one.variant.thinned)
        except RuntimeError as error:
            return [Finding("row", 1, f"ClickHouse cannot read what it has stored: {error}")]
        return findings + self._topic()

    def _topic(self) -> list[Finding]:
        """Compare how many records there are on the topic of errors with how many were sent."""
        position = self.here.lag.latest
        if position is None:
            return [Finding("harness", 1, "nothing was ever read of the topics")]
        there = sum(high for (topic, _), (_, high) in position.ends.items() if topic == "errors")
        rounds = self.rounds[self.here.topic_since :]
        sent = self.here.besides + sum(event.offset is not None for each in rounds for event in each.events)
        answered = sum(not event.may_be_missing for each in rounds for event in each.envelopes)
        most = sum(len(each.envelopes) for each in rounds)
        if sent + answered <= there <= sent + most:
            return []
        return [Finding("harness", 1, f"{there} records on the topic, {sent} sent and {answered} to {most} envelopes")]

    def _prove(self) -> bool:
        """Show that each comparison sees what is wrong: in a small round, which must be clean otherwise."""
        one = Round(self.here, self.options.rounds, SMALL, self.alerts)
        self.rounds.append(one)
        one.play([])
        before = self._compare(one)
        for finding in before:
            self.say(f"   VIOLATION {finding.text}")
        unseen = []
        seen = set(before)
        for name, sabotage in one.sabotaged.every().items():
            done = sabotage()
            found = {*one.compare()}
            self.say(f"   sabotage: {name}: {done}: {'seen' if found - seen else 'NOT SEEN'}")
            if not found - seen:
                unseen.append(name)
            seen = found
        if unseen:
            self.say(f"   VIOLATION the comparison does not see: {', '.join(unseen)}")
        return not before and not unseen

    def _end(self, clean: bool) -> None:
        here = self.here
        heard = noise(here)
        (self.directory / "noise.json").write_text(json.dumps(heard, indent=1))
        ended = [f"{end.name} {end.code}" for end in here.ends]
        died = [f"{server.child.name} {server.died}" for server in here.servers]
        self.say(
            f"ends: {'clean' if clean else 'NOT CLEAN'}; restarts {dict(here.restarts)}; ended by themselves {ended};"
            f" orphans {here.orphans.found}; servers that died {died}; log lines {dict(heard['levels'])}, not JSON"
            f" {sum(count for _, count in heard['not_json'])}"
        )
        here.stop()


def run(options: Options, *, proof: bool = False) -> bool:
    """Do all rounds of a seed; return whether nothing was wrong."""
    return Run(options, proof=proof).run()
