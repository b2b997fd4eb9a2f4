"""Ledger: the batches of every partition as they were written down, and what Kafka says of the ranges between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from pipeline.auditing.chain import Chain, Entry, Hole, follow
from pipeline.auditing.findings import Finding, HoleFound, HoleVerdict, NotStored, OverlapFound, Unfinished
from pipeline.auditing.journal import Journal
from pipeline.auditing.ranges import Expired, Ranges, open_ranges
from pipeline.auditing.rows import Rows, leaves_rows
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import KafkaSettings
from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Boundaries, Source
from schemas.topics import CONSUMER_GROUP

Step = Callable[[str], AbstractContextManager[None]]
"""Tells people what is being done, where it takes long."""


class Life(Struct, frozen=True):
    """The present life of a topic: its UUID, and since when."""

    incarnation: str
    since: datetime


class Partition(Struct):
    """One partition, as Kafka and the ledger have it."""

    source: Source
    life: Life
    offsets: LogOffsets
    entries: list[Entry]
    chain: Chain
    unfinished: list[tuple[Boundaries, datetime]]


class LedgerAudit:
    """Compares the ledger with what Kafka has.

    Args:
        settings: where Kafka is.
        clickhouse: where the ledger and the tables are.
        step: is told what is being done.
    """

    def __init__(self, settings: KafkaSettings, clickhouse: ClickHouse, step: Step) -> None:
        self._settings = settings
        self._clickhouse = clickhouse
        self._rows = Rows(clickhouse)
        self._journal = Journal(clickhouse)
        self._step = step

    def partitions(self, topics: Sequence[str], since: datetime) -> list[Partition]:
        """Return the partitions of topics (without prefix) that have a committed offset, each with its chain.

        Batches count that were begun since a time. Of a topic that came to be later, all of the log does.

        Raises:
            Unavailable: a server cannot be reached.
        """
        lives = lives_of(self._clickhouse)
        group = self._settings.topic_prefix + CONSUMER_GROUP
        with self._step("asking Kafka what is committed"):
            found = asyncio.run(kafka.offsets(self._settings, group, topics))
        with self._step("reading the ledger"):
            return [
                partition
                for topic in topics
                if topic in lives
                for partition in self._of_topic(topic, lives[topic], found[topic], since)
            ]

    def _of_topic(
        self, topic: str, life: Life, offsets: Mapping[int, LogOffsets], since: datetime
    ) -> Iterator[Partition]:
        entries: dict[int, list[Entry]] = {}
        for row in self._batches(topic, life):
            entry = Entry(Boundaries(row["first"], row["last"]), row["in_generation"], in_utc(row["at"]))
            entries.setdefault(row["partition"], []).append(entry)
        for number, one in sorted(offsets.items()):
            of_partition = entries.get(number, [])
            recent = [entry for entry in of_partition if entry.begun_at >= since]
            whole = life.since >= since
            if one.committed is None or not (recent or whole):
                continue
            if not of_partition and one.committed > one.end:
                continue  # committed of the topic of that name that was there before
            source = Source(topic, life.incarnation, number)
            unfinished = self._journal.unfinished(source, since)
            first = recent[0].boundaries.first if recent else one.committed
            start = min(first, one.begin) if whole else first
            # Those of before stay in: they say what a later generation has begun otherwise.
            chain = follow(_with_repairs(of_partition, unfinished), start, one.committed)
            yield Partition(source, life, one, of_partition, chain, unfinished)

    def _batches(self, topic: str, life: Life) -> list[dict[str, Any]]:
        return self._clickhouse.rows(
            "SELECT partition, first_offset AS first, last_offset AS last, max(generation) AS in_generation, "
            "max(begun_at) AS at FROM batches WHERE topic = {topic:String} AND incarnation = {incarnation:String} "
            "GROUP BY partition, first, last ORDER BY partition, first, last",
            {"topic": topic, "incarnation": life.incarnation},
        )

    def findings(self, partitions: Sequence[Partition]) -> list[Finding]:
        """Return what is wrong with the chains of partitions.

        Raises:
            Unavailable: a server cannot be reached.
        """
        found: list[Finding] = []
        for partition in partitions:
            source = partition.source
            found += [
                Unfinished(source.topic, source.partition, one.first, one.last, at) for one, at in partition.unfinished
            ]
            found += [
                OverlapFound(
                    source.topic,
                    source.partition,
                    one.first,
                    one.last,
                    [(both.first, both.last) for both in (one.one, one.other)],
                )
                for one in partition.chain.overlaps
            ]
        holes = [(partition, hole) for partition in partitions for hole in partition.chain.holes]
        with self._step("looking for batches that were begun and not stored"):
            silent = self._silent(partitions)
        if holes or silent:
            with self._step("asking Kafka what it has where nothing was stored"):
                found += asyncio.run(self._judged(holes, silent))
        return found

    def _silent(self, partitions: Sequence[Partition]) -> list[tuple[Partition, Entry]]:
        """Return the batches that a later generation should have begun again, and that have left no row."""
        found: list[tuple[Partition, Entry]] = []
        for topic in sorted({partition.source.topic for partition in partitions}):
            of_topic = [one for one in partitions if one.source.topic == topic and one.chain.unanswered]
            if not of_topic or not leaves_rows(topic):
                continue
            candidates = {
                (partition.source.partition, entry.boundaries): (partition, entry)
                for partition in of_topic
                for entry in partition.chain.unanswered
                if entry.boundaries not in [one for one, _ in partition.unfinished]
            }
            without = self._rows.without_rows(topic, of_topic[0].life.since, list(candidates))
            found += [candidates[one] for one in without]
        return found

    async def _judged(
        self, holes: Sequence[tuple[Partition, Hole]], silent: Sequence[tuple[Partition, Entry]]
    ) -> list[Finding]:
        found: list[Finding] = []
        async with open_ranges(self._settings) as ranges:
            for partition, hole in holes:
                found += await self._judge(ranges, partition, hole)
            for partition, entry in silent:
                source, one = partition.source, entry.boundaries
                if one.first < partition.offsets.begin:
                    continue
                records = await ranges.count(source.topic, source.partition, one.first, one.last)
                if records:
                    found.append(
                        NotStored(source.topic, source.partition, one.first, one.last, records, entry.begun_at)
                    )
        return found

    async def _judge(self, ranges: Ranges, partition: Partition, hole: Hole) -> list[HoleFound]:
        """Say what has become of a hole; where Kafka has only the end of it, of both parts."""
        source, begin = partition.source, partition.offsets.begin
        found: list[HoleFound] = []

        def found_as(first: int, last: int, verdict: HoleVerdict, records: int, stored: int) -> None:
            found.append(
                HoleFound(
                    source.topic, source.partition, first, last, verdict, records, stored, hole.before, hole.after
                )
            )

        readable = max(hole.first, begin)
        if hole.first < readable:
            last = min(hole.last, readable - 1)
            stored = self._stored(partition, hole.first, last)
            found_as(hole.first, last, "expired", 0, stored)
        if readable <= hole.last:
            try:
                records = await ranges.count(source.topic, source.partition, readable, hole.last)
            except Expired:
                found_as(readable, hole.last, "expired", 0, self._stored(partition, readable, hole.last))
                return found
            stored = self._stored(partition, readable, hole.last) if records else 0
            found_as(readable, hole.last, verdict_of(records, stored), records, stored)
        return found

    def _stored(self, partition: Partition, first: int, last: int) -> int:
        source = partition.source
        return self._rows.offsets_in(source.topic, source.partition, Boundaries(first, last), partition.life.since)


def lives_of(clickhouse: ClickHouse) -> dict[str, Life]:
    """Return the present life of every topic, by its name."""
    rows = clickhouse.rows(
        "SELECT topic, argMax(incarnation, created_at) AS incarnation, max(created_at) AS since FROM topics "
        "GROUP BY topic"
    )
    return {row["topic"]: Life(row["incarnation"], in_utc(row["since"])) for row in rows}


def _with_repairs(entries: list[Entry], unfinished: Sequence[tuple[Boundaries, datetime]]) -> list[Entry]:
    """Return a partition's batches and those that a repair has begun: what is left of a hole lies between them."""
    known = {entry.boundaries for entry in entries}
    latest = max((entry.generation for entry in entries), default=0)
    begun = [Entry(one, latest, at) for one, at in unfinished if one not in known]
    return sorted([*entries, *begun], key=lambda entry: entry.boundaries) if begun else entries


def verdict_of(records: int, stored: int) -> HoleVerdict:
    """Return what has become of a range in which Kafka has so many records and the tables rows of so many of them."""
    if not records:
        return "nothing there"
    if not stored:
        return "lost"
    return "stored" if stored >= records else "unclear"


def in_utc(moment: datetime) -> datetime:
    """Return a time as the driver tells it, with its zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
