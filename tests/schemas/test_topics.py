"""The declaration of the topics."""

from __future__ import annotations

from schemas.topics import (
    COUNTS,
    ERRORS,
    ISSUE_CHANGES,
    MAX_EVENT_BYTES,
    MAX_MESSAGE_BYTES,
    PROJECTS,
    RELEASES,
    TOPICS,
    USAGE,
    WINDOWS,
)


def test_events_that_are_too_large_still_fit_on_their_topic_and_among_the_dead_letters() -> None:
    by_name = {topic.name: topic for topic in TOPICS}
    assert MAX_EVENT_BYTES < MAX_MESSAGE_BYTES
    assert by_name["dead-letters"].max_message_bytes >= ERRORS.max_message_bytes == MAX_MESSAGE_BYTES


def test_topics_with_state_are_compacted_and_the_others_expire() -> None:
    compacted = [topic for topic in TOPICS if topic.cleanup_policy == "compact"]
    assert compacted == [RELEASES, PROJECTS, USAGE, WINDOWS, ISSUE_CHANGES]
    assert all((topic.retention_ms > 0) == (topic.cleanup_policy == "delete") for topic in TOPICS)
    assert (WINDOWS.partitions, WINDOWS.copartitioned_with) == (COUNTS.partitions, COUNTS.name)
