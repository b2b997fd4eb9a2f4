"""Record batches that are handed over unopened: everything else is as aiokafka does it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.edges.raw_fetches import RawFetch, RawRecordBatches, fetch_handler, fetch_raw
from pipeline.errors import Misconfigured
from pipeline.records.record_batches import described, records_of
from tests.records import CODECS, Message, packed
from tests.repacked import CONTROL, TRANSACTIONAL, legacy, repacked

PARTITION = TopicPartition("t-errors", 3)
ABORTED, COMMITTED = 0, 1
Read = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


def sent(first: int, number: int, codec: str = "lz4", producer: int | None = None) -> bytes:
    """Return a record batch, of a transaction if a producer's id is given."""
    messages = [
        Message(b"value %d" % at, at, key=b"key" if at % 2 else None, headers=[("project", b"shop"), ("empty", None)])
        for at in range(first, first + number)
    ]
    made = packed(*messages, codec=codec)
    if producer is None:
        return made
    return repacked(made, attributes=CODECS[codec] | TRANSACTIONAL, producer=producer)


def end_of_transaction(offset: int, producer: int, how: int) -> bytes:
    """Return the control batch that the broker puts behind a transaction."""
    marker = packed(Message(bytes(6), offset, key=struct.pack(">HH", 0, how)), codec="none")
    return repacked(marker, attributes=TRANSACTIONAL | CONTROL, producer=producer)


def as_read(record: Any) -> Read:
    timestamp = -1 if record.timestamp is None else record.timestamp
    return record.offset, timestamp, record.key, record.value, tuple(record.headers)


def in_first(fetched: bytes, position: int) -> int:
    """Return the position, or the last one in the first record batch: the broker sends none that are wholly before."""
    first = MemoryRecords(fetched).next_batch()
    return position if first is None else min(position, first.next_offset - 1)


def by_aiokafka(records: Any, position: int, aborted: Sequence[tuple[int, int]], isolation: int) -> PartitionRecords:
    return PartitionRecords(PARTITION, records, aborted, position, None, None, True, isolation)


def opened_by_aiokafka(
    fetched: bytes, position: int, aborted: Sequence[tuple[int, int]] = (), isolation: int = READ_UNCOMMITTED
) -> tuple[list[Read], int]:
    """Return the records that aiokafka takes out of a fetch, and the position at its end."""
    whole = by_aiokafka(MemoryRecords(fetched), position, aborted, isolation)
    return [as_read(one) for one in whole], whole.next_fetch_offset


def opened_afterwards(
    fetched: bytes, position: int, aborted: Sequence[tuple[int, int]] = (), isolation: int = READ_UNCOMMITTED
) -> tuple[list[Read], int]:
    """Return the records of what is handed over of a fetch, and the position at its end."""
    whole = RawFetch(PARTITION, RawRecordBatches(fetched), aborted, position, None, None, True, isolation)
    (handed_over,) = whole
    assert (handed_over.start, handed_over.next_offset) == (position, whole.next_fetch_offset)
    records = [
        as_read(one)
        for data in handed_over.record_batches
        for one in records_of(data, PARTITION.topic, PARTITION.partition)
        if one.offset >= position
    ]
    return records, handed_over.next_offset


FETCHES = {
    "nothing": b"",
    "one": sent(10, 5),
    "each codec": b"".join(sent(10 + 5 * at, 5, codec) for at, codec in enumerate(CODECS)),
    "gaps between them": sent(10, 5) + sent(40, 2) + sent(100, 1),
    "the last one cut off": sent(10, 5) + sent(15, 5)[:-1],
    "the last one's header cut off": sent(10, 5) + sent(15, 5)[:30],
    "the last one's length cut off": sent(10, 5) + sent(15, 5)[:11],
    "the only one cut off": sent(10, 5)[:-1],
    "compacted at its end": repacked(sent(10, 5), delta=9) + sent(20, 5),
    "compacted away": sent(10, 5) + repacked(sent(15, 5, "none"), payload=b"", count=0),
    "old messages": legacy(1, 0, Message(b"a", 10)) + legacy(1, 1, Message(b"b", 11), Message(b"c", 12)),
    "a transaction": sent(10, 5, producer=7) + end_of_transaction(15, 7, COMMITTED) + sent(16, 1),
    "nothing but the end of a transaction": end_of_transaction(10, 7, COMMITTED),
    "the end of a transaction behind them": sent(10, 5, producer=7) + end_of_transaction(15, 7, COMMITTED),
}


