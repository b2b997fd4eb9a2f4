"""Rows: what the tables hold of ranges of offsets, and which offsets' rows they hold twice."""

# ruff: noqa: S608  every name that is put into SQL here is our own

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from pipeline.auditing.findings import Doubled
from pipeline.edges.clickhouse import ClickHouse
from pipeline.records.record import Boundaries
from pipeline.tables.alerts import ALERTS_TABLE
from pipeline.tables.check_ins import CHECK_INS_TABLE
from pipeline.tables.columns import COLUMNS
from pipeline.tables.dead_letters import DEAD_LETTER_COLUMNS, DEAD_LETTERS_TABLE
from pipeline.tables.feedback import FEEDBACK_TABLE
from pipeline.tables.issues import ISSUE_CHANGES_TABLE
from pipeline.tables.logs import LOGS_TABLE
from pipeline.tables.outcomes import OUTCOMES_TABLE
from pipeline.tables.releases import RELEASE_CHANGES_TABLE, RELEASE_COMMITS_TABLE, RELEASE_REFS_TABLE
from pipeline.tables.rows import ERRORS_TABLE, SPANS_TABLE
from pipeline.tables.sessions import SESSION_AGGREGATES_TABLE, SESSIONS_TABLE
from schemas.topics import (
    ALERTS,
    CHECK_INS,
    ERRORS,
    FEEDBACK,
    ISSUE_CHANGES,
    LOGS,
    OUTCOMES,
    RELEASES,
    SESSIONS,
    SPANS,
    STORED,
)

AT_A_TIME = timedelta(days=1)
LEAST_MEMORY = "SETTINGS max_bytes_before_external_group_by = 1000000000"
"""A day's offsets that do not fit into a gigabyte are sorted out on disk."""


class Store(Struct, frozen=True):
    """A table with rows of one or more topics.

    Attributes:
        table: its name.
        topics: the topics whose records make rows in it. Where there are several, ``kafka_topic`` tells them apart.
        received: the column with the time of the record, if it has one.
        parts: the columns that tell apart the rows of one record, where it may have several.
        complete: whether rows stay until their retention ends; others are replaced by later ones of the same key.
    """

    table: str
    topics: tuple[str, ...]
    received: str = "received"
    parts: tuple[str, ...] = ()
    complete: bool = True


EVENTS = (ERRORS.name, SPANS.name)
STORES = (
    Store(ERRORS_TABLE, EVENTS, parts=("event_id",)),
    Store(SPANS_TABLE, EVENTS, parts=("span_id", "timestamp", "op", "duration_ms", "is_transaction")),
    Store(ALERTS_TABLE, (ALERTS.name,), received="created_at", complete=False),
    Store(SESSIONS_TABLE, (SESSIONS.name,), complete=False),
    Store(SESSION_AGGREGATES_TABLE, (SESSIONS.name,), parts=("started", "user_hash", "exited", "errored", "crashed")),
    Store(LOGS_TABLE, (LOGS.name,)),
    Store(CHECK_INS_TABLE, (CHECK_INS.name,)),
    Store(FEEDBACK_TABLE, (FEEDBACK.name,)),
    # What filters dropped of other topics' batches is here too, under their offsets.
    Store(OUTCOMES_TABLE, (OUTCOMES.name,), received="time", parts=("project", "key", "category", "reason", "time")),
    Store(ISSUE_CHANGES_TABLE, (ISSUE_CHANGES.name,), complete=False),
    Store(RELEASE_CHANGES_TABLE, (RELEASES.name,), parts=("kind", "at", "environment", "name")),
    Store(RELEASE_COMMITS_TABLE, (RELEASES.name,), received="", complete=False),
    Store(RELEASE_REFS_TABLE, (RELEASES.name,), received="", complete=False),
    Store(DEAD_LETTERS_TABLE, tuple(topic.name for topic in STORED), parts=("stage",)),
)
"""Every table with rows of records."""

assert {store.table for store in STORES} == {*COLUMNS, DEAD_LETTERS_TABLE}
assert "kafka_topic" in DEAD_LETTER_COLUMNS


def stores_of(topic: str) -> list[Store]:
    """Return the tables that hold rows of a topic's records under offsets that are surely the topic's own."""
    return [store for store in STORES if topic in store.topics and store.table != OUTCOMES_TABLE]


def leaves_rows(topic: str) -> bool:
    """Say whether each batch of a topic leaves a row behind as long as tables keep them."""
    return topic != OUTCOMES.name and all(store.complete for store in stores_of(topic))


