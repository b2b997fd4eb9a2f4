"""Which issues have been seen, and in which environments; bounded, the longest idle are forgotten first."""

from __future__ import annotations

from collections import OrderedDict

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
        self._environments[issue] = tuple(environments)

    def remember(self, issue: Issue, environment: str) -> bool:
        """Note an issue as seen, and as the one seen last; return whether that was not known."""
        known = self._environments.get(issue, ())
        if environment in known:
            self._environments.move_to_end(issue)
            return False
        self._environments[issue] = (*known, environment)
        self._environments.move_to_end(issue)
        self.changed[issue] = None
        return True

    def forget_excess(self) -> int:
        """Forget the longest idle issues beyond the limit; return how many."""
        excess = len(self._environments) - self._limit
        for _ in range(excess):
            issue, _environments = self._environments.popitem(last=False)
            self.changed[issue] = None
        return max(excess, 0)
