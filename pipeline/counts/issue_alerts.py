"""The issues of one counts partition: which are new, which come back after people changed them, and their alerts.

An issue is new for a rule when it has been seen in none of the environments that the rule matches. What people do to
issues (resolve, ignore, delete) arrives on a topic of its own, not in the order of the counts: an issue's latest
counts are remembered for a while and looked at again when a change of it arrives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

from pipeline.alerts.evidence import build_alert, subject_of
from pipeline.alerts.rules import Rule, Rules
from pipeline.counts.known_issues import MAX_ENVIRONMENTS, KnownIssues
from pipeline.counts.reactions import Reaction, Reactions
from pipeline.counts.window_state import KNOWN, REACTION, STATE_VERSION, KnownEntry, ReactionEntry, encode
from pipeline.issues.states import Issue, IssueStates
from schemas.alert import Alert
from schemas.counts import CountsBatch, PartialCount

MOST_LATEST = 2000
"""Issues whose latest counts are remembered."""


class IssueAlerts:
    """What is known of the issues of one counts partition.

    ``states`` is what people wish the issues to be; the other arguments are those of
    :class:`~pipeline.counts.windows.Windows`, and so is what the caller owes.
    """

    def __init__(
        self, rules: Rules, states: IssueStates, *, lateness_s: float, max_known: int, table: str, incarnation: str
    ) -> None:
        self.known = KnownIssues(max_known)
        self._news = rules.new_issue
        self._comebacks = {"regressed": rules.of_kind("regressed"), "unignored": rules.of_kind("unignored")}
        self._states = states
        self._lateness_s = lateness_s
        self._table = table
        self._reactions = Reactions(states, incarnation)
        self._caught_up = states.number
        self._noted: list[Reaction] = []
        self._latest: OrderedDict[Issue, dict[str, tuple[int, PartialCount]]] = OrderedDict()

    # The state as it is kept

    def load_known(self, issue: Issue, entry: KnownEntry) -> None:
        """Take in where an issue has been seen."""
        self.known.load(issue, entry.environments)

    def load_reaction(self, issue: Issue, entry: ReactionEntry) -> None:
        """Take in what an issue did after a change."""
        self._reactions.load(issue, entry)

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return the entries that have changed since the last call; ``None`` deletes."""
        changes = [(encode((KNOWN, *issue)), self._known_value(issue)) for issue in self.known.changed]
        for issue in self._reactions.changed:
            entry = self._reactions.entry(issue)
            changes.append((encode((REACTION, *issue)), None if entry is None else encode(entry)))
        self.known.changed.clear()
        self._reactions.changed.clear()
        return changes

    def _known_value(self, issue: Issue) -> bytes | None:
        if issue not in self.known:
            return None
        return encode(KnownEntry(STATE_VERSION, list(self.known.environments(issue))))

    def take_reactions(self) -> list[Reaction]:
        """Return what issues have done since the last call; to be stored before the changes are written."""
        noted, self._noted = self._noted, []
        return noted

    def forget_outdated(self) -> None:
        """Remove what issues did after changes that were followed by others."""
        self._reactions.forget_outdated()

    # Releases

    def releases_to_look_up(self, batch: CountsBatch) -> set[tuple[str, str]]:
        """Return the (project, release) whose first events have to be known before a message is applied."""
        return {
            found
            for partial in batch.groups
            if not partial.rule
            for found in self._reactions.releases_to_look_up(partial)
        }

    def learn_releases(
        self, batch: CountsBatch, wanted: set[tuple[str, str]], found: Iterable[tuple[str, str, int]]
    ) -> None:
        """Note when releases were first seen: (project, release, milliseconds since the epoch).

        Of those that were ``wanted`` for a message and of which nothing is stored yet, its events are the first.
        """
        learn = self._reactions.first_seen.learn
        for project, release, at_ms in found:
            learn(project, release, at_ms)
            wanted.discard((project, release))
        for partial in batch.groups:
            for release, at_ms in partial.releases:
                if (partial.project, release) in wanted:
                    learn(partial.project, release, at_ms)

    # Messages

    def see(self, partial: PartialCount, offset: int, now: float) -> list[Alert]:
        """Apply an issue's own counts of the message at ``offset``; return the alerts that follow."""
        self._remember(partial, offset)
        return self._react(partial, offset, now) + self._notice(partial, now)

    def is_ignored(self, project: str, fingerprint: str, now: float) -> bool:
        """Return whether an issue is ignored, so that nothing is said of its counts."""
        change = self._states.get(project, fingerprint)
        if change is None or change.status != "ignored":
            return False
        over = change.until is not None and change.until.timestamp() <= now
        return not over and not self._reactions.has_come_back((project, fingerprint), change)

    def applied(self, offset: int) -> None:
        """Note that all of the message at ``offset`` was applied."""
        self._reactions.applied(offset)

    def catch_up(self, now: float) -> list[Alert]:
        """Look at the latest counts of issues that were changed meanwhile, in the order of their messages."""
        changed = self._states.since(self._caught_up)
        self._caught_up = self._states.number
        latest = [kept for issue in dict.fromkeys(changed) for kept in self._latest.get(issue, {}).values()]
        latest.sort(key=itemgetter(0))
        alerts: list[Alert] = []
        for offset, kept in groupby(latest, key=itemgetter(0)):
            for _, partial in kept:
                alerts += self._react(partial, offset, now)
            self._reactions.applied(offset)
        return alerts

    def _remember(self, partial: PartialCount, offset: int) -> None:
        """Keep the latest counts of an issue, for a change of it that is on its way."""
        issue = (partial.project, partial.fingerprint)
        places = self._latest.setdefault(issue, {})
        if partial.environment in places or len(places) < MAX_ENVIRONMENTS:
            places[partial.environment] = (offset, partial)
        self._latest.move_to_end(issue)
        if len(self._latest) > MOST_LATEST:
            self._latest.popitem(last=False)

    def _notice(self, partial: PartialCount, now: float) -> list[Alert]:
        """Note an issue as seen; return the alerts of the rules for which it is new."""
        if not self._news:
            return []
        issue = (partial.project, partial.fingerprint)
        known = self.known.environments(issue)
        if not self.known.remember(issue, partial.environment):
            return []
        return [self._alert(rule, partial, now) for rule in self._news if self._is_news(rule, partial, known, now)]

    def _react(self, partial: PartialCount, offset: int, now: float) -> list[Alert]:
        """Return the alerts for an issue that comes back, of the rules about environments where it had not yet."""
        reaction = self._reactions.see(partial, offset)
        if reaction is None:
            return []
        if not reaction.environments:
            self._noted.append(reaction)
            if reaction.kind == "returned":
                self.known.forget((partial.project, partial.fingerprint))
        return [
            self._alert(rule, partial, now, reaction.change)
            for rule in self._comebacks.get(reaction.kind, ())
            if self._is_news(rule, partial, reaction.environments, now)
        ]

    def _is_news(self, rule: Rule, partial: PartialCount, known: tuple[str, ...], now: float) -> bool:
        """Return whether a rule fires for an issue that it has fired for in none of the environments ``known``."""
        return (
            (rule.name in partial.matched or rule.match.by_place)
            and rule.match.place(partial.project, partial.environment)
            and not any(rule.match.environment(environment) for environment in known)
            and partial.last_timestamp_ms / 1000 >= now - rule.window_s - self._lateness_s
        )

    def _alert(self, rule: Rule, partial: PartialCount, now: float, change: str = "") -> Alert:
        return build_alert(
            rule.name,
            (partial.project, partial.environment, partial.fingerprint),
            subject_of(rule, partial),
            state="firing",
            started=partial.first_timestamp_ms // 1000,
            value=sum(count for _, count in partial.panes),
            window=(partial.first_timestamp_ms / 1000, (partial.last_timestamp_ms + 1) / 1000),
            now=now,
            table=self._table,
            members=self._states.members(partial.project, partial.fingerprint),
            change=change,
        )
