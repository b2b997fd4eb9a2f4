"""Counts a batch of events into one message a counts partition, combined as far as it goes before it leaves.

An event costs one dictionary entry, whatever the number of rules: events that share project, environment, level,
release and issue fall into one cell, and rules that look at nothing else are answered a cell at a time. Only rules
that match on a text or a tag look at the events one by one, and only at those that pass the rest of their match.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.alerts.rules import Rule, Rules
from pipeline.issues.states import IssueStates
from pipeline.payload.matching import Occurrence
from pipeline.records.record import Source
from schemas.counts import COUNTS_VERSION, MAX_EVENT_IDS, Count, CountsBatch, PartialCount, partition_of

MAX_TEXT = 256
"""How many characters of a title, a culprit or a release travel with a count."""

_MAX_PLANS = 10_000

_CellKey = tuple[str, str, str, str, str]
_GroupKey = tuple[str, str, str, str]


class _Plan(NamedTuple):
    """What has to be counted for events of one project, environment, level and release.

    ``news`` are the rules about issues that look at more than project and environment.
    """

    issue: bool
    counted: tuple[Rule, ...]
    looked_at: tuple[Rule, ...]
    news: tuple[Rule, ...]


class _Tally:
    """The counts of one group within one batch; ``panes`` are numbered by their start divided by their width.

    ``releases`` and ``users`` are kept for an issue's own counts alone.
    """

    __slots__ = ("event_ids", "first", "first_ms", "last_ms", "panes", "releases", "users")

    def __init__(self, first: Occurrence) -> None:
        self.first = first
        self.first_ms = self.last_ms = first.timestamp_ms
        self.panes: dict[int, Count] = {}
        self.event_ids: list[str] = []
        self.releases: dict[str, int] = {}
        self.users: set[int] | None = None

    def add(self, occurrence: Occurrence, pane: int) -> None:
        self.panes[pane] = self.panes.get(pane, 0) + occurrence.weight
        timestamp = occurrence.timestamp_ms
        self.first_ms = min(self.first_ms, timestamp)
        self.last_ms = max(self.last_ms, timestamp)
        if len(self.event_ids) < MAX_EVENT_IDS:
            self.event_ids.append(occurrence.event_id)

    def merge(self, other: _Tally) -> None:
        panes = self.panes
        for pane, count in other.panes.items():
            panes[pane] = panes.get(pane, 0) + count
        self.first_ms = min(self.first_ms, other.first_ms)
        self.last_ms = max(self.last_ms, other.last_ms)
        self.event_ids += other.event_ids[: MAX_EVENT_IDS - len(self.event_ids)]

    def merge_issue(self, cell: _Cell) -> None:
        """Merge events of one release into the issue's own counts."""
        self.merge(cell)
        release = cell.first.release[:MAX_TEXT]
        self.releases[release] = max(cell.last_ms, self.releases.get(release, cell.last_ms))
        if cell.users is not None:
            self.users = cell.users if self.users is None else self.users | cell.users


class _Cell(_Tally):
    """A tally of events that differ in nothing but texts, tags and time, with what has to be done about them.

    ``issue`` is the fingerprint of the issue that they count for.
    """

    __slots__ = ("issue", "plan")

    def __init__(self, first: Occurrence, plan: _Plan, issue: str) -> None:
        super().__init__(first)
        self.plan = plan
        self.issue = issue


