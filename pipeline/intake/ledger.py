"""The ledger: which batches were begun, so that after a crash they are formed again with the same boundaries.

A batch is written down before its rows are inserted. Its rows, and the rows of every materialized view, are
inserted under a token made of its boundaries, and its counts carry the same boundaries; so a batch that was begun
and may have half-arrived is simply done again: ClickHouse and the counting side drop what they already have.

A worker that was overtaken may write a batch down too late to be found by its successor. It delivers nothing of it
(see :mod:`pipeline.intake.fencing`), and where the successor has begun other batches of the same offsets, those stand.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.intake.batching import standing
from pipeline.intake.sequence import Begun
from pipeline.records.record import Boundaries, Source

_encode = Encoder().encode


KEPT_DAYS = 7
"""How long a batch stays in the ledger; see the migration that makes ``batches``."""


class Life(NamedTuple):
    """One life of a topic; ``follows_another``: the topic was made again within the time that batches are kept."""

    incarnation: str
    follows_another: bool


def token(source: Source, boundaries: Boundaries, part: str = "") -> str:
    """Return the deduplication token of a batch's rows; ``part`` tells the pieces of a divided batch apart."""
    return f"{source.topic}/{source.incarnation}/{source.partition}/{boundaries.first}-{boundaries.last}{part}"


class Ledger:
    """The ``batches`` and ``topics`` tables."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def lives(self) -> dict[str, Life]:
        """Return the present life of every topic, by its name without prefix."""
        rows = self._clickhouse.rows(
            "SELECT topic, argMax(incarnation, created_at) AS now, "
            "uniqExact(incarnation) > 1 AND max(created_at) > now() - toIntervalDay({kept:UInt8}) AS follows_another "
            "FROM topics GROUP BY topic",
            {"kept": KEPT_DAYS},
        )
        return {row["topic"]: Life(row["now"], bool(row["follows_another"])) for row in rows}

    def incarnations(self) -> dict[str, str]:
        """Return the present incarnation of every topic, by its name without prefix."""
        return {topic: life.incarnation for topic, life in self.lives().items()}

    def begin(self, source: Source, boundaries: Boundaries, generation: int) -> None:
        """Write a batch down, in a generation of the group. Writing the same batch down again does no harm."""
        row = (source.topic, source.incarnation, source.partition, boundaries.first, boundaries.last, generation)
        columns = ("topic", "incarnation", "partition", "first_offset", "last_offset", "generation")
        self._clickhouse.insert("batches", columns, _encode(row) + b"\n", "")

    def begun(self, source: Source, from_offset: int) -> Begun:
        """Return the batches that stand as begun and hold offsets from ``from_offset`` on, and what is before them."""
        parameters = {
            "topic": source.topic,
            "incarnation": source.incarnation,
            "partition": source.partition,
            "from_offset": from_offset,
        }
        rows = self._clickhouse.rows(
            "SELECT first_offset, last_offset, max(generation) AS in_generation FROM batches "
            "WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32} "
            "AND last_offset >= {from_offset:UInt64} "
            "GROUP BY first_offset, last_offset ORDER BY first_offset, last_offset",
            parameters,
        )
        ends = self._clickhouse.rows(
            "SELECT maxOrNullIf(last_offset, last_offset < {from_offset:UInt64}) AS before, "
            "maxOrNull(last_offset) AS last FROM batches "
            "WHERE topic = {topic:String} AND incarnation = {incarnation:String} AND partition = {partition:UInt32}",
            parameters,
        )[0]
        batches = standing((Boundaries(row["first_offset"], row["last_offset"]), row["in_generation"]) for row in rows)
        return Begun(batches, ends["before"], ends["last"])

    def known_issues(self, topic: str) -> list[tuple[str, str, str]]:
        """Return issues that no counts tell of and that are not new all the same: (project, environment, fingerprint).

        These are the issues that were there before the topic's present life began, whose counts were on a topic that
        is gone, and those that came to be when history was grouped anew.
        """
        rows = self._clickhouse.rows(
            "WITH (SELECT max(created_at) FROM topics WHERE topic = {topic:String}) AS since "
            "SELECT project, arrayJoin(groupUniqArrayArray(environments)) AS environment, fingerprint FROM issues "
            "GROUP BY project, fingerprint HAVING min(first_received) < since "
            "UNION DISTINCT SELECT project, environment, fingerprint FROM regrouped_issues",
            {"topic": topic},
        )
        return [(row["project"], row["environment"], row["fingerprint"]) for row in rows]
