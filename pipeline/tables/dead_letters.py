"""Dead letters: what is known of a record before it is decoded, and the letter for one that cannot be stored. Pure."""

from __future__ import annotations

from pipeline.payload import normalize
from pipeline.records.record import Origin, Record, header
from pipeline.records.record_batches import Unreadable
from pipeline.tables.rows import Row
from schemas.dead_letter import DeadLetter

DEAD_LETTERS_TABLE = "dead_letters"
DEAD_LETTER_COLUMNS = (
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "received",
    "project",
    "stage",
    "reason",
    "bytes",
)


def origin_of(record: Record, now_ms: int, topic_prefix: str = "") -> Origin:
    """Return what is known of a record before it is decoded.

    A producer may choose the timestamp: one that is astray would spread a batch over any number of partitions of the
    tables, so ``now_ms``, the worker's own time, stands in for it.
    """
    return Origin(
        topic=record.topic.removeprefix(topic_prefix),
        partition=record.partition,
        offset=record.offset,
        received_ms=normalize.clamp(record.timestamp, now_ms),
        project=header(record, "project"),
        user_hash=0,
        weight=normalize.weight(header(record, "weight")),
    )


def dead_letter(origin: Origin, stage: str, reason: str, now_ms: int) -> DeadLetter:
    """Return the letter for a record that a stage has refused; ``now_ms`` is when."""
    return DeadLetter(
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        stage=stage,
        reason=reason,
        time=now_ms,
        project=origin.project,
        # A replay sends it as a header again: without it, the record would count as one event.
        weight=origin.weight,
    )


def failure(error: Exception) -> str:
    """Return the reason for a record at which a stage failed; without the error's text, which may quote the record."""
    return f"the stage failed with {type(error).__name__}: keep the dead letter, and report it"


def unreadable_letter(error: Unreadable, topic: str, partition: int, offset: int, now_ms: int) -> DeadLetter:
    """Return the letter for a record batch; ``offset`` is that of the first record that is missing."""
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        stage="decode",
        reason=f"the record batch cannot be read from here on ({error}): send its records again",
        time=now_ms,
    )


def dead_letter_row(record: Record, letter: DeadLetter) -> Row:
    """Return the row of a letter, in the order of :data:`DEAD_LETTER_COLUMNS`."""
    size = len(record.value or b"")
    return (
        letter.topic,
        letter.partition,
        letter.offset,
        letter.time,
        letter.project,
        letter.stage,
        letter.reason,
        size,
    )