@pytest.mark.parametrize("position", [10, 12, 14])
@pytest.mark.parametrize("fetch", FETCHES)
def test_the_same_records_come_out_and_the_same_position(fetch: str, position: int) -> None:
    """The position may be in the middle of the first one: the broker sends it whole."""
    position = in_first(FETCHES[fetch], position)
    expected = opened_by_aiokafka(FETCHES[fetch], position)
    assert opened_afterwards(FETCHES[fetch], position) == expected
    assert expected[0] or fetch in ("nothing", "the only one cut off", "nothing but the end of a transaction")


@pytest.mark.parametrize("fetch", FETCHES)
def test_a_fetch_has_something_in_it_or_not(fetch: str) -> None:
    """aiokafka asks for a larger one where there is something, and nothing whole."""
    theirs, ours = MemoryRecords(FETCHES[fetch]), RawRecordBatches(FETCHES[fetch])
    assert (ours.has_next(), ours.size_in_bytes()) == (theirs.has_next(), theirs.size_in_bytes())


def test_a_fetch_may_hold_records_from_before_and_after_the_broker_was_upgraded() -> None:
    """aiokafka takes all of a fetch for what its first record batch is."""
    before, after = legacy(1, 1, Message(b"a", 10), Message(b"b", 11)), sent(12, 2)
    records, position = opened_afterwards(before + after + legacy(0, 0, Message(b"c", 14)), 10)
    assert [(offset, value) for offset, _, _, value, _ in records] == [
        (10, b"a"),
        (11, b"b"),
        (12, b"value 12"),
        (13, b"value 13"),
        (14, b"c"),
    ]
    assert position == 15


TRANSACTIONS = b"".join(
    (
        sent(10, 3, producer=7),
        sent(13, 2, producer=8),
        sent(15, 2),
        end_of_transaction(17, 7, ABORTED),
        end_of_transaction(18, 8, COMMITTED),
        sent(19, 2, producer=7),
        end_of_transaction(21, 7, COMMITTED),
        sent(22, 2, producer=8),
        end_of_transaction(24, 8, ABORTED),
    )
)
ABORTS = ((7, 10), (8, 22))


def test_aborted_transactions_are_left_out_where_only_committed_ones_are_read() -> None:
    records, position = opened_afterwards(TRANSACTIONS, 10, ABORTS, READ_COMMITTED)
    assert [offset for offset, *_ in records] == [13, 14, 15, 16, 19, 20]
    assert position == 25
    assert opened_by_aiokafka(TRANSACTIONS, 10, ABORTS, READ_COMMITTED) == (records, position)


def test_aborted_transactions_are_read_where_everything_is() -> None:
    records, position = opened_afterwards(TRANSACTIONS, 10, ABORTS)
    assert [offset for offset, *_ in records] == [*range(10, 17), 19, 20, 22, 23]
    assert opened_by_aiokafka(TRANSACTIONS, 10, ABORTS) == (records, position) == (records, 25)


