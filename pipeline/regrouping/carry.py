"""Carry: what becomes of the states of issues when their events get other fingerprints. Pure.

A state belongs to a fingerprint: resolved, ignored, assigned, merged, or back after it was resolved. An issue that
comes to be inherits the state that more than half of its events had; so all parts of an issue that is split do. What
has a state of its own keeps it. The change keeps its id and its time, so that nothing happens a second time; where the
issue had come back after it, that is carried beside an open status, so that it does not come back once more.

What was carried once is found under the same id, and is not carried again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from pipeline.counts.reactions import Reaction
from pipeline.issues.states import CONDITIONS, Issue
from schemas.issue_change import IssueChange

OWN_STATE = "it has a state of its own"
OTHER_EVENTS = "most of its events are of issues with another state"

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)

Shares = Mapping[tuple[str, str, str], float]
"""How many events, by weight, go from an old fingerprint to a new one: by project, old and new fingerprint."""


Reacted = Mapping[tuple[str, str, str], Reaction]
"""How issues came back: by project, fingerprint and the id of the change."""


class State(Struct, frozen=True):
    """What an issue is, and since when: a change, and how the issue has come back after it, if it has."""

    change: IssueChange
    reaction: Reaction | None = None

    @property
    def words(self) -> str:
        """The state in words."""
        change = self.change
        status = "regressed" if self.reaction and self.reaction.kind == "regressed" else change.status
        said: list[str] = [status] if status != "open" else []
        said += [{"once": "deleted", "discard": "discarded"}[change.deleted]] if change.deleted else []
        said += [f"assigned to {change.assignee}"] if change.assignee else []
        said += [f"merged into {change.merged_into}"] if change.merged_into else []
        return ", ".join(said)

    @property
    def likeness(self) -> IssueChange | None:
        """The same for two issues in the same state, whoever brought them there and when; ``None`` when simply open."""
        if not self.words:
            return None
        # What is left of a regressed issue is open, and not the same as an issue that always was.
        name = self.words
        return replace(self.change, fingerprint="", id=name, changed_at=_ANY_TIME, updated_at=None, updated_by="")


class Carried(Struct, frozen=True):
    """A state that goes from one fingerprint, ``old``, to another."""

    old: str
    state: State


class Left(Struct, frozen=True):
    """A state that does not go with the events of its issue into ``new``, and why."""

    project: str
    old: str
    new: str
    words: str
    reason: str


class Plan(Struct):
    """What becomes of the states."""

    carried: list[Carried] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def plan(shares: Shares, changes: Mapping[Issue, IssueChange], reactions: Reacted) -> Plan:
    """Return what becomes of the states of issues whose events get other fingerprints.

    Args:
        shares: where the events go; those that stay are among them.
        changes: the latest change of each issue.
        reactions: how issues came back after a change.
    """
    sources: dict[Issue, dict[str, float]] = defaultdict(dict)
    for (project, old, new), count in shares.items():
        sources[project, new][old] = count
    heirs = _heirs(shares)
    found = Plan()
    for issue, of in sorted(sources.items()):
        if of.keys() == {issue[1]}:
            continue
        states = {
            old: _inherited(changes[issue[0], old], issue, heirs, reactions)
            for old in sorted(of)
            if (issue[0], old) in changes
        }
        _decide(issue, of, states, changes.get(issue), found)
    _point_members(changes, heirs, found)
    return found


def _decide(
    issue: Issue, of: Mapping[str, float], states: Mapping[str, State], own: IssueChange | None, found: Plan
) -> None:
    """Decide which of the states of the issues that go into one it inherits."""
    project, new = issue
    likenesses = {old: state.likeness for old, state in states.items()}
    alike: dict[IssueChange | None, float] = defaultdict(float)
    for old, count in of.items():
        alike[likenesses.get(old)] += count
    most = max(alike, key=lambda one: alike[one])
    wins = most is not None and alike[most] * 2 > sum(of.values())
    inherited = [old for old, likeness in likenesses.items() if wins and likeness == most]
    if own is None and inherited:
        # The latest wish of those that are alike.
        latest = max(inherited, key=lambda old: (states[old].change.changed_at, old))
        found.carried.append(Carried(latest, states[latest]))
    for old, state in states.items():
        if old == new or likenesses[old] is None or (own is not None and own.id == state.change.id):
            continue
        if own is not None or old not in inherited:
            reason = OWN_STATE if own is not None else OTHER_EVENTS
            found.left.append(Left(project, old, new, state.words, reason))


def _inherited(change: IssueChange, issue: Issue, heirs: Mapping[Issue, str], reactions: Reacted) -> State:
    """Return the state of an issue as another one would have it."""
    project, new = issue
    target = heirs.get((project, change.merged_into), change.merged_into)
    fields: dict[str, Any] = {"fingerprint": new, "merged_into": "" if target == new else target}
    reaction = reactions.get((project, change.fingerprint, change.id))
    if reaction is None:
        return State(replace(change, **fields))
    return State(replace(change, status="open", **CONDITIONS, **fields), reaction._replace(fingerprint=new))


def _heirs(shares: Shares) -> dict[Issue, str]:
    """Return where most of each issue goes that gives all of its events away."""
    most: dict[Issue, tuple[float, str]] = {}
    staying: set[Issue] = set()
    for (project, old, new), count in shares.items():
        most[project, old] = max(most.get((project, old), (0.0, "")), (count, new))
        if old == new:
            staying.add((project, old))
    return {issue: new for issue, (_count, new) in most.items() if issue not in staying}


def _point_members(changes: Mapping[Issue, IssueChange], heirs: Mapping[Issue, str], found: Plan) -> None:
    """Let issues that stay, and are merged into one that goes, be merged into what it becomes."""
    for (project, fingerprint), change in sorted(changes.items()):
        heir = heirs.get((project, change.merged_into)) if change.merged_into else None
        if heir is None or heir == fingerprint or (project, fingerprint) in heirs:
            continue
        found.carried.append(Carried(fingerprint, State(replace(change, merged_into=heir))))
