"""What the issues of one counts partition did after people changed them: regressed, unignored, back after a delete.

An issue reacts at most once to a change, and that follows from the messages and the change alone: an event that
happened later than the change, in a release that should have the fix, or one too many. So the same messages applied
again give the same reaction, under the same id. Each entry remembers the offset that it was applied up to, like the
windows do.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.counts.known_issues import MAX_ENVIRONMENTS
from pipeline.counts.panes import enough
from pipeline.counts.window_state import STATE_VERSION, ReactionEntry, ReactionKind
from pipeline.issues.states import Issue, IssueStates
from pipeline.releases.order import FirstSeen, by_version
from schemas.counts import PartialCount
from schemas.issue_change import IssueChange

NEVER_MS = 2**62
"""A release of which no event was seen comes after all that were."""


class Reaction(NamedTuple):
    """An issue came back, or did so in an environment where it had not come back yet.

    ``change`` is the id of the change it reacts to; ``environments`` are those in which it had come back before,
    none for the first time. ``at_ms`` is the time of the event that brought it back.
    """

    kind: ReactionKind
    change: str
    project: str
    fingerprint: str
    environment: str
    release: str
    at_ms: int
    environments: tuple[str, ...]


class Reactions:
    """The reactions in one counts partition. ``changed`` holds the issues whose entry was not written yet.

    ``incarnation`` is the UUID of the counts topic that the offsets belong to.
    """

    def __init__(self, states: IssueStates, incarnation: str) -> None:
        self.changed: dict[Issue, None] = {}
        self.first_seen = FirstSeen()
        self._states = states
        self._incarnation = incarnation
        self._entries: dict[Issue, ReactionEntry] = {}
        self._touched: dict[Issue, None] = {}

    def load(self, issue: Issue, entry: ReactionEntry) -> None:
        """Take in what was written."""
        if entry.incarnation != self._incarnation:
            entry.asof = -1
        entry.incarnation = self._incarnation
        self._entries[issue] = entry

    def entry(self, issue: Issue) -> ReactionEntry | None:
        """Return what is kept of an issue, ``None`` for nothing."""
        return self._entries.get(issue)

    def has_come_back(self, issue: Issue, change: IssueChange) -> bool:
        """Return whether an issue has reacted to a change."""
        entry = self._entries.get(issue)
        return entry is not None and entry.change == change.id and bool(entry.kind)

    def forget_outdated(self) -> None:
        """Remove the entries of changes that were followed by others."""
        for issue, entry in list(self._entries.items()):
            change = self._states.get(*issue)
            if change is None or change.id != entry.change:
                del self._entries[issue]
                self.changed[issue] = None

    def releases_to_look_up(self, partial: PartialCount) -> set[tuple[str, str]]:
        """Return the releases, with their project, whose times of first sight decide about an issue's own counts."""
        project = partial.project
        change = self._states.get(project, partial.fingerprint)
        if change is None or partial.last_timestamp_ms <= change.changed_ms:
            return set()
        reference = change.in_release or change.after_release
        entry = self._entries.get((project, partial.fingerprint))
        came_back = entry is not None and entry.change == change.id and partial.environment in entry.environments
        if not reference or came_back:
            return set()
        unknown = {
            (project, name)
            for name, _ in releases_of(partial)
            if name and by_version(name, reference) is None and self.first_seen.get(project, name) is None
        }
        if unknown and change.release_first_seen is None:
            unknown.add((project, reference))
        return unknown

    def see(self, partial: PartialCount, offset: int) -> Reaction | None:
        """Apply an issue's own counts of the message at ``offset``; return the reaction if there is one."""
        change = self._states.get(partial.project, partial.fingerprint)
        if change is None or partial.last_timestamp_ms <= change.changed_ms:
            return None
        issue = (partial.project, partial.fingerprint)
        entry = self._entries.get(issue)
        if entry is None or entry.change != change.id:
            entry = ReactionEntry(STATE_VERSION, change.id, incarnation=self._incarnation)
        if offset <= entry.asof:
            return None
        if not entry.kind and self._progress(entry, change, partial):
            self._touch(issue, entry)
        elif entry.kind == "regressed" and self._regression(change, partial) is None:
            return None
        known = tuple(entry.environments)
        if not entry.kind or partial.environment in known or len(known) >= MAX_ENVIRONMENTS:
            return None
        entry.environments.append(partial.environment)
        self._touch(issue, entry)
        return Reaction(entry.kind, change.id, *issue, partial.environment, entry.release, entry.at_ms, known)

    def applied(self, offset: int) -> None:
        """Note that all of the message at ``offset`` was applied: it may hold an issue once for each environment."""
        for issue in self._touched:
            self._entries[issue].asof = offset
        self._touched.clear()

    def _touch(self, issue: Issue, entry: ReactionEntry) -> None:
        self._entries[issue] = entry
        self._touched[issue] = None
        self.changed[issue] = None

    def _progress(self, entry: ReactionEntry, change: IssueChange, partial: PartialCount) -> bool:
        """Bring an entry without a reaction up to date; return whether it has changed."""
        if change.status == "ignored":
            return _unignore(entry, change, partial)
        if change.status == "resolved":
            found = self._regression(change, partial)
            return found is not None and _react(entry, "regressed", *found)
        return _react(entry, "returned", partial.release, partial.last_timestamp_ms)

    def _regression(self, change: IssueChange, partial: PartialCount) -> tuple[str, int] | None:
        """Return the release and the time of events that should not have happened any more."""
        for release, last_ms in releases_of(partial):
            if last_ms > change.changed_ms and self._should_be_fixed(change, release):
                return release, last_ms
        return None

    def _should_be_fixed(self, change: IssueChange, release: str) -> bool:
        """Return whether an event of a release shows that the issue is back."""
        reference = change.in_release or change.after_release
        if not reference:
            return True
        if not release:
            return False
        order = by_version(release, reference)
        if order is None:
            order = self._by_sight(change, release, reference)
        return order is not None and (order > 0 or (order == 0 and bool(change.in_release)))

    def _by_sight(self, change: IssueChange, release: str, reference: str) -> int | None:
        """Return how two releases follow each other by their first events; ``None`` as long as that is not known."""
        seen = self.first_seen.get(change.project, release)
        if seen is None:
            return None
        if change.release_first_seen is not None:
            of_reference = round(change.release_first_seen.timestamp() * 1000)
        else:
            known = self.first_seen.get(change.project, reference)
            # A release that is still to come has no events; the latest one had some when it was called the latest.
            of_reference = known if known is not None else NEVER_MS if change.in_release else change.changed_ms
        return 1 if seen > of_reference else -1