@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from(("plain", "transaction", "abort", "commit", "compacted")),
            st.integers(0, 5),
            st.integers(1, 4),
            st.sampled_from(sorted(CODECS)),
            st.sampled_from((7, 8)),
        ),
        max_size=8,
    ),
    cut=st.integers(0, 80),
    skipped=st.integers(0, 4),
    isolation=st.sampled_from((READ_COMMITTED, READ_UNCOMMITTED)),
)
@settings(max_examples=200, deadline=None)
def test_any_fetch_is_read_as_aiokafka_reads_it(
    pieces: list[tuple[str, int, int, str, int]], cut: int, skipped: int, isolation: int
) -> None:
    fetched, offset, begun, aborted = b"", 10, dict[int, int](), list[tuple[int, int]]()
    for kind, gap, number, codec, producer in pieces:
        offset += gap
        if kind in ("abort", "commit"):
            if kind == "abort" and producer in begun:
                aborted.append((producer, begun[producer]))
            begun.pop(producer, None)
            fetched += end_of_transaction(offset, producer, ABORTED if kind == "abort" else COMMITTED)
            offset += 1
            continue
        if kind == "transaction":
            begun.setdefault(producer, offset)
        made = sent(offset, number, codec, producer if kind == "transaction" else None)
        fetched += repacked(made, delta=number + 1) if kind == "compacted" else made
        offset += number + 2 * (kind == "compacted")
    fetched = fetched[: len(fetched) - cut] if cut else fetched
    position = in_first(fetched, 10 + skipped)
    expected = opened_by_aiokafka(fetched, position, aborted, isolation)
    assert opened_afterwards(fetched, position, aborted, isolation) == expected


def broken_at(place: int) -> Callable[[bytes], bytes]:
    return lambda whole: whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :]


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "a bit of the records": broken_at(-1),
    "a bit of the header": broken_at(30),
    "its checksum": broken_at(18),
    "a length that is too short": lambda whole: whole[:8] + (13).to_bytes(4, "big") + whole[12:],
    "a length of nothing": lambda whole: whole[:8] + bytes(4) + whole[12:],
    "a length below nothing": lambda whole: whole[:8] + (-5).to_bytes(4, "big", signed=True) + whole[12:],
}


@pytest.mark.parametrize("read", [opened_by_aiokafka, opened_afterwards])
@pytest.mark.parametrize("wrong", WRONG)
def test_corrupt_bytes_are_refused_as_aiokafka_refuses_them(wrong: str, read: Callable[[bytes, int], Any]) -> None:
    with pytest.raises(CorruptRecordException):
        read(sent(10, 5) + WRONG[wrong](sent(15, 5)) + sent(20, 5), 10)


def test_what_cannot_be_decompressed_is_handed_over_all_the_same() -> None:
    """aiokafka would stand still before it for ever."""
    noise = repacked(sent(15, 5), payload=random.Random(1).randbytes(50))
    fetched = RawRecordBatches(sent(10, 5) + noise + sent(20, 5))
    (ours,) = RawFetch(PARTITION, fetched, (), 10, None, None, True, READ_UNCOMMITTED)
    assert [described(data).last for data in ours.record_batches] == [14, 19, 24]


class Connected:
    """A consumer, as far as the way to its fetches is concerned."""

    def __init__(self) -> None:
        self._fetcher = Fetcher.__new__(Fetcher)


def test_aiokafka_has_the_one_place_where_record_batches_are_taken_over() -> None:
    """Fetches are handled as before, but for the class that goes through their record batches."""
    consumer: Any = Connected()
    fetch_raw(consumer)
    handle = consumer._fetcher._proc_fetch_request
    assert handle.__self__ is consumer._fetcher
    assert handle.__func__.__code__ is Fetcher._proc_fetch_request.__code__
    assert handle.__func__.__globals__["MemoryRecords"] is RawRecordBatches
    assert handle.__func__.__globals__["PartitionRecords"] is RawFetch
    assert Fetcher._proc_fetch_request.__globals__["MemoryRecords"] is MemoryRecords
    assert Fetcher._proc_fetch_request.__globals__["PartitionRecords"] is PartitionRecords


def test_an_aiokafka_that_does_it_in_another_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def another(_self: Any, _assignment: Any, _node: int, _request: Any) -> bool:
        return False

    monkeypatch.setattr(Fetcher, "_proc_fetch_request", another)
    with pytest.raises(Misconfigured, match=r"^aiokafka \d+\.\d+\.\d+ .*: pip install 'aiokafka>=0\.12,<0\.15'$"):
        fetch_handler()
