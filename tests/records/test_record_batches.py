"""What is said of unopened record batches, and what is taken out of them, whatever producers and brokers send."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cramjam
import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.records.decompressed import MOST_DECOMPRESSED
from pipeline.records.record import Record
from pipeline.records.record_batches import KafkaRecord, Unreadable, described, records_of
from tests.records import CODECS, NOON_MS, Message, example_events, packed
from tests.repacked import HEADER, LOG_APPEND_TIME, legacy, repacked, with_a_key_that_is_no_text

LZ4_END = bytes(4)
ZSTD_MAGIC, LZ4_MAGIC = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
NOISE = random.Random(1).randbytes(100_000)
SKIPPABLE = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"


def read(data: bytes) -> list[Record]:
    return list(records_of(data, "t-errors", 3))


def read_until_unreadable(data: bytes) -> tuple[list[int], str]:
    """Return the offsets of the records that can be read, and why no more can."""
    offsets: list[int] = []
    with pytest.raises(Unreadable) as unreadable:
        offsets.extend(record.offset for record in records_of(data, "t-errors", 3))
    return offsets, str(unreadable.value)


def as_read(message: Message) -> KafkaRecord:
    return KafkaRecord(
        "t-errors", 3, message.offset, message.timestamp, message.key, message.value, list(message.headers)
    )


def events(number: int, first: int = 0) -> list[Message]:
    """Return so many real events, with keys and headers as producers send them."""
    values = [value for topic, value in example_events() if topic == "errors"]
    return [
        Message(values[at % len(values)], first + at, key=b"%032x" % at, headers=[("project", b"shop")])
        for at in range(number)
    ]


def decompressed_size(*messages: Message) -> int:
    return len(packed(*messages, codec="none")) - HEADER


def recompressed(codec: str, compress: Callable[[bytes], Any], *messages: Message) -> bytes:
    """Return the record batch of a producer that compresses in a way of its own."""
    plain = packed(*messages, codec="none")
    return repacked(plain, payload=bytes(compress(plain[HEADER:])), attributes=CODECS[codec])


ODD = [
    Message(None, 41, key=b"only a key"),
    Message(b"", 42, timestamp=NOON_MS + 1, headers=[("a", None), ("a", b""), ("é", b"\xff")]),
    Message(b"\x00\xff", 43, timestamp=NOON_MS - 1, key=b"", headers=[("", b"x")]),
]


@pytest.mark.parametrize("codec", CODECS)
def test_records_are_given_back_as_they_were_sent(codec: str) -> None:
    data = packed(*ODD, codec=codec)
    of = described(data)
    assert (of.first, of.last, of.count, of.data) == (41, 43, 3, data)
    assert read(data) == [as_read(message) for message in ODD]


MESSAGES = st.lists(
    st.builds(
        Message,
        st.none() | st.binary(max_size=300) | st.just(b"the same again and again " * 400),
        st.integers(1, 1000),
        timestamp=st.integers(0, 1 << 42),
        key=st.none() | st.binary(max_size=40),
        headers=st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=3),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda message: message.offset,
).map(lambda messages: sorted(messages, key=lambda message: message.offset))


@given(messages=MESSAGES, codec=st.sampled_from(sorted(CODECS)))
@settings(max_examples=200, deadline=None)
def test_any_records_are_given_back_as_they_were_sent(messages: list[Message], codec: str) -> None:
    data = packed(*messages, codec=codec)
    of = described(data)
    assert (of.first, of.last, of.count) == (messages[0].offset, messages[-1].offset, len(messages))
    assert of.size >= decompressed_size(*messages)
    assert read(data) == [as_read(message) for message in messages]


@pytest.mark.parametrize("number", [1, 3, 30, 300])
@pytest.mark.parametrize("codec", CODECS)
def test_the_size_of_events_is_known_well_enough_to_gather_by_it(codec: str, number: int) -> None:
    size = decompressed_size(*events(number))
    assert size <= described(packed(*events(number), codec=codec)).size <= 2.5 * size


@pytest.mark.parametrize("number", [1, 30, 300])
@pytest.mark.parametrize("block_size", [4, 5, 6, 7])
def test_the_size_of_lz4_is_known_well_enough_whatever_the_size_of_its_blocks(block_size: int, number: int) -> None:
    """Producers in Go send blocks of 4 MB, those in Java and C of 64 KB."""
    data = recompressed("lz4", lambda plain: lz4.frame.compress(plain, block_size=block_size), *events(number))
    size = decompressed_size(*events(number))
    assert size <= described(data).size <= max(4 * size, size + (4 << 20))
    assert number > 1 or described(data).size <= 4 * size
    assert read(data) == [as_read(message) for message in events(number)]


@given(
    options=st.fixed_dictionaries(
        {name: st.booleans() for name in ("block_linked", "block_checksum", "content_checksum", "store_size")}
    )
)
@settings(max_examples=16, deadline=None)
def test_lz4_is_read_whatever_its_frame_has_besides(options: dict[str, bool]) -> None:
    def compress(plain: bytes) -> bytes:
        # Incompressible bytes among them: blocks that are stored as they are.
        return bytes(lz4.frame.compress(plain, block_size=lz4.frame.BLOCKSIZE_MAX64KB, **options))

    messages = [*events(20), Message(NOISE, 20)]
    data = recompressed("lz4", compress, *messages)
    size = decompressed_size(*messages)
    assert size <= described(data).size <= size + 2 * 64 * 1024
    assert read(data) == [as_read(message) for message in messages]


def streamed(plain: bytes) -> bytes:
    """Compress with zstd as Java's producer does: without a word of how much it is."""
    compressor = cramjam.zstd.Compressor()
    compressor.compress(plain)
    return bytes(compressor.finish())


