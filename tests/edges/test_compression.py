"""What gateways and workers send to Kafka is lz4 of the fast level, and aiokafka reads it."""

from __future__ import annotations

import random

from aiokafka.codec import lz4_encode
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from pipeline.edges.compression import FAST, compress_fast

HEAD_BYTES = 61
NONE = 0
LZ4 = 3
WORDS = random.Random(7).choices(("breadcrumb", "stacktrace", "values", "module", "frames", "vars"), k=900)


def batch(value: bytes, compression: int) -> bytes:
    """Return a record batch with one record, as aiokafka makes it."""
    builder = DefaultRecordBatchBuilder(
        2,
        compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    builder.append(0, 1, b"key", value, [])
    return bytes(builder.build())


def test_batch_is_of_the_fast_level_and_holds_the_same() -> None:
    """The record comes out as it went in, and what lies between is what the fast level makes of it, no other."""
    value = " ".join(WORDS).encode()
    records = batch(value, NONE)[HEAD_BYTES:]
    compress_fast()
    made = batch(value, LZ4)
    assert made[HEAD_BYTES:] == lz4_encode(records, level=FAST) != lz4_encode(records)
    assert [record.value for record in DefaultRecordBatch(bytearray(made))] == [value]
