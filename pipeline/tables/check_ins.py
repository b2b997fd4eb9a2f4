"""Check-in rows: check-ins of monitored jobs as rows of ``check_ins``, after the scrubber. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import Refused
from pipeline.payload import normalize
from pipeline.records.record import Origin, Record
from pipeline.scrub import Scrubber
from pipeline.tables.contracts import Decoder
from pipeline.tables.rows import LONGEST_TEXT, Row
from schemas.check_in import CheckIn
from schemas.event import NOTHING

CHECK_INS_TABLE = "check_ins"

CHECK_IN_COLUMNS = (
    "project",
    "environment",
    "monitor",
    "check_in_id",
    "received",
    "status",
    "duration_s",
    "release",
    "trace_id",
    "monitor_config",
    "kafka_partition",
    "kafka_offset",
)
STATUSES = ("in_progress", "ok", "error")

_DECODER = Decoder(CheckIn, "check-in.schema.json")


class CheckInRows:
    """Makes rows of messages of the topic ``check-ins``.

    Args:
        scrubber: replaces personal data and secrets.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber

    def __call__(self, record: Record, origin: Origin) -> Iterator[tuple[str, Row]]:
        """Yield a message's row with its table.

        Raises:
            Refused: it is not a check-in, or could not be scrubbed to its end.
        """
        check_in, payload = _DECODER.decode(record.value)
        project = origin.project or normalize.DEFAULT_PROJECT
        environment = normalize.text(check_in.environment) or normalize.DEFAULT_ENVIRONMENT
        result = self._scrubber.scrub(payload, project, environment)
        if result.payload is not payload:
            check_in = _DECODER.again(result.payload)
        monitor = normalize.text(check_in.monitor_slug)
        if not monitor:
            raise Refused("rows", "monitor_slug is empty: name the job")
        if check_in.status not in STATUSES:
            raise Refused("rows", f"status is none of {', '.join(STATUSES)}: say how the job is doing")
        yield CHECK_INS_TABLE, _row(check_in, monitor, environment, project, origin)


def _row(check_in: CheckIn, monitor: str, environment: str, project: str, origin: Origin) -> Row:
    trace = check_in.contexts.trace if check_in.contexts else None
    return (
        project,
        environment,
        monitor,
        _run(check_in.check_in_id, origin),
        origin.received_ms,
        check_in.status,
        check_in.duration,
        normalize.text(check_in.release),
        normalize.text(trace.trace_id) if trace else "",
        bytes(check_in.monitor_config).decode()[:LONGEST_TEXT] if check_in.monitor_config != NOTHING else "",
        origin.partition,
        origin.offset,
    )


def _run(sent: str | None, origin: Origin) -> str:
    """Return what the run is known by; a check-in that names none, or the zeros that mean none, is its own run."""
    named = sent if sent and sent.strip("0-") else None
    return normalize.event_id(named, origin.topic, origin.partition, origin.offset)
