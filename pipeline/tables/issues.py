"""Issue-change rows: the messages of the topic ``issue-changes`` as rows of the table ``issue_changes``. Pure."""

from __future__ import annotations

import time
from datetime import datetime

from pipeline.records.record import Batch, Record
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import Row
from schemas.dead_letter import DeadLetter
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


def process_issue_changes(batch: Batch) -> BatchResult:
    """Return the rows of a batch of issue changes; what is none becomes a dead letter."""
    rows: list[Row] = []
    outcome = BatchResult(rows={ISSUE_CHANGES_TABLE: rows})
    for record in batch.records:
        try:
            rows.append(issue_change_row(*change_of(record), record))
        except ValueError as error:
            letter = DeadLetter(
                topic=batch.source.topic,
                partition=record.partition,
                offset=record.offset,
                stage="decode",
                reason=str(error),
                time=int(time.time() * 1000),
            )
            outcome.dead.append((record, letter))
    return outcome


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
