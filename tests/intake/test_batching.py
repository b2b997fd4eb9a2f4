"""Batches keep their boundaries through crashes, and every offset is in exactly one."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.batching import Batcher, BatchLimits, planned
from pipeline.records.record import Boundaries, RawBatch, RecordBatch, Source

SOURCE = Source("errors", "life", 0)
LIMITS = BatchLimits(records=4, bytes=1_000, decompressed_bytes=5_000, linger_s=0.5)


def read(*offsets: int, data: bytes = b"12345", size: int = 25) -> RecordBatch:
    """Return a record batch of these offsets, as far as gathering looks at it."""
    return RecordBatch(offsets[0], offsets[-1], len(offsets), size, data)


def reads(*offsets: int) -> list[RecordBatch]:
    """Return record batches of one record each."""
    return [read(offset) for offset in offsets]


def batcher(committed: int = 0, *begun: tuple[int, int], limits: BatchLimits = LIMITS) -> Batcher:
    return Batcher(SOURCE, committed, [Boundaries(*pair) for pair in begun], limits)


def added(forming: Batcher, record_batches: list[RecordBatch], now: float) -> list[RawBatch]:
    """Add a fetch that ends with its last record batch."""
    return forming.add(record_batches, record_batches[-1].last + 1, now) if record_batches else []


def shape(batches: list[RawBatch]) -> list[tuple[int, int, list[int]]]:
    """Return the boundaries of batches of record batches of one record, and their offsets."""
    return [(b.boundaries.first, b.boundaries.last, [held.first for held in b.record_batches]) for b in batches]


def test_a_batch_is_cut_at_so_many_records() -> None:
    forming = batcher()
    assert shape(added(forming, reads(*range(9)), 0.0)) == [(0, 3, [0, 1, 2, 3]), (4, 7, [4, 5, 6, 7])]
    assert shape(added(forming, reads(9, 10, 11), 0.0)) == [(8, 11, [8, 9, 10, 11])]


def test_a_batch_is_cut_at_so_many_bytes() -> None:
    large = [read(0, data=b"x" * 600), read(1, data=b"x" * 600), read(2)]
    assert shape(added(batcher(), large, 0.0)) == [(0, 1, [0, 1])]


def test_a_batch_is_cut_at_so_many_bytes_of_what_is_compressed() -> None:
    large = [read(0, size=2_600), read(1, size=2_600), read(2)]
    assert shape(added(batcher(), large, 0.0)) == [(0, 1, [0, 1])]


def test_a_batch_is_due_so_long_after_its_first_record() -> None:
    forming = batcher(limits=BatchLimits(100, 1_000_000, 1_000_000, 0.5))
    added(forming, reads(0), 10.0)
    added(forming, reads(1), 10.4)
    assert forming.due(10.49) is None
    due = forming.due(10.5)
    assert due is not None
    assert shape([due]) == [(0, 1, [0, 1])]
    assert forming.due(99.0) is None


def test_a_batch_that_is_worth_an_insert_is_due_at_once() -> None:
    by_records, by_bytes = (
        batcher(limits=BatchLimits(8, 10**6, 10**6, 0.5)),
        batcher(limits=BatchLimits(100, 1000, 10**6, 0.5)),
    )
    added(by_records, reads(0), 0.0)
    added(by_bytes, [read(0, data=b"x" * 249)], 0.0)
    assert (by_records.due(0.0), by_bytes.due(0.0)) == (None, None)
    added(by_records, reads(1), 0.0)
    added(by_bytes, [read(1, data=b"x")], 0.0)
    assert by_bytes.waiting_bytes == 250
    for forming in (by_records, by_bytes):
        due = forming.due(0.0)
        assert due is not None
        assert shape([due]) == [(0, 1, [0, 1])]


def test_a_begun_batch_has_its_old_boundaries_whatever_the_limits() -> None:
    forming = batcher(10, (10, 15), (16, 16))
    assert shape(added(forming, reads(*range(10, 19)), 0.0)) == [(10, 15, [*range(10, 16)]), (16, 16, [16])]
    due = forming.due(1.0)
    assert due is not None
    assert shape([due]) == [(17, 18, [17, 18])]


def test_a_begun_batch_waits_until_it_is_complete() -> None:
    forming = batcher(10, (10, 15))
    added(forming, reads(10, 11), 0.0)
    assert forming.due(1_000.0) is None
    assert shape(added(forming, reads(15), 1_000.0)) == [(10, 15, [10, 11, 15])]


def test_records_before_a_begun_batch_are_a_batch_of_their_own() -> None:
    """The batch before it was cut, but the worker died before it was in the ledger."""
    assert shape(added(batcher(0, (2, 3)), reads(0, 1, 2, 3), 0.0)) == [(0, 1, [0, 1]), (2, 3, [2, 3])]


def test_a_begun_batch_of_which_no_record_is_there_any_more_keeps_its_boundaries() -> None:
    forming = batcher(0, (0, 3), (4, 7))
    assert shape(added(forming, reads(6, 7, 8), 0.0)) == [(0, 3, []), (4, 7, [6, 7])]
    due = forming.due(1.0)
    assert due is not None
    assert shape([due]) == [(8, 8, [8])]


def test_of_a_begun_batch_that_was_partly_done_the_rest_is_done_under_its_boundaries() -> None:
    """Two workers began it at once with different ends; nothing after the committed offset may be skipped."""
    assert shape(added(batcher(5, (2, 7)), reads(5, 6, 7), 0.0)) == [(2, 7, [5, 6, 7])]


def test_overlapping_begun_batches_give_each_offset_once() -> None:
    found = added(batcher(0, (0, 3), (0, 5)), reads(*range(6)), 0.0)
    assert shape(found) == [(0, 3, [0, 1, 2, 3]), (0, 5, [4, 5])]


def test_a_record_that_came_before_is_not_taken_again() -> None:
    forming = batcher()
    added(forming, reads(0, 1), 0.0)
    assert shape(added(forming, reads(0, 1, 2, 3), 0.0)) == [(0, 3, [0, 1, 2, 3])]


def test_planned_leaves_out_what_is_done_and_what_another_batch_holds() -> None:
    begun = [Boundaries(8, 9), Boundaries(0, 3), Boundaries(4, 7), Boundaries(5, 6)]
    assert planned(4, begun) == [Boundaries(4, 7), Boundaries(8, 9)]


def test_a_record_batch_is_cut_where_a_batch_has_as_many_records_as_it_may_have() -> None:
    found = added(batcher(), [read(0, 1, 2), read(*range(3, 12))], 0.0)
    assert [(b.boundaries.first, b.boundaries.last, b.start) for b in found] == [(0, 3, 0), (4, 7, 4), (8, 11, 8)]
    assert shape(found) == [(0, 3, [0, 3]), (4, 7, [3]), (8, 11, [3])]


def test_a_record_batch_is_cut_at_the_boundaries_of_begun_batches() -> None:
    found = added(batcher(3, (5, 6), (7, 7)), [read(*range(10))], 0.0)
    assert [(b.boundaries.first, b.boundaries.last, b.start) for b in found] == [(3, 4, 3), (5, 6, 5), (7, 7, 7)]


def test_of_a_record_batch_in_the_middle_of_which_the_committed_offset_is_the_rest_is_taken() -> None:
    found = batcher(2, limits=BatchLimits(100, 1_000, 10**6, 0.0))
    added(found, [read(0, 1, 2, 3, 4)], 0.0)
    due = found.due(0.0)
    assert due is not None
    assert (due.boundaries, due.start) == (Boundaries(2, 4), 2)


def test_offsets_without_a_record_are_in_the_batch_that_follows_them() -> None:
    """Transaction markers, or what was compacted away: so the ledger has no hole."""
    forming = batcher(5)
    assert shape(forming.add(reads(7, 8), 12, 0.0)) == []
    assert forming.next_offset == 12
    assert shape(forming.add(reads(13, 14), 16, 0.0)) == [(5, 14, [7, 8, 13, 14])]
    due = forming.due(0.5)
    assert due is not None
    assert shape([due]) == [(15, 15, [])]


def test_records_that_expired_are_in_no_batch() -> None:
    forming = batcher(0)
    assert shape(added(forming, reads(0, 1), 0.0)) == []
    assert shape(forming.skip_expired(10, 0.0)) == [(0, 1, [0, 1])]
    assert forming.due(9.0) is None
    assert shape(added(forming, reads(10, 11, 12, 13), 1.0)) == [(10, 13, [10, 11, 12, 13])]


def test_a_begun_batch_keeps_its_boundaries_though_records_of_it_expired() -> None:
    forming = batcher(0, (4, 9))
    assert shape(added(forming, reads(0), 0.0)) == []
    assert shape(forming.skip_expired(8, 0.0)) == [(0, 0, [0])]
    assert shape(added(forming, reads(8, 9, 10), 0.0)) == [(4, 9, [8, 9])]


class Life(NamedTuple):
    """A worker's life: how many record batches it fetches each time, and whether it lingers then; what it commits."""

    fetches: list[tuple[int, bool]]
    commits: int


