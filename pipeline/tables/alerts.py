"""Alert rows: the messages of the alert topic as rows of the ``alerts`` table. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pipeline.records.record import Batch, Record
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import Row
from schemas.alert import Alert, decode_alert
from schemas.dead_letter import DeadLetter

ALERTS_TABLE = "alerts"

_FROM_ALERT = (
    "id",
    "rule",
    "kind",
    "severity",
    "state",
    "project",
    "environment",
    "fingerprint",
    "title",
    "culprit",
    "level",
    "release",
    "value",
    "threshold",
    "event_ids",
    "query",
    "dedup_key",
)
_TIMES = ("window_start", "window_end", "created_at")
ALERT_COLUMNS = (*_FROM_ALERT, *_TIMES, "kafka_partition", "kafka_offset")


def process_alerts(batch: Batch) -> BatchResult:
    """Return the rows of a batch of alerts; what is no alert becomes a dead letter."""
    rows: list[Row] = []
    outcome = BatchResult(rows={ALERTS_TABLE: rows})
    for record in batch.records:
        try:
            rows.append(alert_row(decode_alert(record.value or b""), record))
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


def alert_row(alert: Alert, record: Record) -> Row:
    """Return the row of an alert, in the order of :data:`ALERT_COLUMNS`."""
    plain = tuple(getattr(alert, name) for name in _FROM_ALERT)
    times = tuple(int(getattr(alert, name).timestamp() * 1000) for name in _TIMES)
    return (*plain, *times, record.partition, record.offset)


def alert_ids(values: Iterable[bytes]) -> list[str]:
    """Return the ids of alerts in messages; what is no alert is passed over."""
    found: list[str] = []
    for value in values:
        try:
            found.append(decode_alert(value).id)
        except ValueError:
            continue
    return found
