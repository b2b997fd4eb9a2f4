"""Which issues have been seen, and in which environments; bounded, the longest idle are forgotten first."""

from __future__ import annotations

import sys
from collections import OrderedDict

MAX_ENVIRONMENTS = 100
"""How many environments are told apart for one issue; in any further one it counts as known."""

Issue = tuple[str, str]
"""Project and fingerprint."""


class KnownIssues:
    """The issues seen so far. ``changed`` holds those whose entry differs from what was last written."""

    def __init__(self, limit: int) -> None:
        self.changed: dict[Issue, None] = {}
        self._limit = limit
        self._environments: OrderedDict[Issue, tuple[str, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._environments)

    def __contains__(self, issue: Issue) -> bool:
        return issue in self._environments

    def environments(self, issue: Issue) -> tuple[str, ...]:
        """Return the environments in which an issue has been seen, in that order; none for an unknown issue."""
        return self._environments.get(issue, ())

    def load(self, issue: Issue, environments: list[str]) -> None:
        """Take in what was written."""
        project, fingerprint = issue
        self._environments[sys.intern(project), fingerprint] = tuple(map(sys.intern, environments))

    def remember(self, issue: Issue, environment: str) -> bool:
        """Note an issue as seen, and as the one seen last; return whether that was not known."""
        known = self._environments.get(issue, ())
        new = environment not in known and len(known) < MAX_ENVIRONMENTS
        if new:
            project, fingerprint = issue
            self._environments[sys.intern(project), fingerprint] = (*known, sys.intern(environment))
            self.changed[issue] = None
        self._environments.move_to_end(issue)
        return new

    def forget(self, issue: Issue) -> None:
        """Take an issue as never seen."""
        if self._environments.pop(issue, None) is not None:
            self.changed[issue] = None

    def forget_excess(self) -> int:
        """Forget the longest idle issues beyond the limit; return how many."""
        excess = len(self._environments) - self._limit
        for _ in range(excess):
            issue, _environments = self._environments.popitem(last=False)
            self.changed[issue] = None
        return max(excess, 0)
