"""What people wish the issues to be: merges that are followed and taken back, and what is discarded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline.issues.states import MOST_MERGES, REMEMBERED, IssueStates
from schemas.issue_change import IssueChange

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


def states(**changes: dict[str, Any]) -> IssueStates:
    made = IssueStates()
    for fingerprint, fields in changes.items():
        put(made, fingerprint[0].lower() * 32, **fields)
    return made


def put(into: IssueStates, fingerprint: str, **fields: Any) -> None:
    change = IssueChange(
        **{"project": "shop", "fingerprint": fingerprint, "id": "1", "changed_at": datetime.now(UTC), **fields}
    )
    into.put("shop", fingerprint, change)


def test_a_merge_counts_for_its_project_alone() -> None:
    found = states(a={"merged_into": B})
    assert found.target("shop", A) == B
    assert found.target("blog", A) == A
    assert found.members("shop", B) == [B, A]
    assert found.members("shop", C) == [C]


def test_merges_are_followed_to_the_last() -> None:
    found = states(a={"merged_into": B}, b={"merged_into": C})
    assert [found.target("shop", one) for one in (A, B, C)] == [C, C, C]
    assert sorted(found.members("shop", C)) == [A, B, C]


def test_a_merge_that_is_taken_back_leaves_nothing() -> None:
    found = states(a={"merged_into": B}, b={"merged_into": C})
    put(found, B)
    assert [found.target("shop", one) for one in (A, B)] == [B, B]
    found.put("shop", A, None)
    assert [found.target("shop", one) for one in (A, B)] == [A, B]
    assert found.members("shop", B) == [B]


def test_a_circle_of_merges_merges_nothing() -> None:
    found = states(a={"merged_into": B}, b={"merged_into": A})
    assert [found.target("shop", one) for one in (A, B)] == [A, B]
    assert found.members("shop", A) == [A]
    assert MOST_MERGES > 2


def test_what_is_merged_into_a_discarded_issue_is_discarded() -> None:
    found = states(a={"merged_into": B}, b={"deleted": "discard"}, c={"deleted": "once"})
    assert found.discarding
    assert [found.discards("shop", one) for one in (A, B, C)] == [True, True, False]
    put(found, B)
    assert not found.discarding


def test_only_what_can_come_back_has_a_change() -> None:
    found = states(a={"assignee": "ada"}, b={"status": "ignored", "until_users": 3}, c={"deleted": "once"})
    assert found.get("shop", A) is None
    assert found.get("shop", B) is not None
    assert found.get("shop", C) is not None
    assert [found.counts_users("shop", one) for one in (A, B)] == [False, True]


def test_who_looks_now_and_then_sees_every_change_since() -> None:
    found = states(a={}, b={})
    number = found.number
    assert found.since(number) == []
    put(found, C)
    put(found, A)
    assert found.since(number) == [("shop", C), ("shop", A)]
    for _ in range(REMEMBERED):
        put(found, B)
    assert len(found.since(number)) == REMEMBERED
