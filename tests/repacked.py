"""Record batches that no producer at hand makes: other bytes in them, other things said of them, right checksums."""

from __future__ import annotations

import dataclasses
import struct

from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from tests.records import Message, packed

HEADER = 61
_CHECKSUM_AT, _ATTRIBUTES_AT, _DELTA_AT, _GREATEST_TIMESTAMP_AT, _PRODUCER_AT, _COUNT_AT = 17, 21, 23, 35, 43, 57
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20


def repacked(
    record_batch: bytes,
    *,
    payload: bytes | None = None,
    attributes: int | None = None,
    delta: int | None = None,
    greatest_timestamp: int | None = None,
    producer: int | None = None,
    count: int | None = None,
) -> bytes:
    """Return a record batch (magic 2) with something else in it."""
    made = bytearray(record_batch if payload is None else record_batch[:HEADER] + payload)
    for form, at, value in (
        (">h", _ATTRIBUTES_AT, attributes),
        (">i", _DELTA_AT, delta),
        (">q", _GREATEST_TIMESTAMP_AT, greatest_timestamp),
        (">q", _PRODUCER_AT, producer),
        (">i", _COUNT_AT, count),
        (">i", 8, len(made) - 12),
    ):
        if value is not None:
            struct.pack_into(form, made, at, value)
    struct.pack_into(">I", made, _CHECKSUM_AT, calc_crc32c(bytes(made[_ATTRIBUTES_AT:])))
    return bytes(made)


def with_a_key_that_is_no_text(offset: int, *messages: Message) -> bytes:
    """Return the record batch of messages, one of which has a header whose key is not UTF-8. Kafka takes it."""
    text, no_text = "\N{BULLET}", b"\xe2\x80("
    marked = [
        dataclasses.replace(one, headers=[*one.headers, (text, b"")]) if one.offset == offset else one
        for one in messages
    ]
    plain = packed(*marked, codec="none")
    return repacked(plain, payload=plain[HEADER:].replace(text.encode(), no_text))


def legacy(magic: int, codec: int, *messages: Message) -> bytes:
    """Return messages as they were sent before Kafka 0.11, and as the broker keeps them: one alone or compressed."""
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 30)
    first = messages[0].offset
    for one in messages:
        builder.append(one.offset - first if magic and codec else one.offset, one.timestamp, one.key, one.value)
    rest: bytes = bytes(builder.build())[8:]
    return messages[-1].offset.to_bytes(8, "big") + rest
