"""The consumer of the topic ``counts``: its messages applied to the windows, and the alerts that follow sent.

The order makes it exactly-once: alerts are acknowledged, then what issues have done is stored, then the changed
state is in the changelog, then the offset is committed. After a crash the same messages are applied again to exactly
what had not been written; alerts that were sent already are recognised by their ids on the alert topic.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from pipeline.counts.reactions import Reaction
from pipeline.counts.windows import Windows, WindowStats
from pipeline.intake.assigned import AssignedPartition, AssignedPartitions
from pipeline.intake.sequence import PartitionConsumer, ReadingSequence
from pipeline.records.record import Fetch, Record, RecordBatch
from pipeline.records.record_batches import Unreadable, records_of
from pipeline.runtime.metrics import Metrics
from schemas.alert import Alert
from schemas.counts import decode_counts
from schemas.topics import COUNTS

log = logging.getLogger(__name__)

MOST_REMEMBERED = 100_000
"""Ids of alerts that are remembered as sent."""


class GroupConsumer(PartitionConsumer, Protocol):
    """The group's consumer, and whether its partitions are this worker's still."""

    async def first_to_read(self, topic: str, partition: int) -> int:
        """Return the offset from which a partition that was assigned is read, however long Kafka is away."""

    def holds(self, generation: int) -> bool:
        """Return whether no other worker can have the partitions of this generation yet."""


class WindowStore(Protocol):
    """The windows of each partition, and the changelog that they are kept in."""

    async def open(self, partition: int) -> Windows:
        """Return the windows of a partition, restored from the changelog."""

    async def write(self, partition: int, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write changed entries of a partition to the changelog; return when they are there."""


class AlertTopic(Protocol):
    """The topic that alerts are sent to."""

    async def send(self, alert: Alert) -> None:
        """Send an alert; return when it is acknowledged."""

    async def latest_ids(self) -> Iterable[str]:
        """Return the ids of the latest alerts on the topic."""


class ReactionStore(Protocol):
    """What ClickHouse knows of releases, and where it is noted what issues have done."""

    async def first_seen(self, releases: set[tuple[str, str]]) -> Iterable[tuple[str, str, int]]:
        """Return when some releases were first heard of, as far as that is stored."""

    async def note(self, reactions: Sequence[Reaction]) -> None:
        """Store what issues have done; return when it is there. The same may come again."""


class CountsPartition(AssignedPartition, eq=False, kw_only=True):
    """An assigned partition of ``counts``: its windows, and how far they are applied and written."""

    windows: Windows
    next_offset: int
    written_offset: int
    written_at: float
    told: WindowStats


