"""The dead-letter queue: records that were refused, sent to their topic and noted in their table."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial

from msgspec.json import Encoder

from pipeline.edges.kafka import Send
from pipeline.edges.retry import until_available
from pipeline.records.record import RawBatch, Record
from pipeline.records.record_batches import KafkaRecord, Unreadable, records_of
from pipeline.runtime.metrics import Metrics
from pipeline.store.batch_inserts import BatchInserts
from pipeline.tables.dead_letters import (
    DEAD_LETTER_COLUMNS,
    DEAD_LETTERS_TABLE,
    dead_letter,
    dead_letter_row,
    origin_of,
)
from schemas.dead_letter import DeadLetter
from schemas.topics import DEAD_LETTERS

_encode_lines = Encoder().encode_lines

Refusal = tuple[Record, DeadLetter]
"""A record that was refused, and its letter."""


class DeadLetterQueue:
    """Takes the dead letters of batches.

    Args:
        inserts: where their headers are inserted.
        send: sends them to their topic.
        metrics: where retries are counted.
    """

    def __init__(self, inserts: BatchInserts, send: Send, metrics: Metrics) -> None:
        self._inserts = inserts
        self._send = send
        self._retried = metrics.retries.labels("kafka").inc

    async def put(self, batch: RawBatch, refusals: Sequence[Refusal]) -> None:
        """Send dead letters to their topic, then their headers to ClickHouse; returns when both have them."""
        for record, letter in refusals:
            await until_available(partial(self._sent, record, letter), self._retried)
        lines = _encode_lines([dead_letter_row(record, letter) for record, letter in refusals])
        await until_available(
            lambda: self._inserts.insert_into(batch, DEAD_LETTERS_TABLE, DEAD_LETTER_COLUMNS, lines),
            self._inserts.retried,
        )

    async def _sent(self, record: Record, letter: DeadLetter) -> None:
        await self._send(DEAD_LETTERS.name, record.value or b"", key=record.key, headers=letter.headers())


def refused_by_clickhouse(batch: RawBatch, offset: int, code: int) -> Refusal:
    """Return the letter for an event of which ClickHouse does not take a row, with its record."""
    record = _records(batch, {offset})[offset]
    now_ms = int(time.time() * 1000)
    reason = f"ClickHouse cannot take a value of this event (error {code}): keep it, and report it"
    letter = dead_letter(origin_of(record, now_ms), "store", reason, now_ms)
    return record, letter


def with_records(batch: RawBatch, dead: Sequence[DeadLetter]) -> list[Refusal]:
    """Return dead letters with the records that they are about."""
    records = _records(batch, {letter.offset for letter in dead})
    return [(records[letter.offset], letter) for letter in dead]


def _records(batch: RawBatch, offsets: Collection[int]) -> dict[int, Record]:
    """Return the records with these offsets; a record batch in place of one that cannot be taken out of it."""
    found: dict[int, Record] = {}
    topic, partition = batch.source.topic, batch.source.partition
    for record_batch in batch.record_batches:
        wanted = {offset for offset in offsets if record_batch.first <= offset <= record_batch.last}
        if not wanted:
            continue
        with suppress(Unreadable):
            for record in records_of(record_batch.data, topic, partition):
                if record.offset in wanted:
                    found[record.offset] = record
        for offset in wanted - found.keys():
            found[offset] = KafkaRecord(topic, partition, offset, -1, None, record_batch.data, [])
    return found
