"""Counting: the messages of the ``counts`` topic applied to the windows, and the alerts that follow sent on.

The order is what makes it exact: alerts are acknowledged, then what issues have done is stored, then the changed
state is in the changelog, then the offset is committed. After a crash the same messages are applied again to exactly
what had not been written; alerts that were sent already are recognised by their ids on the alert topic.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from msgspec import Struct

from pipeline.counts.reactions import Reaction
from pipeline.counts.windows import Windows
from pipeline.intake.sequence import ReadingSequence
from pipeline.records.record import Fetch, Record, RecordBatch
from pipeline.records.record_batches import Unreadable, records_of
from pipeline.runtime.metrics import Metrics
from schemas.alert import Alert
from schemas.counts import decode_counts
from schemas.topics import COUNTS

log = logging.getLogger(__name__)

MOST_REMEMBERED = 100_000
"""Ids of alerts that are remembered as sent."""


class Watched(Struct, eq=False):
    """One assigned partition of ``counts``: its windows, and how far they are applied and written.

    ``released`` is set when the partition was given away: its state is another worker's from then on.
    """

    generation: int
    windows: Windows
    next_offset: int
    written_offset: int
    written_at: float
    released: bool = False


class Counting:
    """Applies the ``counts`` topic.

    Args:
        sequence: has a partition read again where a fetch does not follow on.
        restore: returns the offset from which a partition that was assigned is read.
        open_windows: makes the windows of a partition, restored from the changelog.
        send_alert: sends one alert and returns when it is acknowledged.
        write: writes changed entries of a partition to the changelog; returns when they are there.
        done: told how far a partition is done.
        held: whether a generation's partitions are known to be this worker's; while they are not, nothing is written.
        sent_before: the ids of alerts that are on the alert topic.
        first_seen: when some releases were first heard of, as far as that is stored.
        store_reactions: stores what issues have done; returns when it is there. The same may come again.
        metrics: what is counted on the way.
        flush_interval_s: how often the state is written.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        sequence: ReadingSequence,
        restore: Callable[[int], Awaitable[int]],
        open_windows: Callable[[int], Awaitable[Windows]],
        send_alert: Callable[[Alert], Awaitable[None]],
        write: Callable[[int, Sequence[tuple[bytes, bytes | None]]], Awaitable[None]],
        done: Callable[[int, int], None],
        held: Callable[[int], bool],
        sent_before: Callable[[], Awaitable[Iterable[str]]],
        first_seen: Callable[[set[tuple[str, str]]], Awaitable[Iterable[tuple[str, str, int]]]],
        store_reactions: Callable[[Sequence[Reaction]], Awaitable[None]],
        metrics: Metrics,
        flush_interval_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._sequence = sequence
        self._restore = restore
        self._open_windows = open_windows
        self._send_alert = send_alert
        self._write = write
        self._done = done
        self._held = held
        self._sent_before = sent_before
        self._first_seen = first_seen
        self._store_reactions = store_reactions
        self._metrics = metrics
        self._flush_interval_s = flush_interval_s
        self._clock = clock
        self._watched: dict[int, Watched] = {}
        self._releases: Counter[int] = Counter()
        self._sent: dict[str, None] = {}
        self._lock = asyncio.Lock()

    async def open(self, partition: int, generation: int) -> None:
        """Begin to watch a partition, unless it is watched in this generation already."""
        async with self._lock:
            await self._opened(partition, generation)

    async def take(self, partition: int, fetch: Fetch) -> None:
        """Apply one fetch, if it begins at the offset that is expected next or before it."""
        async with self._lock:
            watched = await self._opened(partition, fetch.generation)
            if watched.released or watched.generation != fetch.generation:
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
            await self._flush_if_due(partition, watched)

    async def look_after(self, generation: int) -> None:
        """Seek back partitions of this generation that are read on behind what is expected, and no fetch shows it."""
        for partition, watched in list(self._watched.items()):
            if watched.generation == generation and not self._lock.locked():
                await self._sequence.look_after(partition, watched.next_offset)

    async def tick(self, waiting: Callable[[int], bool]) -> None:
        """Let time pass for the partitions of which no message is waiting, and write what has changed."""
        async with self._lock:
            for partition, watched in list(self._watched.items()):
                if not waiting(partition):
                    await self._announce(watched.windows.tick(self._clock()))
                await self._flush_if_due(partition, watched)

    async def release(self, partitions: Iterable[int], grace_s: float) -> None:
        """Forget partitions that were revoked; wait ``grace_s`` seconds at most for what is being written.

        Nothing more is written of them afterwards: it would undo what their next worker writes.
        """
        for partition in partitions:
            self._releases[partition] += 1
            watched = self._watched.pop(partition, None)
            if watched is not None:
                watched.released = True
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s), self._lock:
                pass

    def next_offset(self, partition: int) -> int | None:
        """Return the offset up to which a partition was applied, ``None`` when it is not watched."""
        watched = self._watched.get(partition)
        return watched.next_offset if watched else None

    async def _opened(self, partition: int, generation: int) -> Watched:
        watched = self._watched.get(partition)
        if watched is None or watched.generation < generation:
            releases = self._releases[partition]
            for identifier in await self._sent_before():
                self._remember(identifier)
            windows = await self._open_windows(partition)
            windows.sent = self._sent
            from_offset = await self._restore(partition)
            watched = Watched(generation, windows, from_offset, from_offset, self._clock())
            if self._releases[partition] == releases:
                self._watched[partition] = watched
            else:
                watched.released = True
        return watched

    async def _apply(self, watched: Watched, record: Record) -> list[Alert]:
        try:
            batch = decode_counts(record.value or b"")
        except ValueError as error:
            log.error("counts-%d: offset %d skipped: %s", record.partition, record.offset, error)
            return []
        issues = watched.windows.issues
        wanted = issues.releases_to_look_up(batch)
        if wanted:
            issues.learn_releases(batch, wanted, await self._first_seen(wanted))
        return watched.windows.apply(batch, record.offset, self._clock())

    async def _announce(self, alerts: Iterable[Alert]) -> None:
        """Send alerts that were not sent before, side by side: one after the other they wait for each other."""
        new = {alert.id: alert for alert in alerts if alert.id not in self._sent}
        await asyncio.gather(*map(self._send_alert, new.values()))
        for alert in new.values():
            self._remember(alert.id)
            self._metrics.alerts.labels(alert.rule, alert.state).inc()

    def _remember(self, identifier: str) -> None:
        self._sent[identifier] = None
        while len(self._sent) > MOST_REMEMBERED:
            del self._sent[next(iter(self._sent))]

    async def _flush_if_due(self, partition: int, watched: Watched) -> None:
        if self._clock() - watched.written_at >= self._flush_interval_s:
            await self._flush(partition, watched)

    async def _flush(self, partition: int, watched: Watched) -> None:
        if not self._held(watched.generation):
            return
        reactions = watched.windows.issues.take_reactions()
        if reactions:
            await self._store_reactions(reactions)
        if watched.released:
            return
        changes = watched.windows.take_changes()
        if changes:
            await self._write(partition, changes)
        watched.written_at = self._clock()
        if watched.next_offset > watched.written_offset and not watched.released:
            watched.written_offset = watched.next_offset
            self._done(partition, watched.next_offset)


def _records(partition: int, record_batches: Iterable[RecordBatch]) -> Iterator[Record]:
    for record_batch in record_batches:
        try:
            yield from records_of(record_batch.data, COUNTS.name, partition)
        except Unreadable as error:
            log.error("counts-%d: offset %d and on skipped: %s", partition, record_batch.first, error)
