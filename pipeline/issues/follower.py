"""Follows all of the topic ``issue-changes``, so that every worker knows what people have decided about issues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pipeline.edges import kafka
from pipeline.edges.retry import until_available
from pipeline.edges.settings import KafkaSettings
from pipeline.records.record import Record
from pipeline.runtime.metrics import Metrics
from pipeline.tables.issues import change_of
from schemas.issue_change import IssueChange
from schemas.topics import ISSUE_CHANGES

log = logging.getLogger(__name__)

Note = Callable[[str, str, IssueChange | None], None]
"""Takes project, fingerprint and the latest change of an issue, ``None`` where all of it was taken back."""


class IssueFollower:
    """Reads what is on the topic, and then what comes.

    Args:
        settings: where Kafka is.
        note: told of each change in their order.
        metrics: where retries are counted.

    Attributes:
        all_read: set when what was on the topic at first was read.
    """

    def __init__(self, settings: KafkaSettings, note: Note, metrics: Metrics) -> None:
        self._settings = settings
        self._note = note
        self._retried = metrics.retries.labels("kafka").inc
        self.all_read = asyncio.Event()

    async def follow(self) -> None:
        """Follow the topic for ever, however long Kafka is away in between."""
        positions: dict[int, int] = {}

        async def once() -> None:
            async for records, all_read in kafka.keep_up(self._settings, ISSUE_CHANGES.name, positions):
                for record in records:
                    self._take(record)
                if all_read:
                    self.all_read.set()

        await until_available(once, self._retried)

    def _take(self, record: Record) -> None:
        try:
            change = change_of(record)
        except ValueError as error:
            log.error(
                "%s: offset %d of partition %d skipped: %s", ISSUE_CHANGES.name, record.offset, record.partition, error
            )
        else:
            self._note(*change)
