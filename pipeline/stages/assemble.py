"""Assemble: the pure stages, compiled for the settings."""

from __future__ import annotations

from pipeline.config.settings import Settings
from pipeline.counts.batch_counts import Counter
from pipeline.fingerprint import Grouping
from pipeline.inbound import Inbound
from pipeline.issues.states import IssueStates
from pipeline.scrub import Scrubber
from pipeline.stages.batch import Begin, collected
from pipeline.stages.transform import Transform
from pipeline.tables.alerts import ALERTS_TABLE, alert_rows
from pipeline.tables.check_ins import CHECK_INS_TABLE, CheckInRows
from pipeline.tables.each import Each, MakeRows
from pipeline.tables.feedback import FEEDBACK_TABLE, FeedbackRows
from pipeline.tables.issues import ISSUE_CHANGES_TABLE, issue_change_rows
from pipeline.tables.logs import LOGS_TABLE, LogRows
from pipeline.tables.outcomes import OUTCOMES_TABLE, outcome_rows
from pipeline.tables.releases import RELEASE_TABLES, ReleaseRows
from pipeline.tables.sessions import SESSION_AGGREGATES_TABLE, SESSIONS_TABLE, SessionRows
from schemas.topics import (
    ALERTS,
    CHECK_INS,
    COUNTS,
    ERRORS,
    FEEDBACK,
    ISSUE_CHANGES,
    LOGS,
    OUTCOMES,
    RELEASES,
    SESSIONS,
    SPANS,
)


def make_transforms(settings: Settings, states: IssueStates | None = None) -> dict[str, Begin]:
    """Return how a batch begins of each topic that ends in tables, by the topic's name.

    ``states`` are the issues' states as the worker follows them.
    """
    scrubber = Scrubber(settings.scrub)
    key = settings.hash_key.encode()
    prefix = settings.kafka.topic_prefix
    inbound = Inbound(settings.inbound)
    events = make_transform(settings, states, scrubber).begin
    others: dict[str, tuple[tuple[str, ...], MakeRows]] = {
        SESSIONS.name: ((SESSIONS_TABLE, SESSION_AGGREGATES_TABLE), SessionRows(key, inbound)),
        LOGS.name: ((LOGS_TABLE,), LogRows(scrubber, key, inbound)),
        CHECK_INS.name: ((CHECK_INS_TABLE,), CheckInRows(scrubber)),
        FEEDBACK.name: ((FEEDBACK_TABLE,), FeedbackRows(scrubber, key)),
        OUTCOMES.name: ((OUTCOMES_TABLE,), outcome_rows),
        RELEASES.name: (RELEASE_TABLES, ReleaseRows(scrubber, key)),
        ALERTS.name: ((ALERTS_TABLE,), alert_rows),
        ISSUE_CHANGES.name: ((ISSUE_CHANGES_TABLE,), issue_change_rows),
    }
    return {
        ERRORS.name: events,
        SPANS.name: events,
        **{
            topic: collected(Each(tables, rows, topic_prefix=prefix).process)
            for topic, (tables, rows) in others.items()
        },
    }


def make_transform(
    settings: Settings, states: IssueStates | None = None, scrubber: Scrubber | None = None
) -> Transform:
    """Return the pure stages that errors and spans go through.

    ``states`` are the issues' states as the worker follows them; ``scrubber`` where there is one already.
    """
    partitions = COUNTS.partitions_with(settings.kafka.partitions)
    return Transform(
        scrubber or Scrubber(settings.scrub),
        Grouping(settings.grouping),
        Counter(settings.rules, partitions, states),
        Inbound(settings.inbound),
        states=states,
        hash_key=settings.hash_key.encode(),
        topic_prefix=settings.kafka.topic_prefix,
    )
