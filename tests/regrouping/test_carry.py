"""What becomes of the states of issues when their events get other fingerprints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.counts.reactions import Reaction
from pipeline.issues.states import Issue
from pipeline.regrouping.carry import OTHER_EVENTS, OWN_STATE, Plan, plan
from schemas.issue_change import IssueChange, check_issue_change

NOON = datetime(2026, 9, 21, 12, tzinfo=UTC)
A, B, C, NEW, OTHER = (letter * 32 for letter in "abcde")


def changed(fingerprint: str, status: str = "open", **fields: Any) -> tuple[Issue, IssueChange]:
    fields = {"id": f"of {fingerprint[0]}", "changed_at": NOON, "status": status, "updated_by": "ada", **fields}
    return ("shop", fingerprint), IssueChange(project="shop", fingerprint=fingerprint, **fields)


def planned(shares: dict[tuple[str, str], float], *changes: tuple[Issue, IssueChange], came_back: str = "") -> Plan:
    """Plan for one project; ``came_back`` is the kind in which each issue did."""
    reactions = {
        (*issue, change.id): Reaction(came_back, change.id, *issue, "production", "1.0", 5, ())  # type: ignore[arg-type]
        for issue, change in changes
        if came_back
    }
    found = plan({("shop", *pair): count for pair, count in shares.items()}, dict(changes), reactions)
    for one in found.carried:
        check_issue_change(one.state.change)
    return found


def carried(found: Plan) -> list[tuple[str, str, str]]:
    return [(one.old, one.state.change.fingerprint, one.state.words) for one in found.carried]


def test_an_issue_that_moves_takes_its_state_along_as_it_is() -> None:
    issue, change = changed(A, "resolved", in_release="shop@2", assignee="bob")
    found = planned({(A, NEW): 5.0, (B, B): 9.0}, (issue, change))
    assert carried(found) == [(A, NEW, "resolved, assigned to bob")]
    sent = found.carried[0].state.change
    assert (sent.id, sent.changed_at, sent.in_release, sent.updated_by) == ("of a", NOON, "shop@2", "ada")
    assert found.left == []


def test_every_part_of_a_split_issue_inherits() -> None:
    found = planned({(A, A): 1.0, (A, NEW): 5.0, (A, OTHER): 2.0}, changed(A, "ignored"))
    assert carried(found) == [(A, NEW, "ignored"), (A, OTHER, "ignored")]


def test_issues_in_the_same_state_merge_into_one_with_the_latest_of_their_changes() -> None:
    later = changed(B, "resolved", changed_at=NOON + timedelta(hours=1))
    found = planned({(A, NEW): 5.0, (B, NEW): 2.0, (C, NEW): 6.0}, changed(A, "resolved"), later)
    assert carried(found) == [(B, NEW, "resolved")]
    assert found.left == []


def test_a_state_of_the_smaller_part_is_named_and_not_carried() -> None:
    """An open issue that is as large is not hidden."""
    for shares in ({(A, NEW): 5.0, (B, NEW): 5.0}, {(A, B): 5.0, (B, B): 6.0}):
        found = planned(shares, changed(A, "ignored"))
        assert found.carried == []
        (left,) = found.left
        assert (left.old, left.words, left.reason) == (A, "ignored", OTHER_EVENTS)


def test_of_two_states_the_one_of_most_events_is_carried_and_the_other_named() -> None:
    found = planned({(A, NEW): 5.0, (B, NEW): 2.0}, changed(A, "ignored"), changed(B, "resolved"))
    assert carried(found) == [(A, NEW, "ignored")]
    assert [(left.old, left.reason) for left in found.left] == [(B, OTHER_EVENTS)]


def test_what_has_a_state_of_its_own_keeps_it() -> None:
    """One that somebody has opened again too."""
    for status in ("resolved", "open"):
        found = planned({(A, NEW): 5.0, (NEW, NEW): 1.0}, changed(A, "ignored"), changed(NEW, status))
        assert found.carried == []
        assert [(left.old, left.new, left.reason) for left in found.left] == [(A, NEW, OWN_STATE)]


def test_what_was_carried_before_is_not_carried_again() -> None:
    shares = {(A, NEW): 5.0, (B, B): 1.0}
    changes = [changed(A, "ignored"), changed(B, merged_into=A)]
    first = planned(shares, *changes)
    assert len(first.carried) == 2
    sent = {("shop", one.state.change.fingerprint): one.state.change for one in first.carried}
    assert planned(shares, *({**dict(changes), **sent}.items())) == Plan()


def test_an_issue_that_had_come_back_is_carried_as_such_and_not_to_come_back_again() -> None:
    found = planned({(A, NEW): 5.0}, changed(A, "resolved", in_release="shop@2"), came_back="regressed")
    assert carried(found) == [(A, NEW, "regressed")]
    state = found.carried[0].state
    assert (state.change.id, state.change.status, state.change.in_release) == ("of a", "open", "")
    assert state.reaction is not None
    assert (state.reaction.fingerprint, state.reaction.change) == (NEW, "of a")


def test_an_issue_that_is_open_again_without_an_assignee_has_nothing_to_carry() -> None:
    for kind, fields in (("unignored", {"status": "ignored"}), ("returned", {"deleted": "once"})):
        assert planned({(A, NEW): 5.0}, changed(A, **fields), came_back=kind) == Plan()


def test_merges_follow_both_sides() -> None:
    moved = planned({(A, NEW): 5.0, (B, OTHER): 5.0}, changed(A, merged_into=B))
    assert carried(moved) == [(A, NEW, f"merged into {OTHER}")]
    staying = planned({(B, OTHER): 5.0, (A, A): 1.0}, changed(A, merged_into=B, assignee="bob"))
    assert carried(staying) == [(A, A, f"assigned to bob, merged into {OTHER}")]
    assert planned({(A, NEW): 5.0, (B, NEW): 5.0}, changed(A, merged_into=B)) == Plan()
    assert planned({(B, B): 5.0, (B, OTHER): 9.0, (A, A): 1.0}, changed(A, merged_into=B)) == Plan()


def test_issues_that_stay_have_nothing_to_carry() -> None:
    assert planned({(A, A): 5.0, (B, B): 1.0}, changed(A, "resolved"), changed(B, merged_into=A)) == Plan()
