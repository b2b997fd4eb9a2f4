"""Rows: what ClickHouse stores of an event, as tuples in the order of the column lists here.

A row is everything that is stored; there is no second place where fields are added. Strings are bounded here, so
that no single event can fill a column that every query reads. The payload goes as the JSON object it is, and becomes
the column's text at ClickHouse: written as a JSON string it would have to be escaped here and unescaped there.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from pipeline.fingerprint import Grouped
from pipeline.payload import normalize
from pipeline.payload.decode import Decoded
from pipeline.records.record import Origin
from pipeline.tables.span_attributes import with_attributes
from schemas.event import NOTHING, Event, ExceptionValue, Span, TraceContext, tag_text

MOST_TAGS = 200
MOST_SPANS = 10_000
LONGEST_TEXT = 8192
LONGEST_TAG = 1000
LARGEST_LINE = 2**32 - 1

ERRORS_TABLE = "errors"
SPANS_TABLE = "spans"

ERROR_COLUMNS = (
    "project",
    "environment",
    "timestamp",
    "client_timestamp",
    "received",
    "event_id",
    "fingerprint",
    "grouping_version",
    "grouping_rule",
    "grouping_components",
    "title",
    "culprit",
    "message",
    "level",
    "platform",
    "logger",
    "handled",
    "exception_types",
    "exception_values",
    "frames_function",
    "frames_module",
    "frames_file",
    "frames_line",
    "frames_in_app",
    "release",
    "dist",
    "server_name",
    "transaction",
    "request_method",
    "request_url",
    "user_id",
    "user_hash",
    "other_users",
    "tags",
    "contexts",
    "trace_id",
    "span_id",
    "sdk_name",
    "sdk_version",
    "sample_weight",
    "scrubbed",
    "mended",
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "payload",
)
SPAN_COLUMNS = (
    "project",
    "environment",
    "timestamp",
    "client_timestamp",
    "received",
    "duration_ms",
    "trace_id",
    "span_id",
    "parent_span_id",
    "segment_id",
    "is_transaction",
    "transaction",
    "op",
    "description",
    "status",
    "event_id",
    "release",
    "dist",
    "server_name",
    "platform",
    "user_id",
    "user_hash",
    "tags",
    "data",
    "sample_weight",
    "scrubbed",
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
)

Row = tuple[Any, ...]

_PAYLOAD = msgspec.json.Decoder(dict[str, Raw])
_TRACE = msgspec.json.Decoder(TraceContext)
_encode = msgspec.json.Encoder().encode


class Counted(NamedTuple):
    """What the alert rules look at of a stored error: a :class:`pipeline.payload.matching.Occurrence`."""

    project: str
    environment: str
    level: str
    release: str
    fingerprint: str
    title: str
    culprit: str
    message: str
    event_id: str
    timestamp_ms: int
    tags: dict[str, str]
    user_hash: int
    weight: float


_COUNTED = itemgetter(
    *(
        ERROR_COLUMNS.index("timestamp" if name == "timestamp_ms" else "sample_weight" if name == "weight" else name)
        for name in Counted._fields
    )
)


def counted(row: Row) -> Counted:
    """Return what the alert rules look at of an ``errors`` row."""
    return Counted._make(_COUNTED(row))


def error_row(decoded: Decoded, grouped: Grouped, origin: Origin, scrubbed: dict[str, int]) -> Row:
    """Return the ``errors`` row of a scrubbed error event, in the order of :data:`ERROR_COLUMNS`."""
    event = decoded.event
    sent_ms = normalize.milliseconds(event.timestamp)
    entry = event.log_entry
    exceptions = event.exceptions
    trace = trace_context(event)
    frames = grouped.frames
    return (
        origin.project,
        normalize.text(event.environment) or normalize.DEFAULT_ENVIRONMENT,
        normalize.clamp(sent_ms, origin.received_ms),
        origin.received_ms if sent_ms is None else sent_ms,
        origin.received_ms,
        normalize.event_id(event.event_id, origin.topic, origin.partition, origin.offset),
        grouped.fingerprint,
        grouped.version,
        grouped.rule,
        grouped.components,
        grouped.title,
        grouped.culprit,
        (entry.formatted or entry.message or "")[:LONGEST_TEXT] if entry else "",
        normalize.level(event.level),
        normalize.text(event.platform),
        normalize.text(event.logger),
        _handled(exceptions),
        [normalize.text(value.type) for value in exceptions],
        [normalize.text(value.value, LONGEST_TEXT) for value in exceptions],
        frames.function,
        frames.module,
        frames.file,
        [line if 0 <= line <= LARGEST_LINE else 0 for line in frames.line],
        frames.in_app,
        normalize.text(event.release),
        normalize.text(event.dist),
        normalize.text(event.server_name),
        normalize.text(event.transaction, LONGEST_TEXT),
        normalize.text(event.request.method) if event.request else "",
        normalize.text(event.request.url, LONGEST_TEXT) if event.request else "",
        normalize.text(event.user.id) if event.user else "",
        origin.user_hash,
        [],
        _tags(event.tag_items),
        _json_text(event.contexts),
        normalize.text(trace.trace_id),
        normalize.text(trace.span_id),
        normalize.text(event.sdk.name) if event.sdk else "",
        normalize.text(event.sdk.version) if event.sdk else "",
        origin.weight,
        scrubbed,
        decoded.mended,
        origin.topic,
        origin.partition,
        origin.offset,
        Raw(decoded.payload),
    )


def span_rows(decoded: Decoded, origin: Origin, scrubbed: dict[str, int]) -> list[Row]:
    """Return the ``spans`` rows of a scrubbed transaction (its root span first) or of a single span."""
    event = with_attributes(decoded.event)
    trace = trace_context(event)
    is_transaction = event.type == "transaction"
    root = Span(
        span_id=trace.span_id if is_transaction else event.span_id,
        trace_id=trace.trace_id if is_transaction else event.trace_id,
        parent_span_id=trace.parent_span_id if is_transaction else event.parent_span_id,
        segment_id=trace.span_id if is_transaction else event.segment_id,
        op=trace.op if is_transaction else event.op,
        description=event.transaction if is_transaction else event.description or event.name,
        status=trace.status if is_transaction else event.status,
        start_timestamp=event.start_timestamp,
        timestamp=event.timestamp if event.timestamp is not None else event.end_timestamp,
        exclusive_time=event.exclusive_time,
        is_segment=is_transaction or event.is_segment,
        tags=event.tags,
        data=_without_spans(decoded.payload),
    )
    transaction = normalize.text(event.transaction, LONGEST_TEXT)
    if root.is_segment and not is_transaction:
        transaction = normalize.text(event.name or event.description, LONGEST_TEXT)
    rows = [_span_row(root, event, origin, scrubbed, transaction, root)]
    rows.extend(
        _span_row(span, event, origin, {}, transaction, root)
        for span in (event.spans or ())[:MOST_SPANS]
        if span is not None
    )
    return rows


def _span_row(span: Span, event: Event, origin: Origin, scrubbed: dict[str, int], transaction: str, root: Span) -> Row:
    ended = span.timestamp if span.timestamp is not None else span.end_timestamp
    sent_ms = normalize.milliseconds(ended)
    is_event = event.type == "transaction"
    return (
        origin.project,
        normalize.text(event.environment) or normalize.DEFAULT_ENVIRONMENT,
        normalize.clamp(sent_ms, origin.received_ms),
        origin.received_ms if sent_ms is None else sent_ms,
        origin.received_ms,
        _duration_ms(span.start_timestamp, ended, span.exclusive_time),
        normalize.text(span.trace_id or root.trace_id),
        normalize.text(span.span_id),
        normalize.text(span.parent_span_id),
        normalize.text(span.segment_id or root.segment_id),
        bool(span is root and root.is_segment),
        transaction,
        normalize.text(span.op),
        normalize.text(span.description or span.name, LONGEST_TEXT),
        normalize.text(span.status),
        normalize.event_id(event.event_id, origin.topic, origin.partition, origin.offset) if is_event else "",
        normalize.text(event.release),
        normalize.text(event.dist),
        normalize.text(event.server_name),
        normalize.text(event.platform),
        normalize.text(event.user.id) if event.user else "",
        origin.user_hash,
        _tags([(str(key), tag_text(value)) for key, value in _pairs(span) if value is not None]),
        bytes(span.data).decode() if span.data != NOTHING else "",
        origin.weight,
        scrubbed,
        origin.topic,
        origin.partition,
        origin.offset,
    )


def trace_context(event: Event) -> TraceContext:
    """Return ``contexts.trace``, empty where there is none or it is not what it should be."""
    raw = event.contexts.get("trace") if event.contexts else None
    if raw is None:
        return TraceContext()
    try:
        return _TRACE.decode(raw)
    except msgspec.ValidationError:
        return TraceContext()


def _handled(exceptions: list[ExceptionValue]) -> bool | None:
    for value in reversed(exceptions):
        if value.mechanism is not None and value.mechanism.handled is not None:
            return value.mechanism.handled
    return None


def _tags(items: list[tuple[str, str]]) -> dict[str, str]:
    return {key[:LONGEST_TAG]: value[:LONGEST_TAG] for key, value in items[:MOST_TAGS]}


def _pairs(span: Span) -> list[tuple[Any, Any]]:
    if not span.tags:
        return []
    if isinstance(span.tags, dict):
        return list(span.tags.items())
    return [(pair[0], pair[1]) for pair in span.tags if pair is not None and len(pair) == 2]


def _json_text(contexts: dict[str, Raw] | None) -> str:
    return _encode(contexts).decode() if contexts else ""


def _without_spans(payload: bytes) -> Raw:
    """Return a payload without its ``spans``: they have rows of their own."""
    fields = _PAYLOAD.decode(payload)
    fields.pop("spans", None)
    return Raw(_encode(fields))


def _duration_ms(start: float | str | None, end: float | str | None, exclusive_ms: float | None) -> float:
    """Return end minus start in milliseconds, to the microsecond; never negative."""
    first, last = normalize.seconds(start), normalize.seconds(end)
    if first is None or last is None:
        return max(exclusive_ms or 0.0, 0.0)
    return round(max(last - first, 0.0) * 1000, 3)
