"""Log rows: logs as rows of ``logs``, after the scrubber. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from pipeline.inbound import Inbound
from pipeline.inbound.facts import Facts
from pipeline.inbound.gate import EVERYTHING
from pipeline.payload import normalize
from pipeline.payload.identity import user_hash
from pipeline.records.record import Origin, Record
from pipeline.scrub import Scrubber
from pipeline.tables.contracts import Decoder
from pipeline.tables.each import let_in
from pipeline.tables.rows import LONGEST_TAG, LONGEST_TEXT, MOST_TAGS, Row
from schemas.event import Attribute, User
from schemas.log import Log

LOGS_TABLE = "logs"

LOG_COLUMNS = (
    "project",
    "environment",
    "timestamp",
    "received",
    "level",
    "severity_number",
    "body",
    "template",
    "trace_id",
    "span_id",
    "release",
    "server_name",
    "sdk_name",
    "user_id",
    "user_hash",
    "sample_weight",
    "attributes",
    "scrubbed",
    "kafka_partition",
    "kafka_offset",
)
LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_SPELLINGS = {"warning": "warn", "critical": "fatal", "log": "info"}

_NEVER_STORED = ("user.name", "user.email")
_IN_COLUMNS = frozenset(
    (
        "sentry.environment",
        "sentry.release",
        "sentry.message.template",
        "sentry.trace.parent_span_id",
        "sentry.sdk.name",
        "server.address",
        "user.id",
        *_NEVER_STORED,
    )
)
"""Attributes that have a column, or must not be stored."""

_DECODER = Decoder(Log, "log.schema.json")
_SCALAR = msgspec.json.Decoder(str | int | float | bool | None)

Attributes = dict[str, Attribute | None]


class LogRows:
    """Makes rows of messages of the topic ``logs``.

    Args:
        scrubber: replaces personal data and secrets.
        hash_key: the key of :func:`pipeline.payload.identity.user_hash`.
        inbound: what is let in.
    """

    def __init__(self, scrubber: Scrubber, hash_key: bytes, inbound: Inbound = EVERYTHING) -> None:
        self._scrubber = scrubber
        self._inbound = inbound
        self._hash_key = hash_key

    def __call__(self, record: Record, origin: Origin) -> Iterator[tuple[str, Row]]:
        """Yield a message's row with its table.

        Raises:
            Refused: it is not a log, or could not be scrubbed to its end.
            Dropped: it is kept out.
        """
        log, payload = _DECODER.decode(record.value)
        project = origin.project or normalize.DEFAULT_PROJECT
        sent = log.attributes or {}
        environment = _text(sent, "sentry.environment") or normalize.DEFAULT_ENVIRONMENT
        facts = Facts("log", project, environment, _text(sent, "sentry.release"), identity=log.trace_id or "")
        weight = let_in(self._inbound, facts, record, origin)
        who = user_hash(_user(sent), project, self._hash_key)
        result = self._scrubber.scrub(payload, project, environment)
        if result.payload is not payload:
            log = _DECODER.again(result.payload)
        findings = {f"{kind} {field}": count for (kind, field), count in result.findings.items()}
        origin = replace(origin, project=project, user_hash=who, weight=weight)
        yield LOGS_TABLE, _row(log, environment, findings, origin)


def _row(log: Log, environment: str, findings: dict[str, int], origin: Origin) -> Row:
    attributes = log.attributes or {}
    severity = log.severity_number or 0
    return (
        origin.project,
        environment,
        normalize.clamp(normalize.milliseconds(log.timestamp), origin.received_ms),
        origin.received_ms,
        _level(log.level, severity),
        severity if 1 <= severity <= 24 else 0,
        normalize.text(log.body, LONGEST_TEXT),
        _text(attributes, "sentry.message.template", LONGEST_TEXT),
        normalize.text(log.trace_id),
        normalize.text(log.span_id) or _text(attributes, "sentry.trace.parent_span_id"),
        _text(attributes, "sentry.release"),
        _text(attributes, "server.address"),
        _text(attributes, "sentry.sdk.name"),
        _text(attributes, "user.id"),
        origin.user_hash,
        origin.weight,
        _others(attributes),
        findings,
        origin.partition,
        origin.offset,
    )


def _level(sent: str | None, severity: int) -> str:
    """Return the level that was named, else the one that the number stands for, else ``info``."""
    text = normalize.text(sent).lower()
    text = _SPELLINGS.get(text, text)
    if text in LEVELS:
        return text
    return LEVELS[(severity - 1) // 4] if 1 <= severity <= 24 else "info"


def _user(attributes: Attributes) -> User:
    return User(
        id=_text(attributes, "user.id") or None,
        email=_text(attributes, "user.email") or None,
        username=_text(attributes, "user.name") or None,
    )


def _others(attributes: Attributes) -> dict[str, str]:
    others = [name for name in attributes if name not in _IN_COLUMNS]
    return {name[:LONGEST_TAG]: _text(attributes, name, LONGEST_TAG) for name in others[:MOST_TAGS]}


def _text(attributes: Attributes, name: str, limit: int = 200) -> str:
    """Return an attribute's value as text: a list or an object as its JSON, empty where there is none."""
    attribute = attributes.get(name)
    if attribute is None:
        return ""
    try:
        value = _SCALAR.decode(attribute.value)
    except msgspec.ValidationError:
        return bytes(attribute.value).decode("utf-8", "replace")[:limit]
    except msgspec.DecodeError:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return normalize.text(value, limit)
