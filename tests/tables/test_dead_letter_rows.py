"""Dead letters say where the record was, whose it is, and how many events it stands for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.inbound import Inbound
from pipeline.inbound.settings import InboundPolicy
from pipeline.payload import normalize
from pipeline.records.record import Origin, Record
from pipeline.records.record_batches import Unreadable
from pipeline.scrub import Policy, Scrubber
from pipeline.tables.alerts import alert_rows
from pipeline.tables.check_ins import CheckInRows
from pipeline.tables.dead_letters import (
    DEAD_LETTER_COLUMNS,
    dead_letter,
    dead_letter_row,
    failure,
    origin_of,
    unreadable_letter,
)
from pipeline.tables.each import Each, MakeRows
from pipeline.tables.feedback import FeedbackRows
from pipeline.tables.issues import issue_change_rows
from pipeline.tables.logs import LogRows
from pipeline.tables.outcomes import outcome_rows
from pipeline.tables.releases import ReleaseRows
from pipeline.tables.rows import Row
from pipeline.tables.sessions import SessionRows
from schemas.dead_letter import DeadLetter
from tests.records import NOON_MS, Message, batch_of

KEY = b"a key for tests"
INBOUND = Inbound(InboundPolicy())
SCRUBBER = Scrubber(Policy())
MAKERS: dict[str, MakeRows] = {
    "sessions": SessionRows(KEY, INBOUND),
    "logs": LogRows(SCRUBBER, KEY, INBOUND),
    "check-ins": CheckInRows(SCRUBBER),
    "feedback": FeedbackRows(SCRUBBER, KEY),
    "outcomes": outcome_rows,
    "releases": ReleaseRows(SCRUBBER, KEY),
    "alerts": alert_rows,
    "issue-changes": issue_change_rows,
}


def weighted(topic: str, value: bytes = b"{") -> Message:
    return Message(value, 7, f"t-{topic}", 3, headers=[("project", b"shop"), ("weight", b"4")])


def broken(_record: Record, _origin: Origin) -> Sequence[tuple[str, Row]]:
    raise KeyError("secret")


@pytest.mark.parametrize("topic", MAKERS)
def test_a_letter_of_every_topic_has_project_and_weight(topic: str) -> None:
    """A replay sends both as headers again: without the weight, what stands for four would count once."""
    each = Each((), MAKERS[topic], topic_prefix="t-", now_ms=lambda: NOON_MS)
    ((_, letter),) = each.process(batch_of(weighted(topic), topic=topic)).dead
    expected = DeadLetter(topic, 3, 7, letter.stage, letter.reason, NOON_MS, "shop", weight=4)
    assert letter == expected
    assert ("weight", b"4") in letter.headers()


def test_a_letter_of_a_record_at_which_a_stage_fails_has_them_too() -> None:
    ((_, letter),) = Each((), broken, topic_prefix="t-", now_ms=lambda: NOON_MS).process(batch_of(weighted("x"))).dead
    assert letter == DeadLetter("x", 3, 7, "rows", failure(KeyError()), NOON_MS, "shop", weight=4)
    assert "secret" not in letter.reason


def test_the_origin_of_a_record_is_what_its_place_and_headers_say() -> None:
    assert origin_of(weighted("logs"), NOON_MS + 5, "t-") == Origin("logs", 3, 7, NOON_MS, "shop", 0, 4)


def test_a_timestamp_that_is_astray_is_replaced() -> None:
    astray = Message(b"", timestamp=-1)
    assert origin_of(astray, NOON_MS).received_ms == normalize.clamp(-1, NOON_MS) == NOON_MS


def test_a_row_has_the_size_and_not_the_bytes() -> None:
    record = weighted("logs", b"hunter2")
    letter = dead_letter(origin_of(record, NOON_MS, "t-"), "decode", "not JSON", NOON_MS)
    row = dict(zip(DEAD_LETTER_COLUMNS, dead_letter_row(record, letter), strict=True))
    assert row == {
        "kafka_topic": "logs",
        "kafka_partition": 3,
        "kafka_offset": 7,
        "received": NOON_MS,
        "project": "shop",
        "stage": "decode",
        "reason": "not JSON",
        "bytes": 7,
    }


def test_the_letter_of_an_unreadable_record_batch_says_where_and_why() -> None:
    letter = unreadable_letter(Unreadable("DecompressionError"), "errors", 3, 41, NOON_MS)
    assert (letter.topic, letter.partition, letter.offset, letter.stage) == ("errors", 3, 41, "decode")
    assert "DecompressionError" in letter.reason
    assert letter.time == NOON_MS
