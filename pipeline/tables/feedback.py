"""Feedback rows: what users wrote as rows of ``feedback``, after the scrubber. Pure.

Name and e-mail address are read for the hash alone and never stored. What was written is scrubbed like a message.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import Refused
from pipeline.payload import normalize
from pipeline.payload.identity import user_hash
from pipeline.records.record import Origin, Record
from pipeline.scrub import Scrubber
from pipeline.tables.contracts import Decoder
from pipeline.tables.rows import LONGEST_TEXT, Row
from schemas.event import User
from schemas.feedback import Contexts, Feedback, Words

FEEDBACK_TABLE = "feedback"

FEEDBACK_COLUMNS = (
    "project",
    "environment",
    "timestamp",
    "received",
    "event_id",
    "associated_event_id",
    "message",
    "url",
    "source",
    "platform",
    "release",
    "trace_id",
    "user_id",
    "user_hash",
    "scrubbed",
    "kafka_partition",
    "kafka_offset",
)
USER_REPORT = "user_report"

_DECODER = Decoder(Feedback, "feedback.schema.json")


class FeedbackRows:
    """Makes rows of messages of the topic ``feedback``.

    Args:
        scrubber: replaces personal data and secrets.
        hash_key: the key of :func:`pipeline.payload.identity.user_hash`.
    """

    def __init__(self, scrubber: Scrubber, hash_key: bytes) -> None:
        self._scrubber = scrubber
        self._hash_key = hash_key

    def __call__(self, record: Record, origin: Origin) -> Iterator[tuple[str, Row]]:
        """Yield a message's row with its table.

        Raises:
            Refused: nothing was written in it, or it could not be scrubbed to its end.
        """
        sent, payload = _DECODER.decode(record.value)
        project = origin.project or normalize.DEFAULT_PROJECT
        environment = normalize.text(sent.environment) or normalize.DEFAULT_ENVIRONMENT
        who = user_hash(_user(sent), project, self._hash_key)
        result = self._scrubber.scrub(payload, project, environment)
        feedback = sent if result.payload is payload else _DECODER.again(result.payload)
        words = _words(feedback)
        if not normalize.text(words.message):
            raise Refused("rows", "there is no message: send contexts.feedback.message, or comments")
        findings = {f"{kind} {field}": count for (kind, field), count in result.findings.items()}
        yield FEEDBACK_TABLE, _row(feedback, words, environment, who, findings, project, origin)


def _row(
    feedback: Feedback,
    words: Words,
    environment: str,
    who: int,
    findings: dict[str, int],
    project: str,
    origin: Origin,
) -> Row:
    report = words.source == USER_REPORT
    trace = (feedback.contexts or Contexts()).trace
    identity = normalize.event_id(None if report else feedback.event_id, origin.topic, origin.partition, origin.offset)
    about = words.associated_event_id
    return (
        project,
        environment,
        normalize.clamp(normalize.milliseconds(feedback.timestamp), origin.received_ms),
        origin.received_ms,
        identity,
        normalize.text(about).replace("-", "").lower(),
        normalize.text(words.message, LONGEST_TEXT),
        normalize.text(words.url, LONGEST_TEXT),
        normalize.text(words.source),
        normalize.text(feedback.platform),
        normalize.text(feedback.release),
        normalize.text(trace.trace_id) if trace else "",
        normalize.text(feedback.user.id) if feedback.user else "",
        who,
        findings,
        origin.partition,
        origin.offset,
    )


def _words(feedback: Feedback) -> Words:
    """Return what was written, whichever form it came in."""
    words = (feedback.contexts or Contexts()).feedback
    if words is not None:
        return words
    return Words(message=feedback.comments, associated_event_id=feedback.event_id, source=USER_REPORT)


def _user(feedback: Feedback) -> User:
    """Return who wrote it: the SDK's user, else by the address or the name that was given with it."""
    user = feedback.user or User()
    words = (feedback.contexts or Contexts()).feedback or Words()
    return User(
        id=user.id,
        email=user.email or words.contact_email or feedback.email,
        username=user.username or words.name or feedback.name,
        ip_address=user.ip_address,
    )
