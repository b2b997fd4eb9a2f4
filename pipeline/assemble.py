"""Assemble: the pure stages, compiled for the settings."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.count import Counter
from pipeline.fingerprint import Grouping
from pipeline.inbound import Inbound
from pipeline.issue_states import IssueStates
from pipeline.process import Processor
from pipeline.scrub import Scrubber
from schemas.topics import COUNTS


def make_processor(settings: Settings, states: IssueStates | None = None) -> Processor:
    """Return the pure stages for the settings; ``states`` are the issues' states as the worker follows them."""
    partitions = COUNTS.partitions_with(settings.kafka.partitions)
    return Processor(
        Scrubber(settings.scrub),
        Grouping(settings.grouping),
        Counter(settings.rules, partitions, states),
        Inbound(settings.inbound),
        states=states,
        hash_key=settings.hash_key.encode(),
        topic_prefix=settings.kafka.topic_prefix,
    )