@st.composite
def logs(draw: st.DrawFn) -> list[list[int]]:
    """Return the offsets in each record batch of a log with holes, in the record batches and between them."""
    offsets = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=40)))
    sizes = draw(st.lists(st.integers(1, 9), min_size=40, max_size=40))
    log = [offsets[sum(sizes[:at]) : sum(sizes[: at + 1])] for at in range(40)]
    return [record_batch for record_batch in log if record_batch]


lives = st.lists(
    st.builds(Life, st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=8), st.integers(0, 6)),
    min_size=1,
    max_size=5,
)


@given(logs(), lives)
def test_every_offset_is_in_one_batch_through_any_crashes(log: list[list[int]], lives: list[Life]) -> None:
    """Batches are begun in any number, some become done, the worker dies, and the next one begins where it ended."""
    ledger: list[Boundaries] = []
    held: dict[Boundaries, list[int]] = {}
    committed = 0

    def begin(batch: RawBatch) -> None:
        last = batch.boundaries.last
        held_batches = {record_batch.first for record_batch in batch.record_batches}
        offsets = [o for one in log if one[0] in held_batches for o in one if batch.start <= o <= last]
        assert len(batch.record_batches) == len(held_batches)
        assert len(offsets) <= LIMITS.records or batch.boundaries in held
        assert batch.begun_before == (batch.boundaries in held)
        assert held.setdefault(batch.boundaries, offsets) == offsets, "a begun batch was formed differently"
        if batch.boundaries not in ledger:
            ledger.append(batch.boundaries)

    for fetches, commits in [*lives, Life([(99, True)], 0)]:
        begun = [boundaries for boundaries in ledger if boundaries.last >= committed]
        forming = Batcher(SOURCE, committed, begun, LIMITS)
        waiting = [offsets for offsets in log if offsets[-1] >= committed]
        formed: list[RawBatch] = []
        for size, linger in fetches:
            fetched, waiting = waiting[:size], waiting[size:]
            formed += added(forming, [read(*offsets) for offsets in fetched], 0.0)
            due = forming.due(1.0) if linger else None
            formed += [due] if due else []
        for batch in formed:
            begin(batch)
        done = formed[:commits]
        committed = done[-1].boundaries.last + 1 if done else committed

    assert sorted(offset for offsets in held.values() for offset in offsets) == sorted(o for one in log for o in one)
    expected = 0
    for boundaries in sorted(ledger):
        assert boundaries.first == expected, "a hole in the ledger, or an overlap"
        expected = boundaries.last + 1
    assert expected == log[-1][-1] + 1