@pytest.mark.parametrize("messages", [events(1), events(300), [Message(NOISE, 0)], [Message(bytes(1 << 20), 0)]])
def test_zstd_is_read_whether_it_says_its_size_or_not(messages: list[Message]) -> None:
    for compress in (streamed, cramjam.zstd.compress):
        data = recompressed("zstd", compress, *messages)
        assert 1 <= described(data).size / decompressed_size(*messages) <= 2.5
        assert read(data) == [as_read(message) for message in messages]


def test_snappy_is_read_with_and_without_the_frame_of_java() -> None:
    data = recompressed("snappy", cramjam.snappy.compress_raw, *events(30))
    assert described(data).size == described(packed(*events(30), codec="snappy")).size == decompressed_size(*events(30))
    assert read(data) == [as_read(message) for message in events(30)]


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_several_frames_are_read_as_one(codec: str) -> None:
    compress = {"lz4": lz4.frame.compress, "zstd": cramjam.zstd.compress}[codec]

    def in_pieces(plain: bytes) -> bytes:
        return SKIPPABLE + bytes(compress(plain[:1000])) + SKIPPABLE + bytes(compress(plain[1000:]))

    data = recompressed(codec, in_pieces, *events(30))
    assert described(data).size >= decompressed_size(*events(30))
    assert read(data) == [as_read(message) for message in events(30)]


def test_the_time_is_the_brokers_where_the_topic_says_so() -> None:
    data = repacked(packed(*ODD), attributes=CODECS["lz4"] | LOG_APPEND_TIME, greatest_timestamp=NOON_MS + 500)
    assert [record.timestamp for record in read(data)] == [NOON_MS + 500] * 3


def test_a_compacted_record_batch_reaches_as_far_as_it_did_before() -> None:
    data = repacked(packed(Message(b"a", 10), Message(b"b", 14), Message(b"c", 17)), delta=12)
    of = described(data)
    assert (of.first, of.last, of.count) == (10, 22, 3)
    assert [record.offset for record in read(data)] == [10, 14, 17]


def test_a_record_batch_that_was_compacted_away_has_an_offset_and_no_records() -> None:
    """The broker keeps its header, so that a producer's sequence is known."""
    of = described(repacked(packed(*ODD, codec="none"), payload=b"", count=0))
    assert (of.first, of.last, of.count, of.size, read(of.data)) == (41, 43, 0, 0, [])


