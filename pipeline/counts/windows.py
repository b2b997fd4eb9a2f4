"""The windows of one counts partition, in event time, and the alerts that follow from them.

**Exactness.** What a message adds is a fold over messages in the order of their offsets, and stays the same through
crashes and repeats:

* A message whose source range has been applied already is dropped whole (:attr:`WindowStats.duplicates`).
* Every window remembers the offset it was applied up to and ignores older messages, so after a crash in the middle
  of writing the state, messages are applied again to those windows only that had not been written.
* The progress of the sources is written after the windows, so it is never ahead of them.

**Alerts** are part of the same fold: whether a threshold is reached, and which window reached it first, follows from
the panes alone, so the same alert has the same id when messages are applied again. The clock decides two things
only. It withholds alerts about windows that ended longer ago than the allowed lateness, and it ends episodes; an end
is written to the state first and announced afterwards, so that a crash cannot take it back. Windows that are over are
removed together with the writing of the state, for the same reason. Alerts about an issue are withheld while people
ignore it.

What was said before a crash counts as said, whatever the clock says by now: an episode whose firing alert is among
:attr:`Windows.sent` is firing when its messages are applied again, and is resolved like any other.

**What the caller owes**, in this order: wait until the alerts returned so far are acknowledged, take the changes,
write them in the order given, wait until they are written, commit the offset; call nothing else in between. The
sources' progress (:func:`~pipeline.counts.window_state.is_progress`) must not be written before all that stands
ahead of it is known to be. When writing fails, start over from what is in the table. Call :meth:`Windows.tick` only
while no message is waiting, because an old backlog must not end what it has yet to continue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from pipeline.alerts.evidence import alert_id, build_alert, subject_of
from pipeline.alerts.rules import Rule, Rules
from pipeline.counts.issue_alerts import IssueAlerts
from pipeline.counts.panes import Window, enough, window_end
from pipeline.counts.window_state import (
    KNOWN,
    REACTION,
    SOURCE,
    STATE_VERSION,
    WINDOW,
    Episode,
    Key,
    KnownEntry,
    ReactionEntry,
    SourceEntry,
    WindowEntry,
    decode_key,
    decode_value,
    encode,
)
from pipeline.issues.states import IssueStates
from schemas.alert import Alert, State
from schemas.counts import Count, CountsBatch, PartialCount, partition_of

SWEEP_S = 60.0
"""How often, in seconds, windows that have run empty are removed, when the state is written."""

_MAX_PLACES = 10_000

Group = tuple[str, str, str]
"""Project, environment, fingerprint."""


@dataclass
class WindowStats:
    """What has happened since the start; each only grows."""

    applied: int = 0
    """Messages applied."""
    duplicates: int = 0
    """Messages dropped because their source range had been applied."""
    overlapping: int = 0
    """Messages applied although part of their source range had been: a worker changed a batch's boundaries."""
    late: int = 0
    """Panes dropped because their window was over for longer than the allowed lateness."""
    evicted: int = 0
    """Groups given up or not taken in because a rule had reached its limit of groups."""
    unknown_rule: int = 0
    """Groups skipped because this worker has no rule of that name."""


