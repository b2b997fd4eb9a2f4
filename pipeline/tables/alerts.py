"""Alert rows: the messages of the alert topic as rows of the ``alerts`` table. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.errors import Refused
from pipeline.records.record import Origin, Record
from pipeline.tables.rows import Row
from schemas.alert import Alert, decode_alert

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


def alert_rows(record: Record, _origin: Origin) -> Iterable[tuple[str, Row]]:
    """Return the row of an alert.

    Raises:
        Refused: it is no alert.
    """
    try:
        alert = decode_alert(record.value or b"")
    except ValueError as error:
        raise Refused("decode", str(error)) from None
    return [(ALERTS_TABLE, alert_row(alert, record))]


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
