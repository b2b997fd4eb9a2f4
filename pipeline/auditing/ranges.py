"""Ranges of a partition's offsets, read from Kafka once more, in raw record batches."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pipeline.edges import kafka
from pipeline.edges.raw_fetches import fetch_raw
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Unavailable
from pipeline.intake.batching import BatchLimits
from pipeline.records.record import Boundaries, RecordBatch
from pipeline.records.record_batches import Unreadable, described, records_of

FETCH_BYTES = 8 * 1024 * 1024
LONGEST_SILENCE_S = 30.0


class Expired(Exception):
    """Kafka has deleted the beginning of a range."""


class Ranges:
    """Reads ranges of offsets, one after the other.

    Args:
        client: a connected consumer that hands over whole fetches.
        prefix: what stands before every topic's name in Kafka.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def read(self, topic: str, partition: int, first: int, last: int) -> AsyncIterator[RecordBatch]:
        """Yield the record batches that hold a record from ``first`` to ``last``; the outer two may hold others too.

        All of them were there when the last one has been yielded: what is not among them holds no record.

        Raises:
            Expired: Kafka does not have all of it any more.
            Unavailable: Kafka cannot be reached.
        """
        place = await self._place(topic, partition)
        self._client.assign([place])
        self._client.seek(place, first)
        reached, heard_at = first, time.monotonic()
        while reached <= last:
            for fetched in (await self._client.getmany(place, timeout_ms=1000)).get(place, ()):
                if fetched.start > reached:
                    raise Expired
                reached, heard_at = fetched.next_offset, time.monotonic()
                for record_batch in map(described, fetched.record_batches):
                    if record_batch.last >= first and record_batch.first <= last:
                        yield record_batch
            if time.monotonic() - heard_at > LONGEST_SILENCE_S:
                raise Unavailable(
                    f"Kafka has not sent offset {reached} of {topic}-{partition} for {LONGEST_SILENCE_S:.0f} s: see "
                    "the broker's log, and run the same again"
                )

    async def count(self, topic: str, partition: int, first: int, last: int) -> int:
        """Return how many records there are from ``first`` to ``last``.

        Raises:
            Expired: Kafka does not have all of it any more.
            Unavailable: Kafka cannot be reached.
        """
        return sum([records_in(one, first, last) async for one in self.read(topic, partition, first, last)])

    async def _place(self, topic: str, partition: int) -> Any:
        for place in await kafka.partitions_of(self._client, self._prefix + topic):
            if place.partition == partition:
                return place
        raise Unavailable(f"Kafka has no partition {partition} of topic {self._prefix}{topic}")


@asynccontextmanager
async def open_ranges(settings: KafkaSettings) -> AsyncIterator[Ranges]:
    """Yield a reader of ranges.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    async with kafka.consumer(settings, max_partition_fetch_bytes=FETCH_BYTES) as client:
        fetch_raw(client)
        yield Ranges(client, settings.topic_prefix)


def records_in(record_batch: RecordBatch, first: int, last: int) -> int:
    """Return how many records of a record batch have offsets from ``first`` to ``last``."""
    if first <= record_batch.first and record_batch.last <= last:
        return record_batch.count
    count = 0
    with suppress(Unreadable):
        for record in records_of(record_batch.data, "", 0):
            count += first <= record.offset <= last
    return count


async def in_batches(
    record_batches: AsyncIterator[RecordBatch], first: int, last: int, limits: BatchLimits
) -> AsyncIterator[tuple[Boundaries, list[RecordBatch]]]:
    """Yield a range in batches that follow each other from ``first`` to ``last``, each with its record batches.

    They are cut between record batches, so the same range is always cut in the same places.
    """
    held: list[RecordBatch] = []
    start, room = first, limits
    async for record_batch in record_batches:
        room = _less(room, record_batch)
        if held and min(room.records, room.bytes, room.decompressed_bytes) < 0:
            yield Boundaries(start, record_batch.first - 1), held
            start, held, room = record_batch.first, [], _less(limits, record_batch)
        held.append(record_batch)
    yield Boundaries(start, last), held


def _less(room: BatchLimits, taken: RecordBatch) -> BatchLimits:
    """Return what is left of a batch's largest size when it holds a record batch more."""
    return BatchLimits(
        room.records - taken.count, room.bytes - len(taken.data), room.decompressed_bytes - taken.size, room.linger_s
    )