class Windows:
    """The state of one counts partition.

    ``allowed_lateness_s`` is how far behind the newest event of a group an event may be and still count, and how
    long after its end a window may still raise an alarm. ``max_groups`` bounds the windows a rule keeps,
    ``max_known`` the issues that are remembered as known; the longest idle go first. ``table`` is named in the
    alerts' queries. ``partitions`` is the number of counts partitions, ``incarnation`` the UUID of the counts topic:
    when the topic was made anew, its offsets start from 0 again and must not be taken for old ones. ``states`` is what
    people wish the issues to be.

    ``now`` is always seconds since the epoch.

    Attributes:
        stats: what has happened since the start.
        sent: the ids of alerts that are on the alert topic; set before the first message.
    """

    def __init__(
        self,
        rules: Rules,
        partition: int,
        *,
        partitions: int,
        allowed_lateness_s: float,
        max_groups: int = 10_000,
        max_known: int = 100_000,
        table: str = "aftershock.errors",
        incarnation: str = "",
        states: IssueStates | None = None,
    ) -> None:
        self.stats = WindowStats()
        self.sent: Container[str] = frozenset()
        self._rules = {rule.name: rule for rule in rules.counting}
        self._definitions = {name: rule.definition for name, rule in self._rules.items()}
        self._states = states if states is not None else IssueStates()
        self.issues = IssueAlerts(
            rules,
            self._states,
            lateness_s=allowed_lateness_s,
            max_known=max_known,
            table=table,
            incarnation=incarnation,
        )
        self._partition = partition
        self._partitions = partitions
        self._lateness_s = allowed_lateness_s
        self._max_groups = max_groups
        self._table = table
        self._incarnation = incarnation
        self._windows: dict[str, OrderedDict[Group, Window]] = {name: OrderedDict() for name in self._rules}
        self._sources: dict[tuple[str, str, int], int] = {}
        self._issue_rules: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._active: dict[tuple[str, Group], None] = {}
        self._decided: dict[tuple[str, Group], None] = {}
        self._orphans: list[tuple[str, Group, Episode]] = []
        self._dirty: dict[Key, None] = {}
        self._dirty_sources: dict[tuple[str, str, int], None] = {}
        self._next_sweep = float("-inf")
        self._sweep_at: float | None = None

    # The state as it is kept

    def load(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Take in the entries of the table, before the first message.

        Windows of rules that are gone or count something else now are dropped; what was firing under them is
        resolved at the next tick.

        Raises :class:`~pipeline.errors.Misconfigured` for an entry that this version cannot read.
        """
        for key_bytes, data in items:
            key = decode_key(key_bytes)
            if key[0] == WINDOW:
                self._load_window(key, decode_value(data, WindowEntry))
            elif key[0] == KNOWN:
                self.issues.load_known((key[1], key[2]), decode_value(data, KnownEntry))
            elif key[0] == REACTION:
                self.issues.load_reaction((key[1], key[2]), decode_value(data, ReactionEntry))
            else:
                self._sources[key[1], key[2], int(key[3])] = decode_value(data, SourceEntry).last

    def _load_window(self, key: Key, entry: WindowEntry) -> None:
        name, group = key[1], (key[2], key[3], key[4])
        if self._definitions.get(name) != entry.definition:
            if entry.episode is not None and entry.episode.status != "silent":
                self._orphans.append((name, group, entry.episode))
            else:
                self._dirty[key] = None
            return
        self._windows[name][group] = Window.from_entry(entry, self._incarnation)
        if entry.episode is not None:
            self._active[name, group] = None
            if entry.episode.status == "resolved":
                self._decided[name, group] = None

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what has changed since the last call, to be written in this order; ``None`` deletes.

        The sources' progress comes last.
        """
        if self._sweep_at is not None:
            # Only now: so a window is gone from the table before another message is applied, and no message that is
            # applied again finds it there.
            self._sweep(self._sweep_at)
            self._sweep_at = None
        changes: list[tuple[bytes, bytes | None]] = [(encode(key), self._window_value(key)) for key in self._dirty]
        changes += self.issues.take_changes()
        for topic, incarnation, partition in self._dirty_sources:
            last = self._sources[topic, incarnation, partition]
            key = (SOURCE, topic, incarnation, str(partition))
            changes.append((encode(key), encode(SourceEntry(STATE_VERSION, last))))
        self._dirty.clear()
        self._dirty_sources.clear()
        for name, group in self._active:
            episode = self._windows[name][group].episode
            if episode is not None and episode.status == "resolved":
                self._decided[name, group] = None
        return changes

    def _window_value(self, key: Key) -> bytes | None:
        windows = self._windows.get(key[1])
        window = windows.get((key[2], key[3], key[4])) if windows is not None else None
        return None if window is None else encode(window.to_entry(self._definitions[key[1]], self._incarnation))

    # Messages

    def apply(self, batch: CountsBatch, offset: int, now: float) -> list[Alert]:
        """Apply the message at ``offset`` of the counts partition; return the alerts that follow."""
        alerts = self._announce(now) + self.issues.catch_up(now)
        source = (batch.topic, batch.incarnation, batch.partition)
        applied = self._sources.get(source, -1)
        if batch.last <= applied:
            self.stats.duplicates += 1
            return alerts
        if batch.first <= applied:
            self.stats.overlapping += 1
        self.stats.applied += 1
        for partial in batch.groups:
            if not partial.rule:
                alerts += self.issues.see(partial, offset, now)
            for rule in self._rules_of(partial):
                alerts += self._add(rule, partial, offset, now)
        self.issues.applied(offset)
        self.stats.evicted += self.issues.known.forget_excess()
        self._sources[source] = batch.last
        self._dirty_sources[source] = None
        return alerts

    def _rules_of(self, partial: PartialCount) -> tuple[Rule, ...]:
        """Return the rules whose windows a group's counts go into."""
        if partial.rule:
            rule = self._rules.get(partial.rule)
            self.stats.unknown_rule += rule is None
            return () if rule is None else (rule,)
        place = (partial.project, partial.environment)
        found = self._issue_rules.get(place)
        if found is None:
            if len(self._issue_rules) >= _MAX_PLACES:
                self._issue_rules.clear()
            rules = (rule for rule in self._rules.values() if rule.reads_issue_entries)
            found = self._issue_rules[place] = tuple(rule for rule in rules if rule.match.place(*place))
        return found

    def _add(self, rule: Rule, partial: PartialCount, offset: int, now: float) -> list[Alert]:
        if not partial.panes:
            return []
        group = (partial.project, partial.environment, partial.fingerprint)
        window = self._window(rule, group)
        if window is None or offset <= window.asof:
            return []
        window.asof = offset
        self._dirty[WINDOW, rule.name, *group] = None
        self.stats.late += window.add(partial.panes, rule, self._lateness_s)
        return self._evaluate(rule, group, window, partial, now)

    def _window(self, rule: Rule, group: Group) -> Window | None:
        """Return the group's window, made if need be, as the one used last; ``None`` when there is no room."""
        windows = self._windows[rule.name]
        window = windows.get(group)
        if window is None:
            if len(windows) >= self._max_groups and not self._make_room(rule.name):
                return None
            window = windows[group] = Window()
        windows.move_to_end(group)
        return window

    def _make_room(self, name: str) -> bool:
        """Give up the longest idle group that no alert was sent of; return whether there was one."""
        self.stats.evicted += 1
        windows = self._windows[name]
        idle = next((group for group, window in windows.items() if not window.is_told), None)
        if idle is None:
            return False
        del windows[idle]
        self._active.pop((name, idle), None)
        self._dirty[WINDOW, name, *idle] = None
        return True

    def _evaluate(self, rule: Rule, group: Group, window: Window, partial: PartialCount, now: float) -> list[Alert]:
        episode = window.episode
        if episode is not None and episode.status == "firing":
            return []
        if episode is not None and episode.status == "resolved":
            # Decided, but neither written nor said: the count has come back in time.
            if window.reached(rule, after=episode.resolved_at) is not None:
                episode.status, episode.resolved_at = "firing", 0.0
            return []
        reached = window.reached(rule, after=window.quiet_until)
        if reached is None:
            self._set_episode(rule.name, group, window, None)
            return []
        if episode is None or reached.first > episode.last:
            episode = Episode(reached.first, reached.last, "silent", subject_of(rule, partial), rule.window_s)
        episode.last = reached.last
        self._set_episode(rule.name, group, window, episode)
        if self._was_said(rule.name, group, episode.started):
            episode.status = "firing"
            return []
        if reached.last < now - self._lateness_s or (group[2] and self.issues.is_ignored(group[0], group[2], now)):
            return []
        episode.status = "firing"
        episode.subject = subject_of(rule, partial)
        return [self._alert(rule.name, group, episode, "firing", reached.value, reached.last, now)]

    def _was_said(self, name: str, group: Group, started: int) -> bool:
        """Return whether an episode is known to have fired, and not to have been resolved."""
        fired, resolved = (alert_id(name, group, started, state) for state in ("firing", "resolved"))
        return fired in self.sent and resolved not in self.sent

    def _set_episode(self, name: str, group: Group, window: Window, episode: Episode | None) -> None:
        window.episode = episode
        if episode is None:
            self._active.pop((name, group), None)
            self._decided.pop((name, group), None)
        else:
            self._active[name, group] = None

    # New issues

    def seed_known(self, issues: Iterable[tuple[str, str, str]]) -> int:
        """Take issues, as (project, environment, fingerprint), as known without an alert.

        For a start with an empty table. Issues of other partitions are skipped; returns how many were not known.
        Leave out what was first seen in events that have yet to arrive here, or their alert is lost.
        """
        added = 0
        for project, environment, fingerprint in issues:
            if partition_of("", project, environment, fingerprint, self._partitions) == self._partition:
                added += self.issues.known.remember((project, fingerprint), environment)
        self.stats.evicted += self.issues.known.forget_excess()
        return added

    # Time

    def tick(self, now: float) -> list[Alert]:
        """Let time pass: end episodes whose count has fallen, announce those ends that have been written.

        Call it about once a second, and only while no message is waiting.
        """
        alerts = self._announce(now) + self.issues.catch_up(now)
        for name, group in list(self._active):
            rule, window = self._rules[name], self._windows[name][group]
            episode = window.episode
            # A silent one stays until its window is removed: its start may still name an alert, and when the messages
            # are applied again, without this tick in between, it has to be the same start.
            if episode is None or episode.status != "firing":
                continue
            if enough(window.since(window_end(now, rule) - rule.window_s), rule.threshold):
                continue
            episode.status, episode.resolved_at = "resolved", now
            self._dirty[WINDOW, name, *group] = None
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_S
            self._sweep_at = now
        return alerts

    def _announce(self, now: float) -> list[Alert]:
        """Return the alerts for the ends that are part of the written state, and begin the cooldowns."""
        alerts = []
        for name, group, orphan in self._orphans:
            alerts.append(self._alert(name, group, orphan, "resolved", 0, int(now), now))
            self._dirty[WINDOW, name, *group] = None
        self._orphans.clear()
        for name, group in self._decided:
            rule, window = self._rules[name], self._windows[name][group]
            episode = window.episode
            assert episode is not None
            end = window_end(episode.resolved_at, rule)
            value = window.since(end - rule.window_s)
            alerts.append(self._alert(name, group, episode, "resolved", value, end, now))
            window.quiet_until = episode.resolved_at + rule.cooldown_s
            window.episode = None
            self._active.pop((name, group), None)
            self._dirty[WINDOW, name, *group] = None
        self._decided.clear()
        return alerts

    def _sweep(self, now: float) -> None:
        """Remove windows whose panes no event within the allowed lateness can bring back to life."""
        for name, windows in self._windows.items():
            rule = self._rules[name]
            for group in [group for group, window in windows.items() if window.is_over(rule, now, self._lateness_s)]:
                del windows[group]
                self._active.pop((name, group), None)
                self._dirty[WINDOW, name, *group] = None
        self.issues.forget_outdated()

    def _alert(
        self, name: str, group: Group, episode: Episode, state: State, value: Count, end: int, now: float
    ) -> Alert:
        return build_alert(
            name,
            group,
            episode.subject,
            state=state,
            started=episode.started,
            value=value,
            window=(end - episode.window_s, end),
            now=now,
            table=self._table,
            members=self._states.members(group[0], group[2]) if group[2] else (),
        )

    # Looking in

    @property
    def open(self) -> int:
        """How many windows are kept, of all rules and groups."""
        return sum(map(len, self._windows.values()))

    def count(self, rule: str, group: Group, at: float) -> Count:
        """Return a rule's weighted count for a group in the window that ends with the pane around ``at``."""
        window = self._windows[rule].get(group)
        if window is None:
            return 0
        found = self._rules[rule]
        end = window_end(at, found)
        return window.between(end - found.window_s, end)

    def groups(self) -> Iterator[tuple[str, Group]]:
        """Yield (rule, group) for every window kept."""
        for name, windows in self._windows.items():
            for group in windows:
                yield name, group
