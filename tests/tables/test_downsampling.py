"""Downsampling: fewer rows, the same sums, whatever came before; the first events of an issue and minute stay whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline.tables.downsampling
from pipeline.tables.downsampling import Downsampler
from pipeline.tables.rows import ERROR_COLUMNS, Row
from pipeline.tables.storage import PlaceStorageSettings, StorageSettings
from schemas.counts import CountsBatch, PartialCount

NOON_MS = 1_764_072_000_000
EVENT_ID = ERROR_COLUMNS.index("event_id")
CELL = ("project", "environment", "fingerprint", "release", "level", "handled")

Event = dict[str, Any]


def row(**fields: Any) -> Row:
    values = {
        **dict.fromkeys(ERROR_COLUMNS, ""),
        "project": "shop",
        "environment": "production",
        "fingerprint": "aa",
        "release": "1",
        "level": "error",
        "handled": None,
        "timestamp": NOON_MS,
        "event_id": "0",
        "user_hash": 0,
        "other_users": [],
        "sample_weight": 1,
        "scrubbed": {},
        **fields,
    }
    return tuple(values[name] for name in ERROR_COLUMNS)


def read(rows: Sequence[Row]) -> list[Event]:
    return [dict(zip(ERROR_COLUMNS, one, strict=True)) for one in rows]


def counts_naming(*event_ids: str) -> list[CountsBatch]:
    group = PartialCount("", "shop", "production", "aa", [(0, 1)], 0, 0, list(event_ids))
    return [CountsBatch(1, "errors", "life", 0, 0, 9, [group])]


def downsampled(downsampler: Downsampler, rows: list[Row], *named: str) -> list[Row]:
    """Return what is stored of a batch's rows that come in two parts, in the order in which they came."""
    batch = downsampler.begin()
    settled = [*batch.settle(rows[: len(rows) // 2]), *batch.settle(rows[len(rows) // 2 :])]
    rest, gone = batch.end(counts_naming(*named))
    stored = [*settled, *rest]
    assert gone == len(rows) - len(stored)
    return sorted(stored, key=lambda one: int(one[EVENT_ID]))


def limits(whole: int, then_one_in: int, **options: Any) -> StorageSettings:
    return StorageSettings(whole, then_one_in, **options)


events = st.fixed_dictionaries(
    {
        "project": st.sampled_from(["shop", "shop", "blog"]),
        "environment": st.sampled_from(["production", "production", "test"]),
        "fingerprint": st.sampled_from(["aa", "aa", "aa", "bb"]),
        "release": st.sampled_from(["1", "1", "2"]),
        "level": st.sampled_from(["error", "error", "fatal"]),
        "handled": st.sampled_from([None, None, False]),
        "timestamp": st.integers(NOON_MS, NOON_MS + 80_000),
        "user_hash": st.sampled_from([0, 0, 1, 2, 2**64 - 1]),
        "sample_weight": st.sampled_from([1, 1, 1, 7]),
        "scrubbed": st.sampled_from([{}, {}, {"email user.email": 1}, {"email user.email": 2, "ip message": 1}]),
    }
)


@given(
    st.lists(st.lists(events, max_size=30), max_size=6),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sets(st.integers(0, 60), max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_stream_every_sum_is_what_it_would_be_if_all_were_stored(
    batches: list[list[Event]], whole: int, then_one_in: int, named: set[int]
) -> None:
    """Weights, users, first and last times and what was replaced, by cell and batch; the first events as they came."""
    downsampler = Downsampler(limits(whole, then_one_in))
    number = 0
    so_far: Counter[tuple[Any, ...]] = Counter()
    for batch in batches:
        given_rows = [row(**event, event_id=str(number + at)) for at, event in enumerate(batch)]
        number += len(batch)
        found = downsampled(downsampler, given_rows, *(str(one) for one in named))
        assert sums(read(found)) == sums(read(given_rows))
        ids = [one["event_id"] for one in read(found)]
        assert ids == sorted(ids, key=int)
        for one in given_rows:
            event = dict(zip(ERROR_COLUMNS, one, strict=True))
            key = (event["project"], event["fingerprint"], event["timestamp"] // 60_000)
            so_far[key] += 1
            if so_far[key] <= whole:
                assert one in found
            beyond = so_far[key] - whole - 1
            if (beyond >= 0 and beyond % then_one_in == 0) or int(event["event_id"]) in named:
                assert event["event_id"] in ids


def sums(stored: list[Event]) -> dict[tuple[Any, ...], Any]:
    """What the aggregates know of each cell."""
    cells: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in stored:
        cells[(event["timestamp"] // 60_000, *(event[name] for name in CELL))].append(event)
    return {
        cell: (
            sum(event["sample_weight"] for event in of),
            {user for event in of for user in (event["user_hash"], *event["other_users"]) if user},
            min(event["timestamp"] for event in of),
            max(event["timestamp"] for event in of),
            sum((Counter(event["scrubbed"]) for event in of), Counter()),
        )
        for cell, of in cells.items()
    }


def test_the_first_events_and_one_in_so_many_of_the_others_are_stored() -> None:
    downsampler = Downsampler(limits(10, 20))
    found = read(downsampled(downsampler, [row(event_id=str(at)) for at in range(100)]))
    assert [one["event_id"] for one in found] == [*map(str, range(10)), "10", "30", "50", "70", "90"]
    assert [one["sample_weight"] for one in found] == [1] * 10 + [20, 20, 20, 20, 10]


def test_later_batches_go_on_counting_and_another_minute_begins_anew() -> None:
    downsampler = Downsampler(limits(10, 1000))
    assert len(downsampled(downsampler, [row() for _ in range(10)])) == 10
    assert len(downsampled(downsampler, [row() for _ in range(500)])) == 1
    assert len(downsampled(downsampler, [row(timestamp=NOON_MS + 60_000) for _ in range(10)])) == 10
    assert len(downsampled(downsampler, [row(project="blog") for _ in range(10)])) == 10


def test_rows_that_stand_for_others_know_their_users_but_not_twice_their_own() -> None:
    users = [0, 5, 6, 5, 7, 6, 0]
    found = read(downsampled(Downsampler(limits(1, 1000)), [row(user_hash=user) for user in users]))
    assert [(one["user_hash"], one["other_users"], one["sample_weight"]) for one in found] == [
        (0, [], 1),
        (5, [6, 7], 6),
    ]


def test_events_that_alerts_may_point_to_are_stored() -> None:
    rows = [row(event_id=str(at)) for at in range(100)]
    found = read(downsampled(Downsampler(limits(1, 1000)), rows, "40", "41", "elsewhere"))
    assert [(one["event_id"], one["sample_weight"]) for one in found] == [("0", 1), ("1", 39), ("40", 1), ("41", 59)]


def test_a_project_has_its_own_numbers() -> None:
    places = (
        PlaceStorageSettings("sh*", whole_per_issue_and_minute=2),
        PlaceStorageSettings("shop", whole_per_issue_and_minute=3),
        PlaceStorageSettings("blog", then_one_in=1),
    )
    downsampler = Downsampler(limits(50, 1000, places=places))
    stored = {name: len(downsampled(downsampler, [row(project=name)] * 100)) for name in ("shop", "blog", "other")}
    assert stored == {"shop": 3, "blog": 100, "other": 51}


def test_nothing_is_left_out_where_every_event_is_stored() -> None:
    rows = [row() for _ in range(5000)]
    assert downsampled(Downsampler(limits(1, 1)), rows) == rows


def test_a_batch_without_errors_has_nothing_to_thin() -> None:
    assert downsampled(Downsampler(limits(1, 10)), []) == []


def test_memory_is_bounded_and_what_was_forgotten_is_stored_whole_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.tables.downsampling, "MOST_REMEMBERED", 100)
    downsampler = Downsampler(limits(1, 1000))
    assert len(downsampled(downsampler, [row(), row(), row()])) == 2
    for start in range(0, 1000, 50):
        downsampled(downsampler, [row(fingerprint=str(start + at)) for at in range(50)])
        assert len(downsampler._seen) + len(downsampler._seen_before) <= 300
    assert len(downsampled(downsampler, [row(), row(), row()])) == 2
    assert len(downsampled(downsampler, [row(), row(), row()])) == 1
