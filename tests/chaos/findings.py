"""Findings: what a comparison has found wrong, in words for people and in figures for the table. Pure."""

from __future__ import annotations

import collections
from collections.abc import Hashable, Iterable, Mapping
from typing import Literal, NamedTuple

Sort = Literal[
    "lost", "doubled", "row", "aggregate", "alert missing", "alert extra", "alert", "dead letter", "ledger", "harness"
]
"""``row`` is one that differs from what was sent, ``alert`` one that says something wrong; ``harness`` is what makes
the comparison itself worthless, such as an event that Kafka has not acknowledged."""


class Finding(NamedTuple):
    """One thing that is wrong: of what sort, how often, and where, with examples."""

    sort: Sort
    number: float
    text: str


def tally(findings: Iterable[Finding]) -> dict[str, float]:
    """Return how often what was found, by its sort."""
    found: dict[str, float] = collections.defaultdict(float)
    for finding in findings:
        found[finding.sort] += finding.number
    return dict(found)


def runs(places: Iterable[tuple[int, int]], most: int = 12) -> str:
    """Return partitions and offsets in short, as ``3/120-140``."""
    found: list[list[int]] = []
    for partition, offset in sorted(places):
        if found and found[-1][0] == partition and found[-1][2] == offset - 1:
            found[-1][2] = offset
        else:
            found.append([partition, offset, offset])
    return " ".join(f"{partition}/{first}-{last}" for partition, first, last in found[:most])


Sum = tuple[float, int | None]
"""How many events, weighted, and of how many users; ``None`` where users are not counted."""


def near(one: Sum | None, other: Sum | None) -> bool:
    """Say whether two sums are the same."""
    return one is not None and other is not None and abs(one[0] - other[0]) < 1e-6 and one[1] == other[1]


Sums = Mapping[Hashable, Sum]


def compare_sums(what: str, sent: Sums, stored: Sums) -> list[Finding]:
    """Compare sums by their keys."""
    off = [
        (key, sent.get(key), stored.get(key))
        for key in sent.keys() | stored.keys()
        if not near(sent.get(key), stored.get(key))
    ]
    if not off:
        return []
    total = sum(count for count, _ in stored.values()) - sum(count for count, _ in sent.values())
    text = f"{what}: {len(off)} of {len(sent)} differ, by {total:+g} in all: (key, sent, stored) {off[:3]}"
    return [Finding("aggregate", len(off), text)]
