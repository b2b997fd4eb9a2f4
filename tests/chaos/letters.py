"""The comparison of dead letters: exactly those events that had to become some, each once."""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterable

from tests.chaos.findings import Finding
from tests.chaos.servers import ClickHouse

Letter = tuple[str, int, int]
"""Topic, partition and offset of the event that was refused."""


def read_letters(clickhouse: ClickHouse) -> list[Letter]:
    """Return all dead letters, each as often as it is there."""
    rows = clickhouse.rows("SELECT kafka_topic AS topic, kafka_partition AS p, kafka_offset AS o FROM dead_letters")
    return [(row["topic"], row["p"], row["o"]) for row in rows]


def compare_letters(expected: Collection[Letter], found: Iterable[Letter]) -> list[Finding]:
    """Compare the dead letters that there are with those that must be."""
    counts = collections.Counter(found)
    findings: list[Finding] = []
    if missing := sorted(set(expected) - counts.keys()):
        text = f"dead letters: {len(missing)} of {len(expected)} missing: {missing[:4]}"
        findings.append(Finding("dead letter", len(missing), text))
    if more := sorted(counts.keys() - set(expected)):
        findings.append(Finding("dead letter", len(more), f"dead letters: {len(more)} too many: {more[:4]}"))
    if doubled := sorted(letter for letter, count in counts.items() if count > 1):
        findings.append(Finding("dead letter", len(doubled), f"dead letters: {len(doubled)} twice: {doubled[:4]}"))
    return findings