def releases_of(partial: PartialCount) -> list[tuple[str, int]]:
    """Return the releases of an issue's own counts, each with the time of its latest event in milliseconds."""
    return partial.releases or [(partial.release, partial.last_timestamp_ms)]


def _unignore(entry: ReactionEntry, change: IssueChange, partial: PartialCount) -> bool:
    entry.count += count_after(partial, change.changed_ms)
    if change.until_users is not None:
        entry.users = sorted({*entry.users, *partial.users})
    over = (
        (change.until_count is not None and enough(entry.count, change.until_count))
        or (change.until_users is not None and len(entry.users) >= change.until_users)
        or (change.until is not None and partial.last_timestamp_ms > change.until.timestamp() * 1000)
    )
    if over:
        entry.users = []
        return _react(entry, "unignored", partial.release, partial.last_timestamp_ms)
    return change.until_count is not None or change.until_users is not None


def count_after(partial: PartialCount, at_ms: int) -> float:
    """Return how many of the events happened after a moment; of the pane around it, none where that cannot be told."""
    if partial.first_timestamp_ms > at_ms:
        return sum(count for _, count in partial.panes)
    return sum(count for start, count in partial.panes if start * 1000 > at_ms)


def _react(entry: ReactionEntry, kind: ReactionKind, release: str, at_ms: int) -> bool:
    entry.kind, entry.release, entry.at_ms = kind, release, at_ms
    return True
