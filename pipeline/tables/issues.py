"""Issue-change rows: the messages of the topic ``issue-changes`` as rows of the table ``issue_changes``. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipeline.errors import Refused
from pipeline.records.record import Origin, Record
from pipeline.tables.rows import Row
from schemas.issue_change import IssueChange, decode_issue_change, issue_of

ISSUE_CHANGES_TABLE = "issue_changes"
ISSUE_CHANGE_COLUMNS = (
    "project",
    "fingerprint",
    "change_id",
    "changed_at",
    "status",
    "in_release",
    "after_release",
    "release_first_seen",
    "until_count",
    "until_users",
    "until",
    "assignee",
    "merged_into",
    "deleted",
    "updated_at",
    "updated_by",
    "received",
    "kafka_partition",
    "kafka_offset",
)


def change_of(record: Record) -> tuple[str, str, IssueChange | None]:
    """Return project, fingerprint and change of a message; no change when everything was taken back.

    Raises :class:`ValueError`, without any of the content, when it is not a message of this topic.
    """
    if record.value is None:
        return (*issue_of(record.key), None)
    change = decode_issue_change(record.key, record.value)
    return change.project, change.fingerprint, change


def issue_change_rows(record: Record, _origin: Origin) -> Iterable[tuple[str, Row]]:
    """Return the row of an issue change.

    Raises:
        Refused: it is none.
    """
    try:
        project, fingerprint, change = change_of(record)
    except ValueError as error:
        raise Refused("decode", str(error)) from None
    return [(ISSUE_CHANGES_TABLE, issue_change_row(project, fingerprint, change, record))]


def issue_change_row(project: str, fingerprint: str, change: IssueChange | None, record: Record) -> Row:
    """Return the row of a change, in the order of :data:`ISSUE_CHANGE_COLUMNS`."""
    place = (record.timestamp, record.partition, record.offset)
    if change is None:
        at = record.timestamp
        return (project, fingerprint, "", at, "open", "", "", None, None, None, None, "", "", "", at, "", *place)
    return (
        project,
        fingerprint,
        change.id,
        change.changed_ms,
        change.status,
        change.in_release,
        change.after_release,
        _milliseconds(change.release_first_seen),
        change.until_count,
        change.until_users,
        _milliseconds(change.until),
        change.assignee,
        change.merged_into,
        change.deleted,
        _milliseconds(change.updated_at) or change.changed_ms,
        change.updated_by,
        *place,
    )


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
