"""Try out: lines of text through the pure stages, one JSON line back for each. No server, and no I/O either.

The line that comes back for an accepted event::

    {"event": {…the scrubbed payload…, "stored": {…the columns of its row…}}, "fingerprint": "5be1…", "reason": null}

and for one that is not stored::

    {"event": null, "fingerprint": null, "reason": "decode: not JSON (…): send one event as a JSON object"}
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from pipeline.errors import Refused
from pipeline.inbound import Inbound
from pipeline.payload import normalize
from pipeline.payload.decode import decode
from pipeline.payload.kinds import is_span
from pipeline.payload.route import route
from pipeline.records.record import Batch, Boundaries, Source
from pipeline.stages.transform import Item, Transform, kind_of
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import ERROR_COLUMNS, ERRORS_TABLE, SPAN_COLUMNS, SPANS_TABLE, Row
from schemas.topics import ERRORS, SPANS

_encode = msgspec.json.Encoder().encode

TIMES = frozenset(("timestamp", "client_timestamp", "received"))
DOCUMENTS = frozenset(("contexts", "data"))
"""Columns that hold JSON as text; shown as the JSON that it is."""

_BREAKS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"), (b"\r", b" "))
"""What some readers take for the end of a line, and how JSON can say it otherwise: the first three can stand in
strings only, a carriage return between values only."""

_ERROR_OFFSET = ERROR_COLUMNS.index("kafka_offset")
_SPAN_OFFSET = SPAN_COLUMNS.index("kafka_offset")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Line(NamedTuple):
    """A line as a :class:`~pipeline.records.record.Record`: of partition 0, its offset the line's number minus one."""

    topic: str
    offset: int
    timestamp: int
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    partition: int = 0
    key: bytes | None = None


class Tryout:
    """Runs lines through the stages, in order.

    Args:
        processor: the stages.
        inbound: the filters that the processor has, to say which setting dropped an event.
        project: what the Kafka header ``project`` would be; empty for none.
        topic_prefix: what the processor takes off the topics' names.
        clock: the time in seconds since 1970.
    """

    def __init__(
        self,
        processor: Transform,
        inbound: Inbound,
        *,
        project: str = "",
        topic_prefix: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._processor = processor
        self._inbound = inbound
        self._project = project
        self._headers = [("project", project.encode())] if project else []
        self._prefix = topic_prefix
        self._clock = clock
        self._next = 0

    def run(self, lines: Sequence[bytes]) -> list[bytes]:
        """Return what has become of each line, as JSON without a line break, in the order of the lines."""
        first, self._next = self._next, self._next + len(lines)
        try:
            return self._answers(first, lines)
        except Exception as error:  # noqa: BLE001  whatever a line holds, the others have their answers
            if len(lines) == 1:
                return [refused(f"process: failed with {type(error).__name__}: keep the event, and report it")]
        self._next = first
        return [answer for line in lines for answer in self.run([line])]

    def _answers(self, first: int, lines: Sequence[bytes]) -> list[bytes]:
        now_ms = int(self._clock() * 1000)
        records = [
            Line(self._prefix + topic_of(value), offset, now_ms, value, self._headers)
            for offset, value in enumerate(lines, first)
        ]
        batch = Batch(Source(ERRORS.name, "", 0), Boundaries(first, first + len(lines) - 1), records)
        outcome, items = self._processor.follow(batch)
        stored = stored_by_offset(outcome)
        answers = {record.offset: refused(f"{letter.stage}: {letter.reason}") for record, letter in outcome.dead}
        answers |= {item.origin.offset: accepted(item, stored[item.origin.offset]) for item in items}
        return [answers.get(record.offset) or refused(self._dropped(record.value)) for record in records]

    def _dropped(self, value: bytes) -> str:
        event = decode(value).event
        project = self._project or normalize.text(event.project) or normalize.DEFAULT_PROJECT
        setting = self._inbound.drops(event, kind_of(event, topic_of(value)), project)
        return f"filter: dropped by filter.{setting}" if setting else "filter: not in the part that [[sample]] keeps"


def topic_of(value: bytes) -> str:
    """Return the topic that a line would have been sent to; ``errors`` for what cannot be decoded."""
    try:
        return route(value).topic
    except ValueError:
        pass
    try:
        return SPANS.name if is_span(decode(value).event, SPANS.name) else ERRORS.name
    except Refused:
        return ERRORS.name


def refused(reason: str) -> bytes:
    """Return the answer for a line of which nothing is stored."""
    return _encode({"event": None, "fingerprint": None, "reason": reason})


def accepted(item: Item, stored: object) -> bytes:
    """Return the answer for a line that is stored: its payload, with ``stored`` as one more field at the end."""
    fields = item.decoded.payload.strip(b" \t\r\n")[:-1]
    comma = b"" if len(fields.rstrip(b" \t\r\n")) == 1 else b","
    fingerprint = item.grouped.fingerprint if item.grouped else None
    answer = b'{"event":%s%s"stored":%s},"fingerprint":%s,"reason":null}' % (
        fields,
        comma,
        _encode(stored),
        _encode(fingerprint),
    )
    for found, instead in _BREAKS:
        if found in answer:
            answer = answer.replace(found, instead)
    return answer


def stored_by_offset(outcome: BatchResult) -> dict[int, Any]:
    """Return what is stored of each record: its ``errors`` row as an object, or the list of its ``spans`` rows."""
    stored: dict[int, Any] = {row[_ERROR_OFFSET]: columns(ERROR_COLUMNS, row) for row in outcome.rows[ERRORS_TABLE]}
    for row in outcome.rows[SPANS_TABLE]:
        stored.setdefault(row[_SPAN_OFFSET], []).append(columns(SPAN_COLUMNS, row))
    return stored


def columns(names: Sequence[str], row: Row) -> dict[str, Any]:
    """Return a row as an object: times as RFC 3339 text, JSON as JSON, and without the payload."""
    return {name: _shown(name, value) for name, value in zip(names, row, strict=True) if name != "payload"}


def _shown(name: str, value: Any) -> Any:
    if name in TIMES:
        return (_EPOCH + timedelta(milliseconds=value)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if name in DOCUMENTS and value:
        return Raw(value.encode())
    return value
