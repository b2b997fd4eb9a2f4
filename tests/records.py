"""Messages as plain values, for the tests of the stages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder

import schemas
from pipeline.records.record import Batch, Boundaries, RawBatch, Record, Source
from pipeline.records.record_batches import described, records_of

NOON_MS = 1_764_072_000_000
"""2025-11-25 12:00 UTC."""

EXAMPLES = Path(schemas.__file__).parent / "examples"


@dataclass(frozen=True)
class Message:
    """What a stage reads of a Kafka record."""

    value: bytes | None
    offset: int = 0
    topic: str = "errors"
    partition: int = 0
    timestamp: int = NOON_MS
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=tuple)


def message(event: Any, offset: int = 0, **options: Any) -> Message:
    """Return a message with an event in it, given as a value or as bytes."""
    return Message(event if isinstance(event, bytes) else json.dumps(event).encode(), offset, **options)


def batch_of(*messages: Message, topic: str = "errors") -> Batch:
    """Return the batch that these messages are."""
    return Batch(Source(topic, "life", 0), Boundaries(messages[0].offset, messages[-1].offset), messages)


CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def packed(*messages: Message, codec: str = "lz4") -> bytes:
    """Return the record batch that a producer sends with these messages, once the broker has given it its offset."""
    first = messages[0].offset
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], 0, -1, -1, -1, 1 << 30)
    for one in messages:
        builder.append(one.offset - first, one.timestamp, one.key, one.value, list(one.headers))
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]


def raw_batch(*messages: Message, topic: str = "errors", together: int = 100) -> RawBatch:
    """Return the batch that these messages are, in record batches of so many at most."""
    pieces = [messages[at : at + together] for at in range(0, len(messages), together)]
    first, last = messages[0].offset, messages[-1].offset
    record_batches = [described(packed(*piece)) for piece in pieces]
    return RawBatch(Source(topic, "life", 0), Boundaries(first, last), first, record_batches)


def records_in(batch: RawBatch) -> list[Record]:
    """Return the records of a batch."""
    return [
        record
        for record_batch in batch.record_batches
        for record in records_of(record_batch.data, batch.source.topic, batch.source.partition)
        if batch.start <= record.offset <= batch.boundaries.last
    ]


def example_events() -> list[tuple[str, bytes]]:
    """Return the topic and the bytes of every example event."""
    paths = sorted(path for topic in ("errors", "spans") for path in (EXAMPLES / topic).glob("*.json"))
    return [(path.parent.name, path.read_bytes()) for path in paths]
