"""The declaration of the topics."""

from __future__ import annotations

from schemas.topics import COUNTS, ERRORS, MAX_EVENT_BYTES, MAX_MESSAGE_BYTES, TOPICS, windows_changelog


def test_events_that_are_too_large_still_fit_on_their_topic_and_among_the_dead_letters() -> None:
    by_name = {topic.name: topic for topic in TOPICS}
    assert MAX_EVENT_BYTES < MAX_MESSAGE_BYTES
    assert by_name["dead-letters"].max_message_bytes >= ERRORS.max_message_bytes == MAX_MESSAGE_BYTES


def test_topics_with_state_are_compacted_and_the_others_expire() -> None:
    assert all(topic.cleanup_policy == "delete" and topic.retention_ms > 0 for topic in TOPICS)
    changelog = windows_changelog("x-aftershock", COUNTS.partitions)
    assert (changelog.name, changelog.partitions) == ("x-aftershock-windows-changelog", COUNTS.partitions)
    assert (changelog.cleanup_policy, changelog.retention_ms) == ("compact", -1)