class Rows:
    """Looks at the tables.

    Args:
        clickhouse: where they are.
    """

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def offsets_in(self, topic: str, partition: int, boundaries: Boundaries, since: datetime) -> int:
        """Return how many offsets of a range have a row in any table; of records since the topic's life began."""
        return len(
            {offset for store in stores_of(topic) for offset in self.stored(store, topic, partition, boundaries, since)}
        )

    def stored(self, store: Store, topic: str, partition: int, boundaries: Boundaries, since: datetime) -> list[int]:
        """Return the offsets of a range that have a row in one table."""
        rows = self._clickhouse.rows(
            f"SELECT DISTINCT kafka_offset AS o FROM {store.table} WHERE {_of(store)} "
            "AND kafka_partition = {partition:UInt32} AND kafka_offset BETWEEN {first:UInt64} AND {last:UInt64}",
            {
                "topic": topic,
                "since": _literal(since),
                "partition": partition,
                "first": boundaries.first,
                "last": boundaries.last,
            },
        )
        return [row["o"] for row in rows]

    def without_rows(
        self, topic: str, since: datetime, batches: Sequence[tuple[int, Boundaries]]
    ) -> list[tuple[int, Boundaries]]:
        """Return those batches, as partitions and boundaries that do not overlap, that have left no row anywhere."""
        left = {(partition, one.first): (partition, one) for partition, one in batches}
        for table, of in [(store.table, _of(store)) for store in stores_of(topic)] + [(OUTCOMES_TABLE, "1")]:
            if not left:
                break
            rows = self._clickhouse.rows(
                "SELECT partition, first FROM "
                f"(SELECT kafka_partition AS partition, kafka_offset AS o FROM {table} WHERE {of}) AS r "
                "ASOF JOIN (SELECT t.1 AS partition, t.2 AS first, t.3 AS last FROM (SELECT arrayJoin("
                "arrayZip({partitions:Array(UInt32)}, {firsts:Array(UInt64)}, {lasts:Array(UInt64)})) AS t)) AS b "
                "ON r.partition = b.partition AND r.o >= b.first WHERE o <= last GROUP BY partition, first",
                {
                    "topic": topic,
                    "since": _literal(since),
                    "partitions": [partition for partition, _ in left.values()],
                    "firsts": [one.first for _, one in left.values()],
                    "lasts": [one.last for _, one in left.values()],
                },
            )
            for row in rows:
                left.pop((row["partition"], row["first"]), None)
        return list(left.values())

    def doubled(self, store: Store, topic: str, since: datetime, until: datetime) -> Iterator[Doubled]:
        """Yield what a table holds more than once of records that Kafka received in a span of time, by partition."""
        found: dict[int, list[dict[str, Any]]] = {}
        if store.complete:
            start = since
            while start < until:
                for row in self._doubled(store, topic, start, min(start + AT_A_TIME, until)):
                    found.setdefault(row["p"], []).append(row)
                start += AT_A_TIME
        for partition, rows in sorted(found.items()):
            yield Doubled(
                store.table,
                topic,
                partition,
                min(row["first"] for row in rows),
                max(row["last"] for row in rows),
                sum(row["offsets"] for row in rows),
                sum(row["too_many"] for row in rows),
            )

    def _doubled(self, store: Store, topic: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        parts = f", {', '.join(store.parts)}" if store.parts else ""
        # A client may have sent two parts that look alike: a record was stored twice if all of its parts were.
        return self._clickhouse.rows(
            "SELECT p, min(o) AS first, max(o) AS last, count() AS offsets, sum(beyond) AS too_many FROM "
            "(SELECT p, o, sum(copies) - intDiv(sum(copies), min(copies)) AS beyond FROM "
            f"(SELECT kafka_partition AS p, kafka_offset AS o, count() AS copies FROM {store.table} "
            f"WHERE {_of(store)} AND {store.received} < toDateTime64({{until:String}}, 3, 'UTC') "
            f"GROUP BY p, o{parts}) GROUP BY p, o HAVING min(copies) > 1) GROUP BY p {LEAST_MEMORY}",
            {"topic": topic, "since": _literal(since), "until": _literal(until)},
        )


def _of(store: Store) -> str:
    """Return the condition for the rows of ``{topic}`` in a table that Kafka received since ``{since}``."""
    of = ["kafka_topic = {topic:String}"] if len(store.topics) > 1 else []
    if store.received:
        of.append(f"{store.received} >= toDateTime64({{since:String}}, 3, 'UTC')")
    return " AND ".join(of) or "1"


def _literal(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
