"""Record batches: what their headers say while they stay closed, and the records that are taken out of them.

Kafka hands records over as producers sent them: together and compressed, a fifth of their size and less. They stay so
until the stages want them, and are thrown away afterwards: a worker holds tens of thousands of events in a few
megabytes.

The format is that of Kafka's documentation, "Message Format": https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from aiokafka.record.memory_records import MemoryRecords
from msgspec import Struct

from pipeline.records.decompressed import MOST_DECOMPRESSED, decompressed_size, too_large
from pipeline.records.record import Record, RecordBatch

_HEADER = struct.Struct(">qiibIhiqqqhii")
"""Of magic 2: base offset, length, leader's epoch, magic, checksum, attributes, last offset's delta, first timestamp,
greatest timestamp, producer's id and epoch, base sequence, count."""
_MAGIC_AT, _MAGIC = 16, 2
_CODEC = 0x07


class KafkaRecord(Struct, frozen=True, gc=False):
    """A :class:`pipeline.records.record.Record` out of a record batch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class Unreadable(Exception):
    """Records cannot be taken out of their record batch: it is not what it says, or a header's key is no text."""


def described(data: bytes) -> RecordBatch:
    """Return a record batch as it can be described without taking its records out, whether they can be or not."""
    if data[_MAGIC_AT] < _MAGIC:
        return _described_legacy(data)
    header = _HEADER.unpack_from(data)
    first, attributes, delta, count = header[0], header[5], header[6], header[12]
    return RecordBatch(first, first + delta, count, decompressed_size(attributes & _CODEC, data[_HEADER.size :]), data)


def _described_legacy(data: bytes) -> RecordBatch:
    """Return the same of Kafka's formats before 0.11, which say too little: their records are taken out and counted."""
    records: list[Record] = []
    with suppress(Unreadable):
        records.extend(records_of(data, "", 0))
    last = int.from_bytes(data[:8], "big", signed=True)
    first = min(last, records[0].offset) if records else last
    size = sum(len(record.value or b"") for record in records)
    return RecordBatch(first, last, max(len(records), 1), max(size, len(data)), data)


def records_of(data: bytes, topic: str, partition: int) -> Iterator[Record]:
    """Yield the records of a record batch, in the order of their offsets.

    Raises:
        Unreadable: one cannot be taken out, and so none of those after it; or they are too large together.
    """
    records: Iterator[Any] | None = None
    while True:
        try:
            records = records if records is not None else _opened(data)
            record = next(records)
        except StopIteration:
            return
        except Unreadable:
            raise
        except Exception as error:  # noqa: BLE001  the codecs have errors of their own
            raise Unreadable(type(error).__name__) from None
        # Records in Kafka's oldest format have no timestamp; Kafka's own sign for that is -1.
        timestamp = record.timestamp if record.timestamp is not None else -1
        yield KafkaRecord(topic, partition, record.offset, timestamp, record.key, record.value, record.headers)


def _opened(data: bytes) -> Iterator[Any]:
    if data[_MAGIC_AT] >= _MAGIC:
        attributes = _HEADER.unpack_from(data)[5]
        if too_large(attributes & _CODEC, data[_HEADER.size :]):
            raise Unreadable(f"it becomes more than {MOST_DECOMPRESSED >> 20} MB when it is decompressed")
    return iter(MemoryRecords(data).next_batch() or ())