LEGACY = [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
OLD = [Message(b"a" * 50, 7, key=b"k"), Message(None, 8, timestamp=NOON_MS + 1), Message(b"", 9)]


@pytest.mark.parametrize(("magic", "codec"), LEGACY)
def test_compressed_messages_of_old_brokers_are_read(magic: int, codec: int) -> None:
    """What they are wrapped in has the offset of the last of them."""
    data = legacy(magic, codec, *OLD)
    of = described(data)
    assert (of.first, of.last, of.count, of.data) == (7, 9, 3, data)
    assert of.size >= 50
    read_back = read(data)
    assert [(record.offset, record.key, record.value) for record in read_back] == [
        (message.offset, message.key, message.value) for message in OLD
    ]
    assert [record.timestamp for record in read_back] == [m.timestamp if magic else -1 for m in OLD]
    assert [record.headers for record in read_back] == [[], [], []]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("message", OLD)
def test_a_message_of_an_old_broker_is_a_record_batch_of_its_own(magic: int, message: Message) -> None:
    of = described(legacy(magic, 0, message))
    assert (of.first, of.last, of.count) == (message.offset, message.offset, 1)
    assert [(record.offset, record.value) for record in read(of.data)] == [(message.offset, message.value)]


@pytest.mark.parametrize(("magic", "codec"), LEGACY)
def test_unreadable_messages_of_old_brokers_are_described_by_their_offset(magic: int, codec: int) -> None:
    data = legacy(magic, codec, *OLD)
    broken = data[:-30] + bytes(30)
    of = described(broken)
    assert (of.first, of.last, of.count, of.size) == (9, 9, 1, len(broken))
    assert read_until_unreadable(broken)[0] == []


PAYLOADS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda whole: b"",
    "a byte": lambda whole: whole[:1],
    "the beginning": lambda whole: whole[:9],
    "half": lambda whole: whole[: len(whole) // 2],
    "all but the end": lambda whole: whole[:-1],
    "zeros": lambda whole: bytes(len(whole)),
    "ones": lambda whole: b"\xff" * len(whole),
    "text": lambda whole: b"hello, this is not compressed" * 10,
    "a good beginning and zeros": lambda whole: whole[:20] + bytes(len(whole)),
    "a good beginning and ones": lambda whole: whole[:20] + b"\xff" * len(whole),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("codec", CODECS)
def test_garbage_is_described_and_unreadable(codec: str, payload: str) -> None:
    whole = packed(*events(3, 40), codec=codec)
    data = repacked(whole, payload=PAYLOADS[payload](whole[HEADER:]))
    of = described(data)
    assert (of.first, of.last, of.count, of.data) == (40, 42, 3, data)
    assert of.size >= 0
    readable, reason = read_until_unreadable(data)
    assert readable == [40, 41, 42][: len(readable)]
    assert "event" not in reason


def test_records_before_one_whose_header_has_no_text_for_a_key_are_read() -> None:
    messages = [Message(b"x", offset, headers=[("project", b"shop")]) for offset in range(10, 15)]
    data = with_a_key_that_is_no_text(12, *messages)
    assert read_until_unreadable(data) == ([10, 11], "UnicodeDecodeError")
    of = described(data)
    assert (of.first, of.last, of.count) == (10, 14, 5)


def test_a_record_batch_with_more_or_less_in_it_than_it_says_is_unreadable_after_what_it_has() -> None:
    plain = packed(*ODD, codec="none")
    assert read_until_unreadable(repacked(plain, count=4))[0] == [41, 42, 43]
    assert read_until_unreadable(repacked(plain, count=2))[0] == [41, 42]
    assert read_until_unreadable(repacked(plain, attributes=7))[0] == []


def lz4_bomb() -> bytes:
    """Return 25 MB that become 6 GB."""
    frame = bytes(lz4.frame.compress(bytes(4 << 20), block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=False))
    header, block = frame[:15], frame[15:-4]
    # Without what the frame says of its size, whose place in the header moves its checksum; nothing gets to it.
    return header[:4] + bytes((header[4] & ~0x08, header[5], 0)) + block * 1536 + LZ4_END


def zstd_bomb() -> bytes:
    """Return 5000 blocks that are one byte, 128 KB times."""
    run = (128 * 1024 << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    return ZSTD_MAGIC + b"\x00\x58" + run * 5000 + b"\x01\x00\x00"


def gzip_bomb(says: int) -> bytes:
    """Return 700 MB that say that they are something else."""
    compressor = zlib.compressobj(9, wbits=-15)
    piece = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + piece * 700 + b"\x03\x00" + bytes(4) + says.to_bytes(4, "little")


def xerial(*blocks: Any) -> bytes:
    framed = b"".join(len(block).to_bytes(4, "big") + bytes(block) for block in blocks)
    return b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01" + framed


SNAPPY_600_MB = b"\x80\x80\x80\x9e\x02" + bytes(100)

BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "lz4": ("lz4", lz4_bomb),
    "lz4 behind a harmless frame": ("lz4", lambda: bytes(lz4.frame.compress(b"x")) + SKIPPABLE + lz4_bomb()),
    "zstd": ("zstd", zstd_bomb),
    "zstd behind a harmless frame": ("zstd", lambda: bytes(cramjam.zstd.compress(b"x")) + SKIPPABLE + zstd_bomb()),
    "snappy": ("snappy", lambda: SNAPPY_600_MB),
    "snappy in blocks": ("snappy", lambda: xerial(cramjam.snappy.compress_raw(b"x"), *[SNAPPY_600_MB] * 10)),
    "gzip": ("gzip", lambda: gzip_bomb(700 << 20)),
    "gzip that says it is small": ("gzip", lambda: gzip_bomb(5)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_would_fill_the_memory_is_not_opened(bomb: str) -> None:
    codec, make = BOMBS[bomb]
    data = repacked(packed(*ODD), payload=make(), attributes=CODECS[codec])
    of = described(data)
    assert (of.first, of.last, of.count) == (41, 43, 3)
    assert (of.size > MOST_DECOMPRESSED) is (bomb != "gzip that says it is small")
    assert read_until_unreadable(data) == ([], "it becomes more than 512 MB when it is decompressed")


def test_the_largest_message_that_kafka_takes_is_opened_though_it_compresses_well() -> None:
    messages = [Message(json.dumps({"message": "x" * 24_000_000}).encode(), 5)]
    for codec in CODECS:
        data = packed(*messages, codec=codec)
        assert described(data).size >= 24_000_000
        assert read(data) == [as_read(messages[0])]


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.sampled_from(("put", "insert", "cut"))),
    min_size=1,
    max_size=6,
)


def mutated(data: bytes, mutations: list[tuple[int, bytes, str]]) -> bytes:
    """Return a record batch with other bytes: anywhere but in its format's number, and as long as it says."""
    made = bytearray(data)
    for place, put, how in mutations:
        at = place % len(made) if how == "put" else HEADER + place % (len(made) - HEADER + 1)
        if how == "insert":
            made[at:at] = put
        elif how == "cut":
            del made[at : at + len(put)]
        else:
            made[at : at + len(put)] = put[: len(made) - at]
    made[16] = data[16]
    made[8:12] = (len(made) - 12).to_bytes(4, "big")
    return bytes(made)


@given(codec=st.sampled_from(sorted(CODECS)), number=st.sampled_from((1, 8)), mutations=MUTATIONS)
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_described_and_are_readable_or_not(
    codec: str, number: int, mutations: list[tuple[int, bytes, str]]
) -> None:
    messages = [Message(b"x" * 50 * at, at, headers=[("project", b"shop")]) for at in range(number)]
    data = mutated(packed(*messages, codec=codec), mutations)
    assert described(data).data == data
    with suppress(Unreadable):
        assert all(isinstance(record.value, bytes | None) for record in records_of(data, "t-errors", 3))


def test_what_is_unreadable_is_not_quoted() -> None:
    with pytest.raises(Unreadable, match="DecompressionError") as unreadable:
        read(repacked(packed(*ODD), payload=b"hello"))
    assert "hello" not in str(unreadable.value)
