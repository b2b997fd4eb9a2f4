"""One group's window: counts in panes of event time, and which windows over them reach a threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.alerts.rules import Rule
from pipeline.counts.window_state import STATE_VERSION, Episode, WindowEntry
from pipeline.payload.normalize import MOST_EARLY_MS
from schemas.counts import Count

AHEAD_S = MOST_EARLY_MS // 1000
"""How far in the future an event may be: its clock must not push the present out of the window."""

_TOLERANCE = 1e-6
"""By what a count may miss its threshold: fractional weights do not add up to whole numbers exactly."""


class Reached(NamedTuple):
    """A run of windows that reach a threshold: the end of the first, the end of the last and the count in that one."""

    first: int
    last: int
    value: Count


class Window:
    """The panes of one group for one rule, by their start in epoch seconds, and where the group is in its life cycle.

    ``asof``, ``quiet_until`` and ``episode`` are described at :class:`~pipeline.counts.window_state.WindowEntry`.
    """

    __slots__ = ("asof", "episode", "panes", "quiet_until")

    def __init__(self) -> None:
        self.asof = -1
        self.panes: dict[int, Count] = {}
        self.quiet_until = float("-inf")
        self.episode: Episode | None = None

    @classmethod
    def from_entry(cls, entry: WindowEntry, incarnation: str) -> Window:
        """Return the window that was kept; its offset counts only in the life of the counts topic it was taken from."""
        window = cls()
        window.asof = entry.asof if entry.incarnation == incarnation else -1
        window.panes = dict(entry.panes)
        window.quiet_until = entry.quiet_until
        window.episode = entry.episode
        return window

    def to_entry(self, definition: str, incarnation: str) -> WindowEntry:
        """Return what is kept of the window."""
        panes = list(self.panes.items())
        return WindowEntry(STATE_VERSION, definition, self.asof, panes, self.quiet_until, self.episode, incarnation)

    def add(self, panes: Iterable[tuple[int, Count]], rule: Rule, lateness_s: float) -> int:
        """Add panes, at least one; return how many of them came too late.

        What lies further behind the newest pane than window, lateness and :data:`AHEAD_S` is dropped: by the events'
        own clock, so that it is the same whenever the same messages are applied.
        """
        starts = []
        for start, count in panes:
            pane = start // rule.hop_s * rule.hop_s
            self.panes[pane] = self.panes.get(pane, 0) + count
            starts.append(pane)
        horizon = max(self.panes) - rule.window_s - lateness_s - AHEAD_S
        for pane in [pane for pane in self.panes if pane < horizon]:
            del self.panes[pane]
        return sum(1 for start in starts if start < horizon)

    def between(self, start: float, end: float) -> Count:
        """Return the count in the panes that start in ``[start, end)``."""
        return sum(count for pane, count in self.panes.items() if start <= pane < end)

    def since(self, start: float) -> Count:
        """Return the count in the panes that start at ``start`` or later."""
        return self.between(start, float("inf"))

    def reached(self, rule: Rule, after: float) -> Reached | None:
        """Return the last unbroken run of windows that reach the rule's threshold; ``None`` when none does.

        Only windows that end later than ``after`` are looked at, and of these only the ones that end before or after
        a pane that counted something: the others hold no more than the one, and no less than the other.
        """
        if not enough(sum(self.panes.values()), rule.threshold):
            return None
        starts = sorted(self.panes)
        run: Reached | None = None
        unbroken = False
        total: Count = 0
        oldest = 0
        for start in starts:
            while starts[oldest] < start - rule.window_s:
                total -= self.panes[starts[oldest]]
                oldest += 1
            unbroken = unbroken and enough(total, rule.threshold)
            total += self.panes[start]
            end = start + rule.hop_s
            while starts[oldest] < end - rule.window_s:
                total -= self.panes[starts[oldest]]
                oldest += 1
            if end > after and enough(total, rule.threshold):
                run = Reached(run.first if run and unbroken else end, end, total)
                unbroken = True
        return run

    @property
    def is_told(self) -> bool:
        """Whether an alert was sent, and the end of its episode was not."""
        return self.episode is not None and self.episode.status != "silent"

    def is_over(self, rule: Rule, now: float, lateness_s: float) -> bool:
        """Return whether nothing that may still arrive can make these panes matter."""
        if self.is_told or self.quiet_until >= now:
            return False
        return max(self.panes) < now - rule.window_s - lateness_s


def enough(count: Count, threshold: float) -> bool:
    """Return whether a count reaches a threshold."""
    return count + _TOLERANCE >= threshold


def window_end(at: float, rule: Rule) -> int:
    """Return the end of the pane around a time, where the window that is open at that time ends; epoch seconds."""
    return int(at // rule.hop_s) * rule.hop_s + rule.hop_s
