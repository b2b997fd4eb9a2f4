"""Batches keep their boundaries through crashes, and every offset is in exactly one."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pipeline.gather import Gatherer, Limits, planned
from pipeline.records import Batch, Boundaries, Source

SOURCE = Source("errors", "life", 0)
LIMITS = Limits(records=4, bytes=1_000, linger_s=0.5)


@dataclass(frozen=True)
class Read:
    """A record, as far as gathering looks at it."""

    offset: int
    value: bytes | None = b"12345"


def reads(*offsets: int) -> list[Read]:
    return [Read(offset) for offset in offsets]


def gatherer(committed: int = 0, *begun: tuple[int, int], limits: Limits = LIMITS) -> Gatherer:
    return Gatherer(SOURCE, committed, [Boundaries(*pair) for pair in begun], limits)


def shape(batches: list[Batch]) -> list[tuple[int, int, list[int]]]:
    return [(b.boundaries.first, b.boundaries.last, [record.offset for record in b.records]) for b in batches]


def test_a_batch_is_cut_at_so_many_records() -> None:
    forming = gatherer()
    assert shape(forming.add(reads(*range(9)), 0.0)) == [(0, 3, [0, 1, 2, 3]), (4, 7, [4, 5, 6, 7])]
    assert shape(forming.add(reads(9, 10, 11), 0.0)) == [(8, 11, [8, 9, 10, 11])]


def test_a_batch_is_cut_at_so_many_bytes() -> None:
    large = [Read(0, b"x" * 600), Read(1, b"x" * 600), Read(2, None)]
    assert shape(gatherer().add(large, 0.0)) == [(0, 1, [0, 1])]


def test_a_batch_is_due_so_long_after_its_first_record() -> None:
    forming = gatherer(limits=Limits(100, 1_000_000, 0.5))
    forming.add(reads(0), 10.0)
    forming.add(reads(1), 10.4)
    assert forming.due(10.49) is None
    due = forming.due(10.5)
    assert due is not None
    assert shape([due]) == [(0, 1, [0, 1])]
    assert forming.due(99.0) is None


def test_a_batch_that_is_worth_an_insert_is_due_at_once() -> None:
    by_records, by_bytes = gatherer(limits=Limits(8, 1_000_000, 0.5)), gatherer(limits=Limits(100, 1000, 0.5))
    by_records.add(reads(0), 0.0)
    by_bytes.add([Read(0, b"x" * 249)], 0.0)
    assert (by_records.due(0.0), by_bytes.due(0.0)) == (None, None)
    by_records.add(reads(1), 0.0)
    by_bytes.add([Read(1, b"x")], 0.0)
    assert by_bytes.waiting_bytes == 250
    for forming in (by_records, by_bytes):
        due = forming.due(0.0)
        assert due is not None
        assert shape([due]) == [(0, 1, [0, 1])]


def test_a_begun_batch_has_its_old_boundaries_whatever_the_limits() -> None:
    forming = gatherer(10, (10, 15), (16, 16))
    assert shape(forming.add(reads(*range(10, 19)), 0.0)) == [(10, 15, [*range(10, 16)]), (16, 16, [16])]
    due = forming.due(1.0)
    assert due is not None
    assert shape([due]) == [(17, 18, [17, 18])]


def test_a_begun_batch_waits_until_it_is_complete() -> None:
    forming = gatherer(10, (10, 15))
    forming.add(reads(10, 11), 0.0)
    assert forming.due(1_000.0) is None
    assert shape(forming.add(reads(15), 1_000.0)) == [(10, 15, [10, 11, 15])]


def test_records_before_a_begun_batch_are_a_batch_of_their_own() -> None:
    """The batch before it was cut, but the worker died before it was in the ledger."""
    assert shape(gatherer(0, (2, 3)).add(reads(0, 1, 2, 3), 0.0)) == [(0, 1, [0, 1]), (2, 3, [2, 3])]


def test_a_begun_batch_that_has_expired_is_passed_over() -> None:
    forming = gatherer(0, (0, 3), (4, 7))
    assert shape(forming.add(reads(6, 7, 8), 0.0)) == [(4, 7, [6, 7])]
    due = forming.due(1.0)
    assert due is not None
    assert shape([due]) == [(8, 8, [8])]


def test_of_a_begun_batch_that_was_partly_done_the_rest_is_done_under_its_boundaries() -> None:
    """Two workers began it at once with different ends; nothing after the committed offset may be skipped."""
    assert shape(gatherer(5, (2, 7)).add(reads(5, 6, 7), 0.0)) == [(2, 7, [5, 6, 7])]


def test_overlapping_begun_batches_give_each_offset_once() -> None:
    found = gatherer(0, (0, 3), (0, 5)).add(reads(*range(6)), 0.0)
    assert shape(found) == [(0, 3, [0, 1, 2, 3]), (0, 5, [4, 5])]


def test_a_record_that_came_before_is_not_taken_again() -> None:
    forming = gatherer()
    forming.add(reads(0, 1), 0.0)
    assert shape(forming.add(reads(0, 1, 2, 3), 0.0)) == [(0, 3, [0, 1, 2, 3])]


def test_planned_leaves_out_what_is_done_and_what_another_batch_holds() -> None:
    begun = [Boundaries(8, 9), Boundaries(0, 3), Boundaries(4, 7), Boundaries(5, 6)]
    assert planned(4, begun) == [Boundaries(4, 7), Boundaries(8, 9)]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[int], list[list[tuple[int, bool]]], list[int]]:
    """Return a log with holes, the fetches of each life of the worker, and how many batches it commits."""
    log = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=40)))
    fetches = st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=8)
    return (
        log,
        draw(st.lists(fetches, min_size=1, max_size=5)),
        draw(st.lists(st.integers(0, 6), min_size=5, max_size=5)),
    )


@given(lives())
def test_every_offset_is_in_one_batch_through_any_crashes(
    case: tuple[list[int], list[list[tuple[int, bool]]], list[int]],
) -> None:
    """Batches are begun in any number, some become done, the worker dies, and the next one begins where it ended."""
    log, all_fetches, commits = case
    ledger: list[Boundaries] = []
    held: dict[Boundaries, list[int]] = {}
    committed = 0

    def begin(batch: Batch) -> None:
        offsets = [record.offset for record in batch.records]
        assert batch.begun_before == (batch.boundaries in held)
        assert held.setdefault(batch.boundaries, offsets) == offsets, "a begun batch was formed differently"
        if batch.boundaries not in ledger:
            ledger.append(batch.boundaries)

    for fetches, commit in zip([*all_fetches, [(99, True)]], [*commits, 0], strict=False):
        begun = [boundaries for boundaries in ledger if boundaries.last >= committed]
        forming = Gatherer(SOURCE, committed, begun, LIMITS)
        waiting = [offset for offset in log if offset >= committed]
        formed: list[Batch] = []
        for size, linger in fetches:
            fetched, waiting = waiting[:size], waiting[size:]
            formed += forming.add(reads(*fetched), 0.0)
            due = forming.due(1.0) if linger else None
            formed += [due] if due else []
        for batch in formed:
            begin(batch)
        done = formed[:commit]
        committed = done[-1].boundaries.last + 1 if done else committed

    assert sorted(offset for offsets in held.values() for offset in offsets) == log
