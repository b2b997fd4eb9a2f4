"""A message as it was read from a topic, and a batch of them: the bytes, and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct


class Record(Protocol):
    """What the stages need to know of a Kafka record; aiokafka's ``ConsumerRecord`` is one.

    ``timestamp`` is Kafka's, in milliseconds since 1970 (UTC).
    """

    @property
    def topic(self) -> str:
        """The topic with its prefix."""

    @property
    def partition(self) -> int:
        """The partition it was read from."""

    @property
    def offset(self) -> int:
        """Its offset there."""

    @property
    def timestamp(self) -> int:
        """When Kafka received it, or when the producer says it was sent."""

    @property
    def key(self) -> bytes | None:
        """The key."""

    @property
    def value(self) -> bytes | None:
        """The value."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The headers; Kafka knows some without a value."""


class Origin(Struct, frozen=True, gc=False):
    """Where an event came from and what was read from it before scrubbing.

    ``topic`` has no prefix; ``received_ms`` is Kafka's timestamp; ``weight`` is how many events it stands for.
    """

    topic: str
    partition: int
    offset: int
    received_ms: int
    project: str
    user_hash: int
    weight: int | float = 1


LONGEST_HEADER = 200
TOGETHER = 100
"""How many records had best go through the stages together: decoded, they take a megabyte or two, what a processor's
cache holds, and are gone before the next ones come."""


def header(record: Record, name: str) -> str:
    """Return the first header of this name as text, without blanks around it; empty where there is none."""
    for key, value in record.headers:
        if key == name and value:
            return value.decode("utf-8", "replace").strip()[:LONGEST_HEADER]
    return ""


class Source(NamedTuple):
    """A partition of a topic, in one life of that topic: deleted and made again, it is another source.

    ``topic`` has no prefix; ``incarnation`` is a UUID as text.
    """

    topic: str
    incarnation: str
    partition: int


class Boundaries(Struct, frozen=True, order=True):
    """The first and the last offset of a batch."""

    first: int
    last: int


class Batch(Struct):
    """A contiguous range of one partition's offsets, with the records that were read of it.

    ``boundaries`` may be wider than the records, where Kafka no longer has some of them.
    """

    source: Source
    boundaries: Boundaries
    records: Sequence[Record]


class RecordBatch(Struct, frozen=True, gc=False):
    """What Kafka keeps and hands over as one: records that a producer sent together, compressed together.

    Attributes:
        first: the least offset that may be in it.
        last: the greatest one.
        count: how many records it has.
        size: how many bytes they take when they are taken out of it, at most.
        data: all of it, as it came.
    """

    first: int
    last: int
    count: int
    size: int
    data: bytes


class RawBatch(Struct):
    """A batch whose records are still in their record batches.

    Attributes:
        source: the partition that it is of.
        boundaries: its first and its last offset.
        start: what is before this offset is done, though it may be in the boundaries.
        record_batches: what holds its records, in order; the first and the last may hold others beside them.
        begun_before: whether something of it may be stored already: an earlier worker began it, or ClickHouse has not
            answered.
        generation: that of the consumer group in which it is delivered.
    """

    source: Source
    boundaries: Boundaries
    start: int
    record_batches: Sequence[RecordBatch]
    begun_before: bool = False
    generation: int = 0


class Fetch(Struct, frozen=True, gc=False):
    """What one poll of the consumer hands over of a partition: every record of a contiguous range of offsets.

    Offsets of the range that are in none of its record batches hold no record: they are transaction markers, aborted
    transactions, or were compacted away.

    Attributes:
        start: the first offset of the range, the consumer's position before the poll.
        next_offset: the offset behind the range, the consumer's position after the poll.
        end: the end of the log (high watermark) that Kafka reported with the records.
        generation: that of the consumer group in which it was read.
        record_batches: in the order of their offsets; the first may begin before ``start``.
    """

    start: int
    next_offset: int
    end: int
    generation: int
    record_batches: Sequence[RecordBatch]
