"""Builds alerts: their ids, which are the same whenever the same change is noticed again, and their evidence as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import xxhash

from pipeline.alerts.rules import Rule
from schemas.alert import Alert, Kind, Severity, State, quote
from schemas.counts import PartialCount

EVIDENCE_ROWS = 100
"""How many events the query of an alert shows at most, newest first."""


class Subject(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an alert says besides its numbers: the rule as it was when it fired, and a sample event."""

    kind: Kind
    severity: Severity
    threshold: float
    conditions: list[str]
    title: str
    culprit: str
    level: str
    release: str
    event_ids: list[str]


def subject_of(rule: Rule, partial: PartialCount) -> Subject:
    """Return what an alert of a rule says about the counts that it fires for."""
    return Subject(
        kind=rule.kind,
        severity=rule.severity,
        threshold=rule.threshold,
        conditions=rule.match.sql(),
        title=partial.title,
        culprit=partial.culprit,
        level=partial.level,
        release=partial.release,
        event_ids=partial.event_ids,
    )


def build_alert(
    rule: str,
    group: tuple[str, str, str],
    subject: Subject,
    *,
    state: State,
    started: int,
    value: float,
    window: tuple[float, float],
    now: float,
    table: str,
    members: Sequence[str] = (),
    change: str = "",
) -> Alert:
    """Return the alert for a change of state.

    ``group`` is (project, environment, fingerprint). ``started`` tells this episode from others of the same rule
    and group; ``window`` is (start, end), ``now`` when the change was noticed; all in seconds since the epoch.
    ``table`` is the table of errors with its database; ``members`` are the fingerprints of the issue's events, where
    they are not its own alone. ``change`` is the id of the change that an issue reacts to: it names the alert instead
    of the environment and ``started``, because an issue comes back once, wherever that is noticed first.
    """
    project, environment, fingerprint = group
    identifier = _digest(rule, project, fingerprint, change, state) if change else alert_id(rule, group, started, state)
    start, end = (datetime.fromtimestamp(round(at, 3), UTC) for at in window)
    return Alert(
        id=identifier,
        rule=rule,
        kind=subject.kind,
        severity=subject.severity,
        state=state,
        project=project,
        environment=environment,
        fingerprint=fingerprint,
        title=subject.title,
        culprit=subject.culprit,
        level=subject.level,
        release=subject.release,
        value=value,
        threshold=subject.threshold,
        window_start=start,
        window_end=end,
        event_ids=list(subject.event_ids),
        query=_query(table, group, subject.conditions, start, end, members),
        dedup_key=_digest(rule, *group),
        created_at=datetime.fromtimestamp(round(now, 3), UTC),
    )


def alert_id(rule: str, group: tuple[str, str, str], started: int, state: State) -> str:
    """Return the id of the alert that an episode of a rule and group fires or is resolved with."""
    return _digest(rule, *group, str(started), state)


def _digest(*parts: str) -> str:
    """Return 32 hexadecimal digits; msgpack keeps ("a", "bc") apart from ("ab", "c")."""
    return xxhash.xxh3_128_hexdigest(msgspec.msgpack.encode(parts))


def _query(
    table: str,
    group: tuple[str, str, str],
    conditions: list[str],
    start: datetime,
    end: datetime,
    members: Sequence[str],
) -> str:
    project, environment, fingerprint = group
    wanted = [f"project = {quote(project)}", f"environment = {quote(environment)}"]
    if len(members) > 1:
        wanted.append(f"fingerprint IN ({', '.join(map(quote, members))})")
    elif fingerprint:
        wanted.append(f"fingerprint = {quote(fingerprint)}")
    wanted += [f"timestamp >= {_instant(start)}", f"timestamp < {_instant(end)}", *conditions]
    return (
        # Every value is quoted; the table's name is the operator's own.
        f"SELECT timestamp, event_id, level, title, culprit FROM {table} WHERE {' AND '.join(wanted)} "  # noqa: S608
        f"ORDER BY timestamp DESC LIMIT {EVIDENCE_ROWS}"
    )


def _instant(at: datetime) -> str:
    return f"toDateTime64('{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}', 3, 'UTC')"
