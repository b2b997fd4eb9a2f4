"""The gate: filters, then sampling, for one event at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pipeline.inbound.facts import Facts, facts_of
from pipeline.inbound.filters import Filter
from pipeline.inbound.sampling import Sampler
from pipeline.inbound.settings import InboundPolicy, Kind, PlaceFilterSettings
from pipeline.payload.globs import compile_globs
from schemas.event import Event

MOST_PLACES = 4096
"""For how many projects and environments it is remembered which filters they have."""

MOST_NAME = 200
"""How many characters of an environment are looked at for that."""

SAMPLED = "sampled"


class Verdict(NamedTuple):
    """``dropped`` is the setting that drops an event, or ``sampled``; empty when it stays.

    ``weight`` is how many like it an event that stays stands for.
    """

    dropped: str = ""
    weight: float = 1.0


class Client(NamedTuple):
    """Where an HTTP request came from; empty where it is not known."""

    address: str = ""
    user_agent: str = ""


KEPT = Verdict()
NOBODY = Client()


class Inbound:
    """What is let in, compiled for a configuration. While :attr:`active` is false, nothing needs to be asked.

    Args:
        policy: the filters and the sampling rules.
    """

    def __init__(self, policy: InboundPolicy) -> None:
        self._policy = policy
        self._sampler = Sampler(policy.samples)
        self._places = [(compile_globs([place.project]), compile_globs([place.environment])) for place in policy.places]
        self._fitting_of: Callable[[str, str], tuple[PlaceFilterSettings, ...]] = lru_cache(MOST_PLACES)(self._fitting)
        self._compiled: Callable[[tuple[PlaceFilterSettings, ...]], Filter] = lru_cache(MOST_PLACES)(
            lambda places: Filter([policy.filter, *places])
        )
        self._general = Filter([policy.filter])
        self.active = self._sampler.active or self._general.active or bool(policy.places)

    def judge(self, event: Event, kind: Kind, project: str, client: Client = NOBODY) -> Verdict:
        """Return whether an event stays, and what it stands for."""
        facts = facts_of(event, kind, project, *client)
        dropped_by = self.filter_of(facts.project, facts.environment).drops(event, facts)
        return Verdict(dropped_by, 0.0) if dropped_by else self.sample(facts)

    def drops(self, event: Event, kind: Kind, project: str) -> str | None:
        """Return the setting that drops an event, ``None`` if it stays; sampling is not asked."""
        facts = facts_of(event, kind, project)
        return self.filter_of(facts.project, facts.environment).drops(event, facts)

    def sample(self, facts: Facts) -> Verdict:
        """Return whether sampling keeps what has these facts, and what it stands for."""
        if not self._sampler.active:
            return KEPT
        weight = self._sampler.weight(facts)
        return Verdict("", weight) if weight else Verdict(SAMPLED, 0.0)

    def filter_of(self, project: str, environment: str) -> Filter:
        """Return the filters of a project and an environment."""
        if not self._places:
            return self._general
        return self._compiled(self._fitting_of(project, environment[:MOST_NAME]))

    def _fitting(self, project: str, environment: str) -> tuple[PlaceFilterSettings, ...]:
        return tuple(
            place
            for place, (of_project, of_environment) in zip(self._policy.places, self._places, strict=True)
            if of_project(project) and of_environment(environment)
        )


EVERYTHING = Inbound(InboundPolicy())
"""Lets everything in."""
