"""Raw fetches: an aiokafka consumer that returns record batches as the broker sent them, with the offsets they cover.

aiokafka opens record batches in the thread that talks to Kafka, and has no setting against it. Everything else stays
aiokafka's: checksums, positions, control batches, aborted transactions.

aiokafka moves a partition's position when it returns records. Here the positions before and after go with them, so that
whoever takes them can see whether offsets were left out in between, whoever dropped them.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from pipeline.edges.aiokafka_private import BOUNDS, fetcher_of
from pipeline.errors import Misconfigured

_LENGTH_END = 12
"""A record batch begins with its offset, of eight bytes, and its length without these two, of four."""


class RawRecord(NamedTuple):
    """A record batch in the place of a record; its offset is the last one in it."""

    offset: int
    value: bytes
    key: None = None
    timestamp: None = None
    timestamp_type: None = None
    checksum: None = None
    headers: tuple[()] = ()


class RawRecordBatch:
    """A record batch that stays closed, as aiokafka's ``PartitionRecords`` wants to see it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batch: Any = MemoryRecords(data).next_batch()

    def __getattr__(self, name: str) -> Any:
        """Return what the record batch itself says: checksum, producer, kind, next offset."""
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[RawRecord]:
        """Yield all of it at once."""
        yield RawRecord(self._batch.next_offset - 1, self._data)

    def __next__(self) -> Any:
        """Return the first record; asked for of control batches alone."""
        return next(iter(self._batch))


class RawRecordBatches:
    """The record batches of a fetch, in the place of aiokafka's ``MemoryRecords``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def size_in_bytes(self) -> int:
        """Return the size of the fetch."""
        return len(self._data)

    def has_next(self) -> bool:
        """Say whether there is another record batch that is there whole; the last one may not be."""
        return self._end() <= len(self._data)

    def next_batch(self) -> RawRecordBatch:
        """Return the next record batch."""
        begin, self._at = self._at, self._end()
        return RawRecordBatch(self._data[begin : self._at])

    def _end(self) -> int:
        head = self._data[self._at : self._at + _LENGTH_END]
        if len(head) < _LENGTH_END:
            return len(self._data) + 1
        # A negative length is for aiokafka to complain of.
        return self._at + _LENGTH_END + max(int.from_bytes(head[8:], "big", signed=True), 0)


class FetchedRange(NamedTuple):
    """What was fetched of a partition: its record batches, and the positions before and after them."""

    start: int
    next_offset: int
    record_batches: list[bytes]


class RawFetch(PartitionRecords):  # type: ignore[misc]
    """The fetch of one partition, in the place of aiokafka's ``PartitionRecords``: one item, which is all of it."""

    def _unpack_records(self) -> Iterator[FetchedRange]:
        start = self.next_fetch_offset
        record_batches = [record.value for record in super()._unpack_records()]
        # Also where there are none: what was passed over is known to hold no records, and is told.
        yield FetchedRange(start, self.next_fetch_offset, record_batches)


REPLACED: dict[str, type] = {MemoryRecords.__name__: RawRecordBatches, PartitionRecords.__name__: RawFetch}
"""What stands for aiokafka's own classes, by their names, where it takes a fetch apart."""


def fetch_handler() -> types.FunctionType:
    """Return how aiokafka takes a fetch apart.

    Raises:
        Misconfigured: it does so in another way by now.
    """
    handler = getattr(fetcher.Fetcher, "_proc_fetch_request", None)
    if not isinstance(handler, types.FunctionType) or not REPLACED.keys() <= set(handler.__code__.co_names):
        raise Misconfigured(
            f"aiokafka {aiokafka.__version__} takes fetches apart in a way of its own: pip install 'aiokafka{BOUNDS}'"
        )
    return handler


def fetch_raw(consumer: AIOKafkaConsumer) -> None:
    """Have a consumer that has started, and has yet to subscribe, return each fetch as one :class:`FetchedRange`.

    Its fetcher takes fetches apart with aiokafka's own code, in which other classes stand for two of its own.

    Raises:
        Misconfigured: see :func:`fetch_handler`.
    """
    handler = fetch_handler()
    names = {**vars(fetcher), **REPLACED}
    of = fetcher_of(consumer)
    of._proc_fetch_request = types.MethodType(
        types.FunctionType(handler.__code__, names, handler.__name__, handler.__defaults__, handler.__closure__), of
    )
