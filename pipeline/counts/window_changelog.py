"""The changelog of the windows: the compacted topic from which a partition's state is restored, and written to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pipeline.config.settings import Settings
from pipeline.counts.window_state import Changelog, is_progress
from pipeline.counts.windows import Windows
from pipeline.edges import kafka
from pipeline.edges.retry import until_available
from pipeline.issues.states import IssueStates
from pipeline.runtime.metrics import Metrics
from schemas.topics import COUNTS, WINDOWS

Issues = Iterable[tuple[str, str, str]]
"""Project, environment and fingerprint of each."""


class WindowChangelog:
    """Restores the windows of partitions of ``counts``, and writes what has changed of them.

    Args:
        settings: all settings.
        states: the issues' states as the worker follows them.
        incarnation: returns the present life of the topic ``counts``.
        known_issues: returns the issues that are not new though no message tells of them.
        send: sends a message to Kafka.
        metrics: where retries are counted.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        states: IssueStates,
        incarnation: Callable[[], Awaitable[str]],
        known_issues: Callable[[], Awaitable[Issues]],
        send: kafka.Send,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._states = states
        self._incarnation = incarnation
        self._known_issues = known_issues
        self._send = send
        self._retried = metrics.retries.labels("kafka").inc

    async def open(self, partition: int) -> Windows:
        """Return the windows of a partition as they were written last, however long the servers are away."""
        settings = self._settings
        windows = Windows(
            settings.rules,
            partition,
            partitions=COUNTS.partitions_with(settings.kafka.partitions),
            allowed_lateness_s=settings.alerts.allowed_lateness_s,
            table=f"{settings.clickhouse.database}.errors",
            incarnation=await self._incarnation(),
            states=self._states,
        )
        windows.load(await until_available(lambda: self._stored(partition), self._retried))
        windows.seed_known(await self._known_issues())
        return windows

    async def write(self, partition: int, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write changed entries; the sources' progress only when everything else is there."""
        windows = [change for change in changes if not is_progress(change[0])]
        progress = [change for change in changes if is_progress(change[0])]
        for entries in (windows, progress):
            await asyncio.gather(*(self._write_entry(partition, key, value) for key, value in entries))

    async def _stored(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        """Return the latest entries of a partition.

        Read anew by a client of its own whenever a partition is assigned. Faust's tables restore what they have
        not read yet on top of what they hold, so entries written while a rebalance begins can be set back by older
        ones; for counts that have to be exact that is not enough.
        """
        stored = Changelog()
        async for record in kafka.read_to_end(self._settings.kafka, WINDOWS.name, only=partition):
            stored.put(record.key, record.value)
        return stored.items()

    async def _write_entry(self, partition: int, key: bytes, value: bytes | None) -> None:
        await until_available(lambda: self._send(WINDOWS.name, value, key=key, partition=partition), self._retried)
