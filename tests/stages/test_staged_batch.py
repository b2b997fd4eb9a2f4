"""A batch in the stages: what comes little by little is what would come at once."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pipeline.config.settings import Settings
from pipeline.records.record import Batch
from pipeline.stages.assemble import make_transform
from pipeline.stages.batch import ApartBatch, StagedBatch, collected
from pipeline.stages.messages import Apart, Ended, Lines
from pipeline.tables.columns import COLUMNS
from pipeline.tables.downsampling import Downsampler
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import ERROR_COLUMNS
from pipeline.tables.storage import StorageSettings
from schemas.counts import encode_counts
from tests.records import Message, batch_of, example_events, message

PROCESSOR = make_transform(Settings())
ALL = StorageSettings(then_one_in=1)
OFFSET = ERROR_COLUMNS.index("kafka_offset")
NOW_MS = int(time.time() * 1000)
WEIGHT = ERROR_COLUMNS.index("sample_weight")


def examples() -> list[Message]:
    events = [*example_events(), ("errors", b"no event"), ("errors", b"")]
    return [Message(value, offset, timestamp=NOW_MS) for offset, (_topic, value) in enumerate(events)]


def answers(batch: Batch, parts: Sequence[int], storage: StorageSettings = ALL) -> list[Lines | Ended]:
    """Return what is answered to a batch that is divided before these records."""
    staged = StagedBatch(PROCESSOR.begin(batch.source, batch.boundaries), Downsampler(storage))
    found: list[Lines | Ended] = [
        staged.take(batch.records[start:end])
        for start, end in zip((0, *parts), (*parts, len(batch.records)), strict=True)
    ]
    return [*found, *staged.end()]


def rows_of(found: Sequence[Lines | Ended], table: str) -> list[list[Any]]:
    lines = b"".join(one.lines.get(table, b"") for one in found if isinstance(one, Lines))
    # A payload may be spread over several lines.
    rows, at = [], 0
    text, decoder = lines.decode(), json.JSONDecoder()
    while at < len(text):
        row, at = decoder.raw_decode(text, at)
        assert text[at] == "\n"
        at += 1
        rows.append(row)
    return rows


@pytest.mark.parametrize("parts", [(), (1,), (3, 7), tuple(range(1, 9))])
def test_however_it_is_divided_rows_counts_and_letters_are_those_of_the_whole_batch(parts: tuple[int, ...]) -> None:
    batch = batch_of(*examples())
    whole = PROCESSOR.process(batch)
    found = answers(batch, parts)
    for table, rows in whole.rows.items():
        assert rows_of(found, table) == msgspec.json.decode(msgspec.json.encode(rows))
    ended = found[-1]
    assert isinstance(ended, Ended)
    assert ended.counts == {partition: encode_counts(counts) for partition, counts in whole.counts.items()}
    assert [letter.offset for letter in ended.dead] == [letter.offset for _, letter in whole.dead]
    assert len(ended.dead) == 2
    assert {"decode", "scrub", "fingerprint", "rows", "count", "downsample", "encode"} <= ended.seconds.keys()


def test_rows_come_as_soon_as_it_is_settled_that_they_are_stored() -> None:
    """The first events of an issue come with their part of the batch; those that may be downsampled come at the end."""
    batch = batch_of(*[message({"message": "late"}, offset) for offset in range(40)])
    found = answers(batch, (10, 20), StorageSettings(whole_per_issue_and_minute=15, then_one_in=10))
    by_part = [[row[OFFSET] for row in rows_of([one], "errors")] for one in found]
    assert by_part[:3] == [list(range(10)), list(range(10, 15)), []]
    ended = found[-1]
    assert isinstance(ended, Ended)
    stored = rows_of(found, "errors")
    assert ended.downsampled == 40 - len(stored) > 10
    assert sum(row[WEIGHT] for row in stored) == 40


def test_what_needs_the_whole_batch_gets_it_at_the_end() -> None:
    seen: list[Batch] = []

    def process(batch: Batch) -> BatchResult:
        seen.append(batch)
        return BatchResult(rows={"alerts": [("a", len(batch.records))]})

    batch = batch_of(*examples(), topic="alerts")
    staged = StagedBatch(collected(process)(batch.source, batch.boundaries), Downsampler(ALL))
    assert staged.take(batch.records[:2]) == Lines({})
    assert staged.take(batch.records[2:]) == Lines({})
    settled, left, _ = staged.end()
    assert (settled, left) == (Lines({"alerts": b'["a",%d]\n' % len(batch.records)}), Lines({}))
    assert [one.offset for one in seen[0].records] == [one.offset for one in batch.records]


def test_apart_every_event_has_its_rows_and_none_is_left_out() -> None:
    batch = batch_of(*[message({"message": "many"}, offset) for offset in range(200)])
    apart = ApartBatch(PROCESSOR.begin(batch.source, batch.boundaries), COLUMNS)
    first, second = apart.take(batch.records[:150]), apart.take(batch.records[150:])
    rest, ended = apart.end()
    assert isinstance(rest, Apart)
    assert rest.rows == {}
    assert isinstance(ended, Ended)
    rows = [*first.rows["errors"], *second.rows["errors"]]
    assert [offset for offset, _ in rows] == list(range(200))
    assert all(msgspec.json.decode(line)[OFFSET] == offset for offset, line in rows)
