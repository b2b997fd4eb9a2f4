"""How the batches of a partition follow each other."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.auditing.chain import Chain, Entry, follow
from pipeline.records.record import Boundaries

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def entries(*batches: tuple[int, int] | tuple[int, int, int]) -> list[Entry]:
    """Return ledger entries of (first, last) or (first, last, generation), a second apart."""
    found = [
        Entry(Boundaries(*one[:2]), one[2] if len(one) > 2 else 1, START + timedelta(seconds=number))
        for number, one in enumerate(batches)
    ]
    return sorted(found, key=lambda entry: entry.boundaries)


def holes(chain: Chain) -> list[tuple[int, int]]:
    return [(hole.first, hole.last) for hole in chain.holes]


def test_batches_that_follow_each_other_have_no_hole() -> None:
    chain = follow(entries((0, 9), (10, 19), (20, 24)), 0, 25)
    assert (chain.batches, chain.holes, chain.overlaps, chain.unanswered) == (3, [], [], [])


def test_a_hole_has_the_times_of_the_batches_beside_it() -> None:
    [hole] = follow(entries((0, 9), (15, 19)), 0, 20).holes
    assert (hole.first, hole.last) == (10, 14)
    assert (hole.before, hole.after) == (START, START + timedelta(seconds=1))


def test_what_is_committed_and_in_no_batch_is_a_hole_at_the_end() -> None:
    chain = follow(entries((0, 9)), 0, 12)
    assert holes(chain) == [(10, 11)]
    assert chain.holes[0].after is None
    assert [one.boundaries for one in chain.unanswered] == [Boundaries(0, 9)]


def test_what_is_before_the_first_batch_is_a_hole_where_the_log_begins_before() -> None:
    assert holes(follow(entries((5, 9)), 2, 10)) == [(2, 4)]
    assert holes(follow(entries((5, 9)), 5, 10)) == []
    assert holes(follow([], 3, 10)) == [(3, 9)]


def test_batches_behind_the_committed_offset_are_left_alone() -> None:
    assert holes(follow(entries((0, 9), (15, 19), (30, 39)), 0, 10)) == []


def test_a_batch_that_a_later_generation_has_begun_otherwise_does_not_fill_a_hole() -> None:
    chain = follow(entries((0, 9, 1), (10, 29, 1), (20, 29, 2)), 0, 30)
    assert holes(chain) == [(10, 19)]
    assert chain.overlaps == []


def test_batches_of_one_generation_that_share_offsets_are_an_overlap() -> None:
    chain = follow(entries((0, 9, 1), (5, 14, 1)), 0, 15)
    [overlap] = chain.overlaps
    assert (overlap.first, overlap.last) == (5, 9)
    assert chain.holes == []


def test_the_last_batch_of_a_generation_is_unanswered_unless_it_was_begun_again() -> None:
    chain = follow(entries((0, 9, 1), (10, 19, 1), (20, 29, 2)), 0, 30)
    assert [one.boundaries for one in chain.unanswered] == [Boundaries(10, 19)]
    assert follow(entries((0, 9, 1), (10, 19, 2), (20, 29, 2)), 0, 30).unanswered[0].boundaries == Boundaries(0, 9)


@pytest.mark.parametrize("seed", range(50))
def test_every_offset_is_in_a_batch_or_in_a_hole_and_none_in_both(seed: int) -> None:
    """Holes cut into a chain at random are found as they were cut."""
    chance = random.Random(seed)
    cursor = 0
    made: list[tuple[int, int, int]] = []
    cut: list[tuple[int, int]] = []
    for _ in range(chance.randint(1, 30)):
        length = chance.randint(1, 20)
        if chance.random() < 0.3:
            if cut and cut[-1][1] == cursor - 1:
                cut[-1] = (cut[-1][0], cursor + length - 1)
            else:
                cut.append((cursor, cursor + length - 1))
        else:
            made.append((cursor, cursor + length - 1, chance.randint(1, 3)))
        cursor += length
    chain = follow(entries(*made), 0, cursor)
    assert holes(chain) == cut, f"seed {seed}"
    assert chain.overlaps == []
