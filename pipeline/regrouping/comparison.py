"""Comparison: what other rules of grouping would make of the issues that are stored.

Events are added one by one, each with the fingerprint it is stored under and the one it would get; kept are sums and
a few examples for each such pair, so memory grows with the number of issues and not of events. What is said of
the issues follows from the pairs alone, whatever the order of the events:

====== ====================================== ==========================================
kind   old issues                             new issues
====== ====================================== ==========================================
same   one, and all of it                     the same one, and nothing else
move   one, and all of it                     one of another name, and nothing else
merge  two or more, or parts of them          one
split  one                                    two or more, or parts of them
====== ====================================== ==========================================

An issue can be part of a merge and be split at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from msgspec import Struct, field

from pipeline.errors import Misconfigured

MOST_EXAMPLES = 3
MOST_PAIRS = 500_000
"""More pairs of an old and a new issue than that are no grouping: nearly every event has one of its own."""

Kind = Literal["move", "merge", "split"]


class Replayed(NamedTuple):
    """One stored event and what would become of it. ``weight`` is how many events its row stands for."""

    project: str
    old: str
    new: str
    old_title: str
    new_title: str
    event_id: str
    weight: float
    relabelled: bool
    """Whether it would stay in its issue with another title, culprit, component, version or rule."""


class Part(Struct):
    """What two issues, an old and a new one, have in common."""

    fingerprint: str
    title: str
    events: int = 0
    count: float = 0.0
    examples: list[str] = field(default_factory=list)


class Difference(Struct):
    """One issue that would not stay what it is.

    Attributes:
        kind: ``move`` (another fingerprint, the same events), ``merge`` or ``split``.
        project: whose issue it is.
        fingerprint: the issue: of a merge the one that comes to be, else the one that is.
        title: a title of its events.
        count: how many events, by weight.
        parts: of a merge the old issues, else the new ones, the largest first, with ids of a few of their events.
    """

    kind: Kind
    project: str
    fingerprint: str
    title: str
    count: float
    parts: list[Part]


class Summary(Struct):
    """The figures. ``issues_*`` count issues, ``relabelled`` counts rows, ``count`` counts events by weight."""

    rows: int = 0
    count: float = 0.0
    issues_before: int = 0
    issues_after: int = 0
    unchanged: int = 0
    moves: int = 0
    merges: int = 0
    splits: int = 0
    relabelled: int = 0
    unreadable: int = 0
    moved_rows: int = 0


class Comparison:
    """Adds up what would become of stored events."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str, str], tuple[Part, str]] = {}
        self._summary = Summary()

    def add(self, event: Replayed) -> None:
        """Take in one event.

        Raises:
            Misconfigured: the rules give nearly every event an issue of its own.
        """
        key = (event.project, event.old, event.new)
        found = self._pairs.get(key)
        if found is None:
            if len(self._pairs) >= MOST_PAIRS:
                raise Misconfigured(
                    f"more than {MOST_PAIRS} issues would come to be: take what varies out of the fingerprint rules"
                )
            found = self._pairs[key] = (Part(event.new, event.new_title), event.old_title)
        part = found[0]
        part.events += 1
        part.count += event.weight
        if len(part.examples) < MOST_EXAMPLES:
            part.examples.append(event.event_id)
        self._summary.rows += 1
        self._summary.count += event.weight
        self._summary.moved_rows += event.old != event.new
        self._summary.relabelled += event.relabelled and event.old == event.new

    def unreadable(self) -> None:
        """Take in one row whose payload cannot be read; it stays as it is."""
        self._summary.unreadable += 1

    @property
    def changed_rows(self) -> int:
        """How many rows so far would be another afterwards."""
        return self._summary.moved_rows + self._summary.relabelled

    def shares(self) -> dict[tuple[str, str, str], float]:
        """Return how many events, by weight, go where: by project, old and new fingerprint."""
        return {key: part.count for key, (part, _title) in self._pairs.items()}

    def mapping(self) -> dict[tuple[str, str], str]:
        """Return where most of each old issue goes, by project and old fingerprint."""
        most: dict[tuple[str, str], Part] = {}
        for (project, old, _new), (part, _title) in self._pairs.items():
            best = most.get((project, old))
            if best is None or (part.count, part.fingerprint) > (best.count, best.fingerprint):
                most[project, old] = part
        return {issue: part.fingerprint for issue, part in most.items()}

    def result(self) -> tuple[Summary, list[Difference]]:
        """Return the figures and every difference: merges, then splits, then moves, the largest first."""
        of_old: dict[tuple[str, str], list[tuple[str, Part]]] = defaultdict(list)
        of_new: dict[tuple[str, str], list[tuple[str, Part]]] = defaultdict(list)
        for (project, old, new), (part, old_title) in self._pairs.items():
            of_old[project, old].append((old_title, part))
            was = Part(old, old_title, part.events, part.count, part.examples)
            of_new[project, new].append((part.title, was))
        merges = [_difference("merge", issue, parts) for issue, parts in of_new.items() if len(parts) > 1]
        splits = [_difference("split", issue, parts) for issue, parts in of_old.items() if len(parts) > 1]
        single = [(issue, parts) for issue, parts in of_old.items() if len(parts) == 1]
        alone = [(issue, parts) for issue, parts in single if len(of_new[issue[0], parts[0][1].fingerprint]) == 1]
        moves = [_difference("move", issue, parts) for issue, parts in alone if parts[0][1].fingerprint != issue[1]]
        summary = self._summary
        summary.issues_before, summary.issues_after = len(of_old), len(of_new)
        summary.unchanged = len(alone) - len(moves)
        summary.moves, summary.merges, summary.splits = len(moves), len(merges), len(splits)
        return summary, [*_largest_first(merges), *_largest_first(splits), *_largest_first(moves)]


def _difference(kind: Kind, issue: tuple[str, str], titled: list[tuple[str, Part]]) -> Difference:
    parts = sorted((part for _, part in titled), key=lambda part: (-part.count, part.fingerprint))
    largest = max(titled, key=lambda pair: (pair[1].count, pair[1].fingerprint))
    return Difference(kind, issue[0], issue[1], largest[0], sum(part.count for part in parts), parts)


def _largest_first(differences: Iterable[Difference]) -> list[Difference]:
    return sorted(differences, key=lambda one: (-one.count, one.project, one.fingerprint))
