"""Assemble: the pure stages, compiled for the settings."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.count import Counter
from pipeline.fingerprint import Grouping
from pipeline.inbound import Inbound
from pipeline.process import Processor
from pipeline.scrub import Scrubber
from schemas.topics import COUNTS


def make_processor(settings: Settings) -> Processor:
    """Return the pure stages for the settings."""
    partitions = COUNTS.partitions_with(settings.kafka.partitions)
    return Processor(
        Scrubber(settings.scrub),
        Grouping(settings.grouping),
        Counter(settings.rules, partitions),
        Inbound(settings.inbound),
        hash_key=settings.hash_key.encode(),
        topic_prefix=settings.kafka.topic_prefix,
    )
