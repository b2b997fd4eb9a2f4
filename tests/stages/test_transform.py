"""The pure stages over a batch: what becomes of each record, and that none of them can stop the batch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fingerprint import Grouping
from pipeline.inbound import FilterSettings, Inbound, InboundPolicy, SampleSettings
from pipeline.issues.states import IssueStates
from pipeline.payload.normalize import MOST_EARLY_MS, MOST_LATE_MS
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import ERROR_COLUMNS, SPAN_COLUMNS
from schemas.event import Event
from schemas.issue_change import IssueChange
from tests.odd_events import weird_events
from tests.records import NOON_MS, Message, batch_of, example_events, message
from tests.transformed import PROCESSOR, processor


class Broken:
    """A stage with a mistake in it: it fails on one kind of event."""

    def __init__(self) -> None:
        self._grouping = Grouping()

    def group(self, event: Event, project: str) -> Any:
        if event.logger == "unlucky":
            raise KeyError("quotes hunter2")
        return self._grouping.group(event, project)


def error(outcome: BatchResult, index: int = 0) -> dict[str, Any]:
    return dict(zip(ERROR_COLUMNS, outcome.rows["errors"][index], strict=True))


def span(outcome: BatchResult, index: int = 0) -> dict[str, Any]:
    return dict(zip(SPAN_COLUMNS, outcome.rows["spans"][index], strict=True))


def dead(outcome: BatchResult) -> list[tuple[int, str, str]]:
    return [(letter.offset, letter.stage, letter.project) for _, letter in outcome.dead]


def test_a_record_that_cannot_be_decoded_becomes_a_dead_letter_and_the_others_go_on() -> None:
    records = [message({"message": "a"}, 7), message(b"{hunter2", 8, headers=[("project", b"shop")]), message({}, 9)]
    outcome = PROCESSOR.process(batch_of(*records))
    assert [row[ERROR_COLUMNS.index("kafka_offset")] for row in outcome.rows["errors"]] == [7, 9]
    assert dead(outcome) == [(8, "decode", "shop")]
    record, letter = outcome.dead[0]
    assert record is records[1]
    assert letter.time == NOON_MS + 5
    assert "hunter2" not in letter.reason


def test_a_stage_that_fails_is_named_and_its_error_is_not_quoted() -> None:
    records = [message({"message": "a", "logger": "unlucky", "project": "shop"}, 1), message({"message": "b"}, 2)]
    broken: Any = Broken()
    outcome = processor(broken).process(batch_of(*records))
    assert dead(outcome) == [(1, "fingerprint", "shop")]
    assert "KeyError" in outcome.dead[0][1].reason
    assert "hunter2" not in outcome.dead[0][1].reason
    assert len(outcome.rows["errors"]) == 1


def test_a_dropped_event_leaves_no_row_no_count_and_is_accounted_for() -> None:
    dropping = processor(inbound=Inbound(InboundPolicy(FilterSettings(environments=("dev*",), messages=("*ignore*",)))))
    events = [{"environment": "dev-1"}, {"message": "please ignore"}, {"message": "stays"}, {"environment": "dev-2"}]
    outcome = dropping.process(batch_of(*[message(event, offset) for offset, event in enumerate(events)]))
    assert outcome.filtered == {"environments": 2, "messages": 1}
    assert outcome.rows["outcomes"] == [
        ("default", "", "error", "filtered:environments", NOON_MS, 2, 0, 3),
        ("default", "", "error", "filtered:messages", NOON_MS, 1, 0, 3),
    ]
    assert dropping.process(batch_of(message({"message": "stays"}))).rows.keys() == {"errors", "spans"}
    assert len(outcome.rows["errors"]) == 1
    assert sum(len(batch.groups) for batch in outcome.counts.values()) == 1
    assert outcome.dead == []


def test_what_came_straight_to_kafka_is_sampled_here_and_what_a_gateway_weighed_is_not_again() -> None:
    sampling = processor(inbound=Inbound(InboundPolicy(samples=(SampleSettings(rate=0.5),))))
    events = [{"event_id": f"{number:032x}"} for number in range(60)]
    straight = sampling.process(batch_of(*[message(event, offset) for offset, event in enumerate(events)]))
    weight = ERROR_COLUMNS.index("sample_weight")
    assert {row[weight] for row in straight.rows["errors"]} == {2}
    assert straight.filtered == {"sampled": 60 - len(straight.rows["errors"])}
    assert 10 < straight.filtered["sampled"] < 50
    headers = [("weight", b"4")]
    weighed = sampling.process(batch_of(*[message(event, at, headers=headers) for at, event in enumerate(events)]))
    assert [row[weight] for row in weighed.rows["errors"]] == [4] * 60


@pytest.mark.parametrize(
    ("headers", "event", "project"),
    [
        ([("project", b" shop ")], {"project": "other"}, "shop"),
        ([], {"project": "other"}, "other"),
        ([], {"project": 17}, "17"),
        ([], {}, "default"),
        ([("project", b"")], {}, "default"),
        ([("project", None), ("x", None)], {}, "default"),
        ([("project", b"\xff")], {}, "\ufffd"),
    ],
)
def test_the_project_is_that_of_the_header_or_the_event(
    headers: Sequence[Any], event: dict[str, Any], project: str
) -> None:
    assert error(PROCESSOR.process(batch_of(message(event, headers=headers))))["project"] == project


def test_an_event_counts_as_often_as_its_producer_says_it_stands_for() -> None:
    """A producer that sends one event in four says so in the header ``weight``; what is no number counts once."""
    headers = [[("weight", b"4")], [("project", b"shop"), ("weight", b"2.5")], [("weight", b"x")], [("weight", None)]]
    records = [message({"message": "a", "project": "shop"}, at, headers=given) for at, given in enumerate(headers)]
    outcome = PROCESSOR.process(batch_of(*records))
    assert [row[ERROR_COLUMNS.index("sample_weight")] for row in outcome.rows["errors"]] == [4, 2.5, 1, 1]
    (group,) = outcome.counts[0].groups
    assert sum(count for _, count in group.panes) == 8.5
    transaction = {"type": "transaction", "spans": [{"span_id": "c" * 16}]}
    spans = PROCESSOR.process(batch_of(message(transaction, headers=headers[0], topic="spans"), topic="spans"))
    assert [row[SPAN_COLUMNS.index("sample_weight")] for row in spans.rows["spans"]] == [4, 4]


def test_the_weight_of_a_refused_record_goes_with_it() -> None:
    outcome = PROCESSOR.process(batch_of(message(b"{", headers=[("weight", b"20")])))
    assert outcome.dead[0][1].weight == 20


def test_a_header_without_a_value_does_not_keep_a_record_from_being_refused() -> None:
    assert dead(PROCESSOR.process(batch_of(message(b"{", headers=[("project", None)])))) == [(0, "decode", "")]


@pytest.mark.parametrize(
    ("timestamp", "received"),
    [
        (NOON_MS, NOON_MS),
        (NOON_MS + 5 - MOST_LATE_MS, NOON_MS + 5 - MOST_LATE_MS),
        (NOON_MS + 4 - MOST_LATE_MS, NOON_MS + 5),
        (NOON_MS + 5 + MOST_EARLY_MS, NOON_MS + 5 + MOST_EARLY_MS),
        (-1, NOON_MS + 5),
        (0, NOON_MS + 5),
        (4_102_444_800_000, NOON_MS + 5),
        (2**62, NOON_MS + 5),
        (None, NOON_MS + 5),
    ],
)
def test_a_timestamp_of_the_producer_that_is_astray_is_not_believed(timestamp: Any, received: int) -> None:
    """Otherwise one producer could spread a batch over more partitions than an insert may touch."""
    row = error(PROCESSOR.process(batch_of(message({"timestamp": 1}, timestamp=timestamp))))
    assert row["received"] == received
    assert row["timestamp"] == received
    assert row["client_timestamp"] == 1000


def test_an_event_is_scrubbed_before_anything_of_it_is_stored_or_counted() -> None:
    event = {"message": "call jane@example.org", "user": {"email": "jane@example.org", "id": "u1"}}
    outcome = processor(hash_key=b"key").process(batch_of(message(event)))
    row = error(outcome)
    assert b"jane@example.org" not in msgspec.json.encode([row, str(outcome.counts)])
    assert sum(row["scrubbed"].values()) >= 2
    assert row["user_hash"] != 0


def test_spans_and_transactions_go_to_their_table_and_are_not_counted() -> None:
    transaction = {
        "type": "transaction",
        "transaction": "GET /",
        "contexts": {"trace": {"trace_id": "a" * 32, "span_id": "b" * 16}},
        "start_timestamp": 10.0,
        "timestamp": 10.25,
        "spans": [{"span_id": "c" * 16, "start_timestamp": 10.0, "timestamp": 10.1}, None],
    }
    single = {"span_id": "d" * 16, "trace_id": "a" * 32, "start_timestamp": 10.0, "end_timestamp": 10.5}
    records = [message(transaction, 0, topic="t-spans"), message(single, 1, topic="t-spans")]
    outcome = processor(topic_prefix="t-").process(batch_of(*records, topic="spans"))
    assert [row[SPAN_COLUMNS.index("duration_ms")] for row in outcome.rows["spans"]] == [250.0, 100.0, 500.0]
    assert span(outcome)["kafka_topic"] == "spans"
    assert outcome.rows["errors"] == []
    assert outcome.counts == {}


def test_an_unknown_type_is_refused() -> None:
    outcome = PROCESSOR.process(batch_of(message({"type": "feedback"})))
    assert dead(outcome) == [(0, "decode", "default")]


def test_every_stage_is_timed() -> None:
    outcome = processor(inbound=Inbound(InboundPolicy(FilterSettings(releases=("x",))))).process(batch_of(message({})))
    assert set(outcome.seconds) == {"decode", "filter", "scrub", "fingerprint", "rows", "count"}


def test_the_same_records_give_the_same_outcome() -> None:
    batch = batch_of(*[message(raw, offset) for offset, (_, raw) in enumerate(example_events())])
    first, second = PROCESSOR.process(batch), PROCESSOR.process(batch)
    assert first.rows == second.rows
    assert first.counts == second.counts


@given(st.lists(weird_events | st.binary(max_size=20), min_size=1, max_size=4), st.sampled_from(["errors", "spans"]))
@settings(max_examples=60, deadline=None)
def test_every_record_leaves_rows_or_a_dead_letter(given_events: list[Any], topic: str) -> None:
    records: list[Message] = [message(event, offset, topic=topic) for offset, event in enumerate(given_events)]
    outcome = PROCESSOR.process(batch_of(*records, topic=topic))
    stored = {row[ERROR_COLUMNS.index("kafka_offset")] for row in outcome.rows["errors"]}
    stored |= {row[SPAN_COLUMNS.index("kafka_offset")] for row in outcome.rows["spans"]}
    buried = {letter.offset for _, letter in outcome.dead}
    assert stored | buried == set(range(len(records)))
    assert not stored & buried
    reasons = [letter.reason for _, letter in outcome.dead]
    assert not [reason for reason in reasons if "the stage failed" in reason], "a stage failed on what it should know"


def test_events_of_a_discarded_issue_are_dropped_and_counted() -> None:
    states = IssueStates()
    (fingerprint,) = {row["fingerprint"] for row in [error(PROCESSOR.process(batch_of(message(unwanted()))))]}
    change = IssueChange(
        project="shop", fingerprint=fingerprint, id="1", changed_at=datetime.now(UTC), deleted="discard"
    )
    states.put("shop", fingerprint, change)
    wanted = {"message": "something else", "project": "shop"}
    records = [message(unwanted()), message(wanted, 1), message({**unwanted(), "project": "blog"}, 2)]
    outcome = processor(states=states).process(batch_of(*records))
    assert [(error(outcome, index)["project"], error(outcome, index)["kafka_offset"]) for index in (0, 1)] == [
        ("shop", 1),
        ("blog", 2),
    ]
    assert outcome.filtered == {"discarded issue": 1}
    (row,) = outcome.rows["outcomes"]
    assert row[:4] == ("shop", "", "error", "discarded")
    assert sum(len(batch.groups) for batch in outcome.counts.values()) == 2


def unwanted() -> dict[str, Any]:
    return {"message": "nobody wants to see this", "project": "shop"}
