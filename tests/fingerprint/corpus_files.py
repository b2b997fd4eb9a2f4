"""The corpus: events that are the same bug, and neighbours that are not."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from shapes import compiled, mixed, plain, scripted

from pipeline.fingerprint import Grouping, Rules
from pipeline.fingerprint.versions import VERSIONS
from schemas.event import Event

CORPUS = Path(__file__).parent / "corpus"
RESULT: pytest.StashKey[tuple[int, Result]] = pytest.StashKey()
"""Where a run keeps the number of events and the result, to be shown at its end."""


class Stored(msgspec.Struct):
    """One line of a corpus file."""

    bug: str
    event: Event


@dataclass(frozen=True)
class Sample:
    """One event of the corpus and the bug that it is an occurrence of."""

    family: str
    bug: str
    number: int
    event: Event

    @property
    def label(self) -> str:
        """A name that stays the same from run to run."""
        return f"{self.family}/{self.bug}/{self.number}"


@dataclass
class Result:
    """How the fingerprints of a corpus agree with its bugs, counted in pairs of events."""

    pairs_of_one_bug: int = 0
    pairs_joined: int = 0
    pairs_fingerprint: int = 0
    misses: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Which part of the pairs of one bug got one fingerprint."""
        return self.pairs_joined / self.pairs_of_one_bug

    @property
    def precision(self) -> float:
        """Which part of the pairs with one fingerprint are one bug."""
        return self.pairs_joined / self.pairs_fingerprint


def samples() -> list[Sample]:
    """Return the captured events and the shaped ones, in order."""
    found = []
    for path in sorted(CORPUS.glob("*.jsonl")):
        counts: Counter[str] = Counter()
        for line in path.read_text(encoding="utf-8").splitlines():
            stored = msgspec.json.decode(line, type=Stored)
            found.append(Sample(path.stem, stored.bug, counts[stored.bug], stored.event))
            counts[stored.bug] += 1
    return found + _shaped()


def _shaped() -> list[Sample]:
    found = []
    for module in (compiled, scripted, mixed, plain):
        for name, events in module.BUGS.items():
            family, _, bug = name.partition("/")
            for number, event in enumerate(events):
                decoded = msgspec.json.decode(msgspec.json.encode(event), type=Event)
                found.append(Sample(family, bug, number, decoded))
    return found


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)


def judge(labelled: Iterable[tuple[str, str, str]]) -> Result:
    """Compare bugs with fingerprints, given as (bug, fingerprint, label of the event)."""
    by_bug: dict[str, Counter[str]] = defaultdict(Counter)
    by_fingerprint: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[tuple[str, str], str] = {}
    for bug, fingerprint, label in labelled:
        by_bug[bug][fingerprint] += 1
        by_fingerprint[fingerprint][bug] += 1
        examples.setdefault((bug, fingerprint), label)
    result = Result(
        pairs_of_one_bug=_pairs(sum(found.values()) for found in by_bug.values()),
        pairs_joined=_pairs(count for found in by_bug.values() for count in found.values()),
        pairs_fingerprint=_pairs(sum(found.values()) for found in by_fingerprint.values()),
    )
    for bug, found in by_bug.items():
        if len(found) > 1:
            result.misses.append(f"split: {bug}: {', '.join(examples[bug, one] for one in found)}")
    for one, bugs in by_fingerprint.items():
        if len(bugs) > 1:
            result.misses.append(f"joined: {', '.join(examples[bug, one] for bug in bugs)}")
    return result


def judged(grouping: Grouping, corpus: Iterable[Sample]) -> Result:
    """Group a corpus and compare."""
    return judge((f"{one.family}/{one.bug}", grouping.group(one.event).fingerprint, one.label) for one in corpus)


def snapshot_file(version: str) -> Path:
    """Return where the fingerprints of a version are kept."""
    return Path(__file__).parent / f"snapshot-{version}.json"


def snapshot_of(grouping: Grouping, corpus: Iterable[Sample]) -> dict[str, list[str]]:
    """Return every bug's fingerprints, each once."""
    found: dict[str, list[str]] = {}
    for sample in corpus:
        fingerprints = found.setdefault(f"{sample.family}/{sample.bug}", [])
        fingerprint = grouping.group(sample.event).fingerprint
        if fingerprint not in fingerprints:
            fingerprints.append(fingerprint)
    return found


if __name__ == "__main__":
    for name in VERSIONS:
        written = snapshot_of(Grouping(Rules(version=name)), samples())
        snapshot_file(name).write_text(json.dumps(written, indent=0, sort_keys=True) + "\n")
        print(f"written: {snapshot_file(name)}")
