"""Sampling: which part is kept, decided by the trace, so that every service and every process decides alike. Pure.

The trace id is hashed to a number between 0 and 1; what has a number below the rate is kept. So what a rate of 0.1
keeps, a rate of 0.2 keeps too: a trace whose errors are kept at one rate and whose spans at another is never cut
crosswise, and what has been sampled once is not sampled again by the same rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

from pipeline.inbound.facts import Facts
from pipeline.inbound.settings import SampleSettings
from pipeline.payload.globs import compile_globs

FIELDS = ("project", "environment", "release", "transaction")
_RANGE = 2.0**64


class Sampler:
    """The sampling rules, compiled.

    Args:
        samples: the first that fits decides; what none fits is kept.
    """

    def __init__(self, samples: Iterable[SampleSettings] = ()) -> None:
        self._rules = [_Rule(sample.type, _tests(sample), sample.rate) for sample in samples]
        self.active = bool(self._rules)

    def weight(self, facts: Facts) -> float:
        """Return how many this one stands for if it is kept, 0 if it is not."""
        rate = self._rate(facts)
        if rate in (0, 1):
            return rate
        # Without any id there is nothing that all processes would decide by.
        if not facts.identity:
            return 1.0
        return 1 / rate if share(facts.identity) < rate else 0.0

    def _rate(self, facts: Facts) -> float:
        for rule in self._rules:
            if rule.kind in (None, facts.kind) and all(test(getattr(facts, field)) for field, test in rule.tests):
                return rule.rate
        return 1.0


def share(identity: str) -> float:
    """Return the number between 0 and 1 that a trace id, or another id, hashes to, however it is written."""
    return xxh3_64_intdigest(identity.replace("-", "").lower().encode("utf-8", "replace")) / _RANGE


class _Rule(NamedTuple):
    kind: str | None
    tests: list[tuple[str, Callable[[str], bool]]]
    rate: float


def _tests(sample: SampleSettings) -> list[tuple[str, Callable[[str], bool]]]:
    return [(field, compile_globs([glob])) for field in FIELDS if (glob := getattr(sample, field)) != "*"]