class CountsConsumer:
    """Applies the ``counts`` topic.

    Args:
        consumer: the group's consumer.
        windows: the windows and their changelog.
        alerts: where alerts go.
        reactions: where it is stored what issues have done.
        metrics: what is counted on the way.
        flush_interval_s: how often the state is written.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        consumer: GroupConsumer,
        windows: WindowStore,
        alerts: AlertTopic,
        reactions: ReactionStore,
        metrics: Metrics,
        flush_interval_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._consumer = consumer
        self._sequence = ReadingSequence(consumer, metrics, COUNTS.name, time.monotonic)
        self._windows = windows
        self._alerts = alerts
        self._reactions = reactions
        self._metrics = metrics
        self._flush_interval_s = flush_interval_s
        self._clock = clock
        self._watched = AssignedPartitions(self._begin)
        self._sent: dict[str, None] = {}
        self._lock = asyncio.Lock()

    async def open(self, partition: int, generation: int) -> None:
        """Begin to watch a partition, unless it is watched in this generation already."""
        async with self._lock:
            await self._watched.read(partition, generation)

    async def take(self, partition: int, fetch: Fetch) -> None:
        """Apply one fetch, if it begins at the offset that is expected next or before it."""
        async with self._lock:
            watched = await self._watched.read(partition, fetch.generation)
            if watched.revoked or watched.generation != fetch.generation:
                return
            if fetch.start > watched.next_offset:
                watched.next_offset = await self._sequence.expired(partition, watched.next_offset)
            if fetch.start > watched.next_offset:
                await self._sequence.seek_back(partition, watched.next_offset, fetch.start)
                return
            records = _records(partition, fetch.record_batches)
            new = [record for record in records if record.offset >= watched.next_offset]
            await self._announce([alert for record in new for alert in await self._apply(watched, record)])
            watched.next_offset = max(watched.next_offset, fetch.next_offset)
            self._tell(watched)
            await self._flush_if_due(watched)

    async def look_after(self, generation: int) -> None:
        """Seek back partitions of this generation that are read on behind what is expected, and no fetch shows it."""
        for watched in self._watched.all():
            if watched.generation == generation and not self._lock.locked():
                await self._sequence.look_after(watched.partition, watched.next_offset)

    async def tick(self, waiting: Callable[[int], bool]) -> None:
        """Let time pass for the partitions of which no message is waiting, and write what has changed."""
        async with self._lock:
            for watched in self._watched.all():
                if not waiting(watched.partition):
                    await self._announce(watched.windows.tick(self._clock()))
                self._tell(watched)
                await self._flush_if_due(watched)

    async def release(self, partitions: Iterable[int], grace_s: float) -> None:
        """Forget partitions that were revoked; wait ``grace_s`` seconds at most for what is being written.

        Nothing more is written of them afterwards: it would undo what their next worker writes.
        """
        for watched in self._watched.revoke(partitions):
            with suppress(KeyError):  # it was not told of yet
                self._metrics.groups.remove(str(watched.partition))
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s), self._lock:
                pass

    def next_offset(self, partition: int) -> int | None:
        """Return the offset up to which a partition was applied, ``None`` when it is not watched."""
        watched = self._watched.get(partition)
        return watched.next_offset if watched else None

    async def _begin(self, partition: int, generation: int, _earlier: CountsPartition | None) -> CountsPartition:
        for identifier in await self._alerts.latest_ids():
            self._remember(identifier)
        windows = await self._windows.open(partition)
        windows.sent = self._sent
        from_offset = await self._consumer.first_to_read(COUNTS.name, partition)
        return CountsPartition(
            partition=partition,
            generation=generation,
            windows=windows,
            next_offset=from_offset,
            written_offset=from_offset,
            written_at=self._clock(),
            told=WindowStats(),
        )

    async def _apply(self, watched: CountsPartition, record: Record) -> list[Alert]:
        try:
            batch = decode_counts(record.value or b"")
        except ValueError as error:
            log.error("counts-%d: offset %d skipped: %s", record.partition, record.offset, error)
            return []
        issues = watched.windows.issues
        wanted = issues.releases_to_look_up(batch)
        if wanted:
            issues.learn_releases(batch, wanted, await self._reactions.first_seen(wanted))
        return watched.windows.apply(batch, record.offset, self._clock())

    async def _announce(self, alerts: Iterable[Alert]) -> None:
        """Send alerts that were not sent before, side by side: one after the other they wait for each other."""
        new = {alert.id: alert for alert in alerts if alert.id not in self._sent}
        await asyncio.gather(*map(self._alerts.send, new.values()))
        for alert in new.values():
            self._remember(alert.id)
            self._metrics.alerts.labels(alert.rule, alert.state).inc()

    def _remember(self, identifier: str) -> None:
        self._sent[identifier] = None
        while len(self._sent) > MOST_REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def _tell(self, watched: CountsPartition) -> None:
        """Show in the metrics what the windows have done since this was called last."""
        stats, told = watched.windows.stats, watched.told
        counts, not_counted = self._metrics.counts, self._metrics.not_counted
        counts.labels("applied").inc(stats.applied - told.applied)
        counts.labels("duplicate").inc(stats.duplicates - told.duplicates)
        counts.labels("overlapping").inc(stats.overlapping - told.overlapping)
        not_counted.labels("late").inc(stats.late - told.late)
        not_counted.labels("evicted").inc(stats.evicted - told.evicted)
        not_counted.labels("unknown_rule").inc(stats.unknown_rule - told.unknown_rule)
        watched.told = replace(stats)
        self._metrics.groups.labels(str(watched.partition)).set(watched.windows.open)

    async def _flush_if_due(self, watched: CountsPartition) -> None:
        if self._clock() - watched.written_at >= self._flush_interval_s:
            await self._flush(watched)

    async def _flush(self, watched: CountsPartition) -> None:
        if not self._consumer.holds(watched.generation):
            return
        reactions = watched.windows.issues.take_reactions()
        if reactions:
            await self._reactions.note(reactions)
        if watched.revoked:
            return
        changes = watched.windows.take_changes()
        if changes:
            await self._windows.write(watched.partition, changes)
        watched.written_at = self._clock()
        if watched.next_offset > watched.written_offset and not watched.revoked:
            watched.written_offset = watched.next_offset
            self._consumer.done(COUNTS.name, watched.partition, watched.next_offset)


def _records(partition: int, record_batches: Iterable[RecordBatch]) -> Iterator[Record]:
    for record_batch in record_batches:
        try:
            yield from records_of(record_batch.data, COUNTS.name, partition)
        except Unreadable as error:
            log.error("counts-%d: offset %d and on skipped: %s", partition, record_batch.first, error)
