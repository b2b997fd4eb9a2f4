"""Session rows: updates of sessions, and aggregates, as rows of ``sessions`` and ``session_aggregates``. Pure.

An update has the full state of its session, so rows replace each other; :func:`latest` says which is later. Nothing is
left of who it was but a keyed hash: the same as an error of that user has, where the SDK uses the user's id, address or
e-mail address as ``did``, as the SDKs do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import xxhash
from msgspec.structs import replace

from pipeline.errors import Refused
from pipeline.inbound import Inbound
from pipeline.inbound.facts import Facts
from pipeline.inbound.gate import EVERYTHING
from pipeline.payload import normalize
from pipeline.payload.identity import user_hash
from pipeline.records.record import Origin, Record
from pipeline.tables.contracts import Decoder
from pipeline.tables.each import let_in
from pipeline.tables.rows import Row
from schemas.event import User
from schemas.session import Attributes, Bucket, Session

SESSIONS_TABLE = "sessions"
SESSION_AGGREGATES_TABLE = "session_aggregates"

SESSION_COLUMNS = (
    "project",
    "environment",
    "release",
    "session_id",
    "user_hash",
    "started",
    "timestamp",
    "received",
    "status",
    "errors",
    "duration_s",
    "init",
    "latest",
    "sample_weight",
    "kafka_partition",
    "kafka_offset",
)
SESSION_AGGREGATE_COLUMNS = (
    "project",
    "environment",
    "release",
    "started",
    "received",
    "user_hash",
    "exited",
    "errored",
    "abnormal",
    "crashed",
    "kafka_partition",
    "kafka_offset",
)
MOST_BUCKETS = 1000
MOST_ERRORS = 2**32 - 1

_UUID = re.compile(r"[0-9a-f]{32}")
_SEQUENCE_BITS = 56
_ENDS = {"ok": 0, "exited": 1, "unhandled": 2, "abnormal": 3, "crashed": 4}
"""What a session may be, in the order in which one replaces the other whatever their times: none goes back to it.

``unhandled`` is what browsers say of a page that had an error which nobody caught: it goes on, so it is no crash.
"""

_DECODER = Decoder(Session, "session.schema.json")


class SessionRows:
    """Makes rows of messages of the topic ``sessions``.

    Args:
        hash_key: the key of :func:`pipeline.payload.identity.user_hash`.
        inbound: what is let in.
    """

    def __init__(self, hash_key: bytes, inbound: Inbound = EVERYTHING) -> None:
        self._inbound = inbound
        self._hash_key = hash_key

    def __call__(self, record: Record, origin: Origin) -> Iterator[tuple[str, Row]]:
        """Yield a message's rows, each with its table.

        Raises:
            Refused: it is not a session and has no aggregates.
            Dropped: it is kept out.
        """
        session, _ = _DECODER.decode(record.value)
        project = origin.project or normalize.DEFAULT_PROJECT
        # Aggregates have no id, so they are filtered and never sampled.
        facts = Facts("session", project, *_attributes(session.attrs), identity=session.sid or "")
        weight = let_in(self._inbound, facts, record, origin)
        if session.aggregates is not None:
            if len(session.aggregates) > MOST_BUCKETS:
                raise Refused("rows", f"aggregates has more than {MOST_BUCKETS} buckets: send them in several messages")
            for bucket in session.aggregates:
                if bucket is not None:
                    yield SESSION_AGGREGATES_TABLE, self._bucket_row(bucket, session.attrs, project, origin)
            return
        yield SESSIONS_TABLE, self._row(session, project, replace(origin, weight=weight))

    def _row(self, session: Session, project: str, origin: Origin) -> Row:
        if not normalize.text(session.sid):
            raise Refused("rows", "sid is missing: name the session, or send aggregates")
        said_ms = normalize.milliseconds(session.timestamp)
        started_ms = normalize.milliseconds(session.started)
        status = _status(session.status)
        return (
            project,
            *_attributes(session.attrs),
            _session_id(normalize.text(session.sid)),
            self._who(session.did, project),
            normalize.clamp(said_ms if started_ms is None else started_ms, origin.received_ms),
            normalize.clamp(said_ms, origin.received_ms),
            origin.received_ms,
            status,
            min(session.errors or 0, MOST_ERRORS),
            session.duration,
            bool(session.init),
            latest(status, session.seq, said_ms or origin.received_ms),
            origin.weight,
            origin.partition,
            origin.offset,
        )

    def _bucket_row(self, bucket: Bucket, attributes: Attributes | None, project: str, origin: Origin) -> Row:
        return (
            project,
            *_attributes(attributes),
            normalize.clamp(normalize.milliseconds(bucket.started), origin.received_ms),
            origin.received_ms,
            self._who(bucket.did, project),
            bucket.exited or 0,
            bucket.errored or 0,
            bucket.abnormal or 0,
            bucket.crashed or 0,
            origin.partition,
            origin.offset,
        )

    def _who(self, did: str | int | None, project: str) -> int:
        """Return the hash that an error of the same user has."""
        text = normalize.text(did)
        if "@" in text:
            return user_hash(User(email=text), project, self._hash_key)
        if _is_address(text):
            return user_hash(User(ip_address=text), project, self._hash_key)
        return user_hash(User(id=text), project, self._hash_key)


def latest(status: str, sequence: int | None, said_ms: int) -> int:
    """Return a number that is higher for the later of two updates of a session, in whatever order they arrive."""
    order = said_ms if sequence is None else sequence
    return (_ENDS[status] << _SEQUENCE_BITS) | min(max(order, 0), (1 << _SEQUENCE_BITS) - 1)


def _session_id(sent: str) -> str:
    """Return the session's UUID as 32 hexadecimal digits; a hash of a name that is none, for it may name somebody."""
    text = sent.replace("-", "").lower()
    return text if _UUID.fullmatch(text) else xxhash.xxh3_128_hexdigest(text.encode("utf-8", "replace"))


def _status(sent: str | None) -> str:
    """Return ``ok``, ``exited``, ``unhandled``, ``abnormal`` or ``crashed``; a session of any other status goes on."""
    text = normalize.text(sent).lower()
    return text if text in _ENDS else "ok"


def _attributes(attributes: Attributes | None) -> tuple[str, str]:
    """Return environment and release."""
    if attributes is None:
        return normalize.DEFAULT_ENVIRONMENT, ""
    environment = normalize.text(attributes.environment) or normalize.DEFAULT_ENVIRONMENT
    return environment, normalize.text(attributes.release)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # A number alone is an id: "4711" is no address, though IPv4 could be read so.
    return "." in text or ":" in text
