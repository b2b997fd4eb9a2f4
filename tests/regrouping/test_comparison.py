"""What other rules would make of the issues that are stored, as a pure function of old and new fingerprints."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Misconfigured
from pipeline.regrouping import comparison
from pipeline.regrouping.comparison import Comparison, Difference, Replayed, Summary

Pair = tuple[str, str, str]
PAIRS = st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=40)


def event(project: str, old: str, new: str, number: int = 0, count: float = 1.0) -> Replayed:
    return Replayed(project, old, new, f"was {old}", f"is {new}", f"id-{number}", count, relabelled=False)


def compared(pairs: Iterable[Pair]) -> tuple[Summary, list[Difference]]:
    comparison = Comparison()
    for number, pair in enumerate(pairs):
        comparison.add(event(*pair, number))
    return comparison.result()


def kinds(differences: list[Difference]) -> list[tuple[str, str, list[str]]]:
    return [(one.kind, one.fingerprint, [part.fingerprint for part in one.parts]) for one in differences]


def test_the_same_fingerprints_are_no_difference() -> None:
    summary, differences = compared([("p", "a", "a"), ("p", "b", "b"), ("q", "a", "a")])
    assert differences == []
    assert (summary.issues_before, summary.issues_after, summary.unchanged) == (3, 3, 3)
    assert summary.moved_rows == 0


def test_an_issue_under_another_fingerprint_has_moved() -> None:
    summary, differences = compared([("p", "a", "z"), ("p", "a", "z")])
    assert kinds(differences) == [("move", "a", ["z"])]
    assert (differences[0].title, differences[0].parts[0].title) == ("was a", "is z")
    assert (summary.moves, summary.moved_rows) == (1, 2)


def test_two_issues_that_become_one_are_a_merge_into_it_with_counts_and_examples() -> None:
    _, differences = compared([("p", "a", "b"), ("p", "b", "b"), ("p", "b", "b")])
    assert kinds(differences) == [("merge", "b", ["b", "a"])]
    merge = differences[0]
    assert (merge.title, merge.count) == ("is b", 3.0)
    assert [(part.title, part.count, part.examples) for part in merge.parts] == [
        ("was b", 2.0, ["id-1", "id-2"]),
        ("was a", 1.0, ["id-0"]),
    ]


def test_an_issue_that_becomes_two_is_a_split() -> None:
    _, differences = compared([("p", "a", "a"), ("p", "a", "z")])
    assert kinds(differences) == [("split", "a", ["a", "z"])]
    assert [part.title for part in differences[0].parts] == ["is a", "is z"]


def test_an_issue_can_be_split_and_merged_at_once() -> None:
    summary, differences = compared([("p", "a", "a"), ("p", "a", "b"), ("p", "b", "b")])
    assert kinds(differences) == [("merge", "b", ["a", "b"]), ("split", "a", ["a", "b"])]
    assert summary.unchanged == 0


def test_issues_of_two_projects_are_never_merged() -> None:
    _, differences = compared([("p", "a", "z"), ("q", "b", "z")])
    assert [one.kind for one in differences] == ["move", "move"]


def test_counts_are_by_weight() -> None:
    comparison = Comparison()
    comparison.add(event("p", "a", "z", count=10.0))
    comparison.add(event("p", "a", "z", count=2.5))
    summary, differences = comparison.result()
    assert (summary.rows, summary.count, differences[0].count) == (2, 12.5, 12.5)


def test_most_of_an_issue_says_where_it_goes() -> None:
    comparison = Comparison()
    for number, (old, new) in enumerate([("a", "a"), ("a", "z"), ("a", "z"), ("b", "b")]):
        comparison.add(event("p", old, new, number))
    assert comparison.mapping() == {("p", "a"): "z", ("p", "b"): "b"}


def test_rules_that_give_every_event_an_issue_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MOST_PAIRS", 3)
    with pytest.raises(Misconfigured, match="more than 3 issues"):
        compared([("p", "a", f"{number}") for number in range(4)])


@given(PAIRS)
def test_every_event_and_every_issue_is_accounted_for(pairs: list[Pair]) -> None:
    summary, differences = compared(pairs)
    old_issues = {(project, old) for project, old, _ in pairs}
    assert (summary.rows, summary.count) == (len(pairs), float(len(pairs)))
    assert summary.issues_before == len(old_issues)
    assert summary.issues_after == len({(project, new) for project, _, new in pairs})
    told = {(one.project, one.fingerprint) for one in differences if one.kind != "merge"}
    merged = {(one.project, part.fingerprint) for one in differences if one.kind == "merge" for part in one.parts}
    assert summary.unchanged == len(old_issues - told - merged)
    assert all(one.count == sum(part.count for part in one.parts) for one in differences)
    assert summary.moved_rows == sum(old != new for _, old, new in pairs)


@given(PAIRS)
def test_what_merges_one_way_splits_the_other_way(pairs: list[Pair]) -> None:
    _, there = compared(pairs)
    _, back = compared((project, new, old) for project, old, new in pairs)
    merges = {
        (one.project, one.fingerprint, *sorted(p.fingerprint for p in one.parts))
        for one in there
        if one.kind == "merge"
    }
    splits = {
        (one.project, one.fingerprint, *sorted(p.fingerprint for p in one.parts)) for one in back if one.kind == "split"
    }
    assert merges == splits
    assert sum(one.kind == "move" for one in there) == sum(one.kind == "move" for one in back)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(pairs: list[Pair], random: Random) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert kinds(compared(pairs)[1]) == kinds(compared(shuffled)[1])
