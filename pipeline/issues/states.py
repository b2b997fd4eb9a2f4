"""What people wish the issues to be: the latest change of each, as every worker follows them. Pure.

All parts of a worker share one :class:`IssueStates`: counting puts the events of merged issues together by it,
processing drops what was deleted for good, and the windows decide by it what has come back.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from schemas.issue_change import IssueChange

Issue = tuple[str, str]
"""Project and fingerprint."""

CONDITIONS: dict[str, Any] = {
    "in_release": "",
    "after_release": "",
    "release_first_seen": None,
    "until_count": None,
    "until_users": None,
    "until": None,
    "deleted": "",
}
"""The fields that belong to a status, as they are without it."""

MOST_MERGES = 10
"""How many merges one after the other are followed, so that a circle of them ends."""
REMEMBERED = 10_000
"""How many of the latest changes those who look at them now and then can catch up with."""


class IssueStates:
    """The latest change of each issue that is not simply open."""

    def __init__(self) -> None:
        self._changes: dict[Issue, IssueChange] = {}
        self._members: dict[Issue, dict[str, None]] = {}
        self._discarded: set[Issue] = set()
        self._latest: deque[Issue] = deque(maxlen=REMEMBERED)
        self.number = 0
        """How many changes were put in; see :meth:`since`."""

    def put(self, project: str, fingerprint: str, change: IssueChange | None) -> None:
        """Take in the latest change of an issue; ``None`` when all of it was taken back."""
        issue = (project, fingerprint)
        before = self._changes.pop(issue, None)
        if before is not None and before.merged_into:
            members = self._members[project, before.merged_into]
            del members[fingerprint]
            if not members:
                del self._members[project, before.merged_into]
        self._discarded.discard(issue)
        if change is not None and (change.status != "open" or change.merged_into or change.deleted):
            self._changes[issue] = change
            if change.merged_into:
                self._members.setdefault((project, change.merged_into), {})[fingerprint] = None
            if change.deleted == "discard":
                self._discarded.add(issue)
        self.number += 1
        self._latest.append(issue)

    def since(self, number: int) -> list[Issue]:
        """Return the issues that were changed after so many changes, at most the latest :data:`REMEMBERED`."""
        missed = min(self.number - number, len(self._latest))
        return list(self._latest)[len(self._latest) - missed :] if missed > 0 else []

    def get(self, project: str, fingerprint: str) -> IssueChange | None:
        """Return the change that decides when the issue comes back; ``None`` when it is open."""
        change = self._changes.get((project, fingerprint))
        return change if change is not None and (change.status != "open" or change.deleted) else None

    def target(self, project: str, fingerprint: str) -> str:
        """Return the fingerprint of the issue that an event of this fingerprint counts for."""
        if not self._members:
            return fingerprint
        at = fingerprint
        for _ in range(MOST_MERGES):
            change = self._changes.get((project, at))
            if change is None or not change.merged_into:
                return at
            at = change.merged_into
        # A circle: each stays what it is.
        return fingerprint

    def members(self, project: str, fingerprint: str) -> list[str]:
        """Return the fingerprints that count for an issue, its own first."""
        found = {fingerprint: None}
        if self._members:
            waiting = [fingerprint]
            while waiting:
                for member in self._members.get((project, waiting.pop()), ()):
                    if member not in found and self.target(project, member) == fingerprint:
                        found[member] = None
                        waiting.append(member)
        return list(found)

    @property
    def discarding(self) -> bool:
        """Whether any issue's events are dropped."""
        return bool(self._discarded)

    def discards(self, project: str, fingerprint: str) -> bool:
        """Return whether events of this fingerprint are dropped."""
        return (project, self.target(project, fingerprint)) in self._discarded

    def counts_users(self, project: str, fingerprint: str) -> bool:
        """Return whether it matters whom the issue happens to."""
        change = self._changes.get((project, fingerprint))
        return change is not None and change.until_users is not None
