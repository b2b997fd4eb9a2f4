"""The topics, declared once: the worker reads them here, and ``aftershock migrate`` creates them from here.

Every name takes the configured prefix in front (``kafka.topic_prefix``, empty by default), so that several
installations can share one Kafka cluster. The consumer group takes it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

DAY_MS = 24 * 60 * 60 * 1000

MAX_EVENT_BYTES = 2 * 1024 * 1024
"""The largest event that is processed, in bytes; a larger one becomes a dead letter."""

MAX_MESSAGE_BYTES = 25 * 1024 * 1024
"""The largest message that an event topic carries, so that an event that is too large can be seen and counted."""

CONSUMER_GROUP = "aftershock"


class Topic(Struct, frozen=True):
    """One topic: its name without prefix, what its key is, and how Kafka keeps it.

    ``retention_ms`` is -1 for a topic that is kept for ever (compacted topics).
    """

    name: str
    key: str
    value: str
    partitions: int
    retention_ms: int
    cleanup_policy: Literal["delete", "compact"] = "delete"
    max_message_bytes: int = 1024 * 1024
    copartitioned_with: str = ""
    """The topic whose number of partitions this one always has."""

    def partitions_with(self, configured: Mapping[str, int]) -> int:
        """Return how many partitions the topic has, with numbers configured by topic name."""
        return configured.get(self.copartitioned_with or self.name, self.partitions)


ERRORS = Topic(
    name="errors",
    key="event id",
    value="an error event: schemas/event.py, schemas/json/event.schema.json",
    partitions=4,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)
SPANS = Topic(
    name="spans",
    key="trace id",
    value="a transaction with its spans, or a single span: schemas/event.py, schemas/json/event.schema.json",
    partitions=4,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)
COUNTS = Topic(
    name="counts",
    key="none: the partition is chosen by the group's hash",
    value="the counts of one batch, packed: schemas/counts.py",
    partitions=4,
    retention_ms=DAY_MS,
    max_message_bytes=4 * 1024 * 1024,
)
ALERTS = Topic(
    name="alerts",
    key="dedup key",
    value="an alert: schemas/alert.py, schemas/json/alert.schema.json",
    partitions=1,
    retention_ms=14 * DAY_MS,
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="the original key",
    value="the original bytes, with headers that say where they came from: schemas/dead_letter.py",
    partitions=1,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)

WINDOWS = Topic(
    name="windows",
    key="what the entry is about: pipeline/counts/window_state.py",
    value="the state of a window, an issue that is known, or how far a source is applied: see the same file",
    partitions=COUNTS.partitions,
    retention_ms=-1,
    cleanup_policy="compact",
    max_message_bytes=4 * 1024 * 1024,
    copartitioned_with=COUNTS.name,
)
"""The changelog of the windowed counts: partition for partition the state that follows from ``counts``."""

SESSIONS = Topic(
    name="sessions",
    key="session id; none for aggregates",
    value="an update of one session, or aggregates of many: schemas/session.py, schemas/json/session.schema.json",
    partitions=4,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)
LOGS = Topic(
    name="logs",
    key="trace id",
    value="a log: schemas/log.py, schemas/json/log.schema.json",
    partitions=4,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)
CHECK_INS = Topic(
    name="check-ins",
    key="monitor",
    value="a check-in of a monitored job: schemas/check_in.py, schemas/json/check-in.schema.json",
    partitions=1,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)
FEEDBACK = Topic(
    name="feedback",
    key="event id",
    value="what a user wrote: schemas/feedback.py, schemas/json/feedback.schema.json",
    partitions=1,
    retention_ms=3 * DAY_MS,
    max_message_bytes=MAX_MESSAGE_BYTES,
)
OUTCOMES = Topic(
    name="outcomes",
    key="none",
    value="how many items were not taken, and why: schemas/outcome.py, schemas/json/outcomes.schema.json",
    partitions=1,
    retention_ms=3 * DAY_MS,
)
RELEASES = Topic(
    name="releases",
    key="what the change is about: schemas/release.py",
    value="a release that was made, finalized or deployed, or its commits: schemas/release.py, "
    "schemas/json/release-change.schema.json",
    partitions=1,
    retention_ms=-1,
    cleanup_policy="compact",
    max_message_bytes=4 * 1024 * 1024,
)
PROJECTS = Topic(
    name="projects",
    key="the project's name",
    value="the project, its keys and limits; nothing when it was removed: pipeline/config/gateway.py",
    partitions=1,
    retention_ms=-1,
    cleanup_policy="compact",
)
USAGE = Topic(
    name="usage",
    key="a gateway process and whose usage it tells: pipeline/gateway/usage.py",
    value="how much it has taken this hour, day and month; nothing when that is of the past",
    partitions=1,
    retention_ms=-1,
    cleanup_policy="compact",
)

ISSUE_CHANGES = Topic(
    name="issue-changes",
    key="project/fingerprint",
    value="the state somebody wishes an issue to have: schemas/issue_change.py, schemas/json/issue-change.schema.json",
    partitions=1,
    retention_ms=-1,
    cleanup_policy="compact",
)

TAKEN = (ERRORS, SPANS, SESSIONS, LOGS, CHECK_INS, FEEDBACK, OUTCOMES, RELEASES)
"""The topics that the gateway writes to."""

CONSUMED = (ERRORS, SPANS, COUNTS, ALERTS, SESSIONS, LOGS, CHECK_INS, FEEDBACK, OUTCOMES, RELEASES, ISSUE_CHANGES)
"""The topics that workers read."""

STORED = tuple(topic for topic in CONSUMED if topic.name != COUNTS.name)
"""Those of them whose messages become rows."""

TOPICS = (*TAKEN, PROJECTS, USAGE, COUNTS, WINDOWS, ALERTS, DEAD_LETTERS, ISSUE_CHANGES)
