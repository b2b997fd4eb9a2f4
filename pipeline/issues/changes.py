"""Issue changes as commands make them: what was wished last is read from the topic, changed, and sent back whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from pipeline.edges import kafka
from pipeline.edges.kafka import ProducerRecord
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Misconfigured
from pipeline.issues.states import CONDITIONS, Issue, IssueStates
from pipeline.tables.issues import change_of
from schemas.issue_change import IssueChange, check_issue_change, encode_issue_change, key_of
from schemas.topics import ISSUE_CHANGES


class Wishes:
    """What is wished of the issues now: each one's latest change, and what follows from all of them together."""

    def __init__(self) -> None:
        self.changes: dict[Issue, IssueChange] = {}
        self.states = IssueStates()

    def put(self, project: str, fingerprint: str, change: IssueChange | None) -> None:
        """Take in the latest change of an issue."""
        self.states.put(project, fingerprint, change)
        if change is None:
            self.changes.pop((project, fingerprint), None)
        else:
            self.changes[project, fingerprint] = change

    def of(self, issue: Issue, now: datetime) -> IssueChange:
        """Return the latest change of an issue; where there is none, that it is open."""
        project, fingerprint = issue
        plain = IssueChange(project=project, fingerprint=fingerprint, id=uuid.uuid4().hex, changed_at=now)
        return self.changes.get(issue, plain)


async def read_wishes(settings: KafkaSettings) -> Wishes:
    """Read the topic.

    Raises:
        Misconfigured: there is no such topic.
        Unavailable: Kafka cannot be reached.
    """
    await kafka.require_topics(settings, (ISSUE_CHANGES.name,))
    wishes = Wishes()
    async for record in kafka.read_to_end(settings, ISSUE_CHANGES.name):
        try:
            wishes.put(*change_of(record))
        except ValueError:
            continue
    return wishes


def with_status(change: IssueChange, now: datetime, by: str, **fields: Any) -> IssueChange:
    """Return a change with another status and its conditions; who is assigned and what is merged stays."""
    return _updated(change, now, by, **{**CONDITIONS, "id": uuid.uuid4().hex, "changed_at": now, **fields})


def with_fields(change: IssueChange, now: datetime, by: str, **fields: Any) -> IssueChange:
    """Return a change with another assignee or merge, and the same status."""
    return _updated(change, now, by, **fields)


def _updated(change: IssueChange, now: datetime, by: str, **fields: Any) -> IssueChange:
    changed = replace(change, updated_at=now, updated_by=by[:200], **fields)
    try:
        check_issue_change(changed)
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    return changed


async def send_changes(settings: KafkaSettings, changes: Iterable[IssueChange]) -> None:
    """Send changes and return when all are acknowledged.

    Raises:
        Unavailable: Kafka did not acknowledge one.
    """
    messages = [
        ProducerRecord(ISSUE_CHANGES.name, key_of(one.project, one.fingerprint), encode_issue_change(one))
        for one in changes
    ]
    await kafka.send_all(settings, messages, sent=lambda _message: None, refused=_refused)


def _refused(_message: ProducerRecord, reason: str) -> None:
    raise Misconfigured(f"the change of the issue was not taken: {reason}")


def now() -> datetime:
    """Return the time, to the millisecond that ClickHouse keeps."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
