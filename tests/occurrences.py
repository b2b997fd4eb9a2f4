"""Events as the counting stage sees them, with a default for everything a test does not care about."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from pipeline.alerts.rules import Rules
from pipeline.counts.batch_counts import Counter
from pipeline.records.record import Source
from schemas.counts import CountsBatch, PartialCount

NOON = 1_790_000_000
"""A moment in epoch seconds, at the start of a pane of any width up to ten seconds."""

SOURCE = Source("errors", "0b1f7d0e-5a3c-4e7e-9f55-6c1d6a0e9d10", 0)


class Occurrence(Struct):
    project: str = "shop"
    environment: str = "production"
    level: str = "error"
    release: str = "shop@1.0"
    fingerprint: str = "aa" * 16
    title: str = "TimeoutError: payment"
    culprit: str = "shop.pay in charge"
    message: str = "timeout while charging"
    event_id: str = "e" * 32
    timestamp_ms: int = NOON * 1000
    tags: dict[str, str] | list[tuple[str, str]] = field(default_factory=dict)
    user_hash: int = 0
    weight: int | float = 1


def rules_of(*tables: dict[str, Any]) -> Rules:
    return Rules.from_toml(list(tables), lambda _path: "aftershock.toml")


def counted(rules: Rules, *occurrences: Occurrence, first: int = 0, last: int | None = None) -> CountsBatch:
    """The one message of a batch, with a single counts partition."""
    end = first + len(occurrences) - 1 if last is None else last
    (batch,) = Counter(rules, 1).count(occurrences, SOURCE, first, end).values()
    return batch


def groups_of(rules: Rules, *occurrences: Occurrence) -> dict[tuple[str, str, str, str], PartialCount]:
    """The groups of a batch by rule, project, environment and fingerprint; fails when one appears twice."""
    batches = Counter(rules, 1).count(occurrences, SOURCE, 0, 0)
    groups = [group for batch in batches.values() for group in batch.groups]
    found = {(group.rule, group.project, group.environment, group.fingerprint): group for group in groups}
    assert len(found) == len(groups)
    return found
