"""The comparison of the ledger: its batches follow each other, and reach as far as the consumer group has committed."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.chaos.findings import Finding
from tests.chaos.servers import ClickHouse
from tests.chaos.watch import Place, Position

UNBATCHED = {"counts"}
"""The topics whose progress is in a changelog on Kafka instead of in the ledger."""


class Range(NamedTuple):
    """The offsets of one batch, both included, and the consumer group's generation in which it was begun."""

    first: int
    last: int
    generation: int


def read_ledger(clickhouse: ClickHouse) -> dict[Place, list[Range]]:
    """Return the batches of each partition of the topics' present lives."""
    found: dict[Place, list[Range]] = collections.defaultdict(list)
    for row in clickhouse.rows(
        "SELECT DISTINCT topic, partition, first_offset, last_offset, generation FROM batches"
        " WHERE (topic, incarnation) IN (SELECT topic, argMax(incarnation, created_at) FROM topics GROUP BY topic)"
    ):
        place = row["topic"], row["partition"]
        found[place].append(Range(row["first_offset"], row["last_offset"], row["generation"]))
    return found


def compare_ledger(ledger: Mapping[Place, Iterable[Range]], position: Position) -> list[Finding]:
    """Compare the ledger with how far each partition is committed."""
    findings: list[Finding] = []
    for place, (low, _high) in sorted(position.ends.items()):
        topic, partition = place
        committed = position.committed.get(place, -1)
        if topic in UNBATCHED or committed <= low:
            continue
        ranges = list(ledger.get(place, ()))
        if missing := holes(ranges, low, committed):
            count = sum(last - first + 1 for first, last in missing)
            text = f"ledger: {topic}-{partition}, committed {committed}: no batch has {missing[:4]}"
            findings.append(Finding("ledger", count, text))
        if torn := overlaps(ranges):
            text = f"ledger: {topic}-{partition}: begun differently in one generation: {torn[:3]}"
            findings.append(Finding("ledger", len(torn), text))
    return findings


def holes(ranges: Iterable[Range], low: int, committed: int) -> list[tuple[int, int]]:
    """Return the offsets from ``low`` to before ``committed`` that no range has, as first and last of each gap."""
    found: list[tuple[int, int]] = []
    reached = low
    for one in sorted(ranges):
        if one.first > reached and reached < committed:
            found.append((reached, min(one.first, committed) - 1))
        reached = max(reached, one.last + 1)
    if reached < committed:
        found.append((reached, committed - 1))
    return found


def overlaps(ranges: Iterable[Range]) -> list[tuple[Range, Range]]:
    """Return neighbouring ranges of one generation that have offsets in common and are not the same.

    What is begun in a later generation may cut offsets in another way: the earlier batches are void then.
    """
    by_generation: dict[int, list[Range]] = collections.defaultdict(list)
    for one in sorted(set(ranges)):
        by_generation[one.generation].append(one)
    return [
        (one, other)
        for several in by_generation.values()
        for one, other in itertools.pairwise(several)
        if other.first <= one.last
    ]