class Counter:
    """Counts batches for a set of rules. Not for use by several threads at once: it remembers which rules apply.

    ``states`` says which issues are merged, and whose users are counted; the events of merged issues count as one.
    """

    def __init__(self, rules: Rules, partitions: int, states: IssueStates | None = None) -> None:
        self._rules = rules
        self._states = states if states is not None else IssueStates()
        self._partitions = partitions
        self._pane_ms = rules.pane_s * 1000
        self._plans: dict[tuple[str, str, str, str], _Plan] = {}

    def count(self, occurrences: Iterable[Occurrence], source: Source, first: int, last: int) -> dict[int, CountsBatch]:
        """Return one message for each counts partition that the events touch.

        ``first`` and ``last`` are the offsets, both included, of the batch in its source; ``occurrences`` those of
        its events that are counted, in the order of their offsets. The same input gives the same messages.
        """
        cells, tallies = self._tally(occurrences)
        issues: dict[_GroupKey, _Tally] = {}
        for (project, environment, _level, _release, _fingerprint), cell in cells.items():
            if cell.plan.issue or self._states.get(project, cell.issue) is not None:
                _tally_of(issues, ("", project, environment, cell.issue), cell).merge_issue(cell)
            for rule in cell.plan.counted:
                _tally_of(tallies, _group(rule, project, environment, cell.issue), cell).merge(cell)
        widths = {rule.name: rule.hop_s for rule in self._rules.counting}
        batches: dict[int, CountsBatch] = {}
        for key, tally in (*issues.items(), *tallies.items()):
            partial = self._partial(key, tally, widths.get(key[0], self._rules.pane_s))
            partition = partition_of(*key, self._partitions)
            batch = batches.get(partition)
            if batch is None:
                batch = CountsBatch(COUNTS_VERSION, *source, first, last, [])
                batches[partition] = batch
            batch.groups.append(partial)
        return batches

    def _tally(self, occurrences: Iterable[Occurrence]) -> tuple[dict[_CellKey, _Cell], dict[_GroupKey, _Tally]]:
        """Return the cells, in the order of their first events, and the groups of rules that look at every event."""
        cells: dict[_CellKey, _Cell] = {}
        tallies: dict[_GroupKey, _Tally] = {}
        pane_ms = self._pane_ms
        for occurrence in occurrences:
            key = (
                occurrence.project,
                occurrence.environment,
                occurrence.level,
                occurrence.release,
                occurrence.fingerprint,
            )
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = self._cell(occurrence, self._plan(*key[:4]))
            # _Tally.add, written out: this is the one place that runs for every event.
            timestamp = occurrence.timestamp_ms
            pane = timestamp // pane_ms
            panes = cell.panes
            panes[pane] = panes.get(pane, 0) + occurrence.weight
            if timestamp < cell.first_ms:
                cell.first_ms = timestamp
            elif timestamp > cell.last_ms:
                cell.last_ms = timestamp
            if len(cell.event_ids) < MAX_EVENT_IDS:
                cell.event_ids.append(occurrence.event_id)
            if cell.users is not None and occurrence.user_hash:
                cell.users.add(occurrence.user_hash)
            for rule in cell.plan.looked_at:
                if rule.match.details(occurrence):
                    group = _group(rule, occurrence.project, occurrence.environment, cell.issue)
                    tally = tallies.get(group)
                    if tally is None:
                        tally = tallies[group] = _Tally(occurrence)
                    tally.add(occurrence, pane)
        return cells, tallies

    def _cell(self, first: Occurrence, plan: _Plan) -> _Cell:
        cell = _Cell(first, plan, self._states.target(first.project, first.fingerprint))
        if self._states.counts_users(first.project, cell.issue):
            cell.users = set()
        return cell

    def _plan(self, project: str, environment: str, level: str, release: str) -> _Plan:
        key = (project, environment, level, release)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._plans[key] = self._make_plan(*key)
        return plan

    def _make_plan(self, project: str, environment: str, level: str, release: str) -> _Plan:
        matching = [rule for rule in self._rules.all if rule.match.header(project, environment, level, release)]
        # Which issues are known has to be kept up for all of them as soon as any rule asks for new ones. Issues that
        # people have changed have their own counts in any case.
        issue = bool(self._rules.new_issue) or any(rule.reads_issue_entries for rule in matching)
        own = [rule for rule in matching if rule.kind == "count" and not rule.reads_issue_entries]
        return _Plan(
            issue=issue,
            counted=tuple(rule for rule in own if not rule.match.needs_details),
            looked_at=tuple(rule for rule in own if rule.match.needs_details),
            news=tuple(rule for rule in matching if rule.kind != "count" and not rule.match.by_place),
        )

    def _partial(self, key: _GroupKey, tally: _Tally, width_s: int) -> PartialCount:
        rule, project, environment, fingerprint = key
        first = tally.first
        return PartialCount(
            rule=rule,
            project=project,
            environment=environment,
            fingerprint=fingerprint,
            panes=_widen(tally.panes, self._rules.pane_s, width_s),
            first_timestamp_ms=tally.first_ms,
            last_timestamp_ms=tally.last_ms,
            event_ids=tally.event_ids,
            title=first.title[:MAX_TEXT],
            culprit=first.culprit[:MAX_TEXT],
            level=first.level,
            release=first.release[:MAX_TEXT],
            matched=[] if rule else self._news(first),
            releases=list(tally.releases.items()),
            users=sorted(tally.users) if tally.users else [],
        )

    def _news(self, first: Occurrence) -> list[str]:
        plan = self._plan(first.project, first.environment, first.level, first.release)
        return [rule.name for rule in plan.news if rule.match.details(first)]


def _group(rule: Rule, project: str, environment: str, fingerprint: str) -> _GroupKey:
    return rule.name, project, environment, fingerprint if rule.by == "issue" else ""


def _tally_of(tallies: dict[_GroupKey, _Tally], key: _GroupKey, cell: _Cell) -> _Tally:
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = _Tally(cell.first)
    return tally


def _widen(panes: dict[int, Count], from_s: int, to_s: int) -> list[tuple[int, Count]]:
    """Return panes by their start in seconds, oldest first, put together into panes of a multiple of the width."""
    wide: dict[int, Count] = {}
    for pane in sorted(panes):
        start = pane * from_s // to_s * to_s
        wide[start] = wide.get(start, 0) + panes[pane]
    return list(wide.items())
