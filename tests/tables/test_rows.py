"""Rows: as long as their columns say, within ClickHouse's ranges, and taken by ClickHouse whatever the event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.store.migrate import migrate_clickhouse
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import (
    ERROR_COLUMNS,
    LARGEST_LINE,
    LONGEST_TAG,
    LONGEST_TEXT,
    MOST_SPANS,
    MOST_TAGS,
    SPAN_COLUMNS,
    Counted,
    counted,
)
from tests.odd_events import json_values, weird_events
from tests.records import example_events
from tests.transformed import COLUMNS, outcome_now, outcome_of


def error(event: Any) -> dict[str, Any]:
    return dict(zip(ERROR_COLUMNS, outcome_of(event).rows["errors"][0], strict=True))


def spans(event: Any) -> list[dict[str, Any]]:
    return [dict(zip(SPAN_COLUMNS, row, strict=True)) for row in outcome_of(event, topic="spans").rows["spans"]]


def check_ranges(row: dict[str, Any]) -> None:
    for name in ("timestamp", "client_timestamp", "received"):
        assert -2_208_988_800_000 <= row[name] <= 10_413_791_999_000
    assert 0 <= row["user_hash"] < 2**64
    assert all(0 <= line < 2**32 for line in row.get("frames_line", ()))
    assert all(0 <= count < 2**32 for count in row["scrubbed"].values())


@pytest.mark.parametrize(("topic", "raw"), example_events())
def test_an_example_gives_rows_in_range_as_long_as_their_columns(topic: str, raw: bytes) -> None:
    outcome = outcome_of(raw, topic=topic)
    assert outcome.dead == []
    assert sum(map(len, outcome.rows.values())) >= 1
    for table, rows in outcome.rows.items():
        for row in rows:
            assert len(row) == len(COLUMNS[table])
            check_ranges(dict(zip(COLUMNS[table], row, strict=True)))
    Encoder().encode_lines([*outcome.rows["errors"], *outcome.rows["spans"]])


def test_what_rules_look_at_is_what_is_stored() -> None:
    row = outcome_of({"message": "m", "tags": {"a": "b"}, "environment": "e", "release": "r"}).rows["errors"][0]
    stored = dict(zip(ERROR_COLUMNS, row, strict=True))
    names = {"timestamp_ms": "timestamp", "weight": "sample_weight"}
    assert counted(row) == Counted(*(stored[names.get(name, name)] for name in Counted._fields))


def test_texts_are_bounded() -> None:
    long = "x" * 100_000
    row = error(
        {
            "message": long,
            "environment": long,
            "release": long,
            "transaction": long,
            "logger": long,
            "server_name": long,
            "exception": [{"type": long, "value": long}],
            "request": {"url": long, "method": long},
            "tags": {f"{index}-{long}": long for index in range(2)},
            "user": {"id": long},
        }
    )
    for name in ERROR_COLUMNS:
        if isinstance(row[name], str) and name not in ("payload", "contexts"):
            assert len(row[name]) <= LONGEST_TEXT, name
    assert len(row["environment"]) == len(row["release"]) == 200
    assert {len(key) for key in row["tags"]} == {len(value) for value in row["tags"].values()} == {LONGEST_TAG}
    assert [len(value) for value in row["exception_values"]] == [LONGEST_TEXT]


def test_tags_and_spans_are_bounded() -> None:
    assert len(error({"tags": {str(index): "x" for index in range(2 * MOST_TAGS)}})["tags"]) == MOST_TAGS
    transaction = {"type": "transaction", "spans": [{}] * (MOST_SPANS + 5)}
    assert len(spans(transaction)) == MOST_SPANS + 1


def test_an_environment_of_blanks_is_the_default_one() -> None:
    assert error({"environment": " "})["environment"] == "production"
    assert error({"environment": " qa "})["environment"] == "qa"


@pytest.mark.parametrize("line", [-1, 2**32, 2**70, 0])
def test_a_line_number_that_is_none_is_zero(line: int) -> None:
    frames = [{"function": "f", "lineno": line}, {"function": "g", "lineno": 5}]
    assert error({"exception": [{"type": "E", "stacktrace": {"frames": frames}}]})["frames_line"] == [0, 5]


@pytest.mark.parametrize(
    ("start", "end", "exclusive", "duration"),
    [
        (10.0, 10.5, None, 500.0),
        (10.5, 10.0, None, 0.0),
        ("2025-11-25T12:00:00Z", "2025-11-25T12:00:01.500Z", None, 1500.0),
        ("2025-11-25T12:00:00.117697Z", "2025-11-25T12:00:00.118184Z", None, 0.487),
        (10.0, "1970-01-01T00:00:11Z", None, 1000.0),
        ("1e400", "1e400", None, 0.0),
        (None, 10.0, 12.5, 12.5),
        (None, None, -5.0, 0.0),
        ("soon", "later", None, 0.0),
    ],
)
def test_durations(start: Any, end: Any, exclusive: float | None, duration: float) -> None:
    event = {"span_id": "a" * 16, "start_timestamp": start, "timestamp": end, "exclusive_time": exclusive}
    (row,) = spans(event)
    assert row["duration_ms"] == duration


def test_the_data_of_a_transaction_has_no_spans_in_it() -> None:
    event = {
        "type": "transaction",
        "spans": [{"span_id": "a" * 16, "data": {"k": 1}}, {"data": None}],
        "extra": {"e": 1},
    }
    root, first, second = spans(event)
    assert json.loads(root["data"]) == {"type": "transaction", "extra": {"e": 1}}
    assert (root["is_transaction"], first["is_transaction"]) == (True, False)
    assert json.loads(first["data"]) == {"k": 1}
    assert second["data"] == ""


def test_a_trace_context_that_is_none_is_empty() -> None:
    traces: tuple[Any, ...] = (5, "x", [], {"trace_id": 5}, None)
    for trace in traces:
        assert error({"contexts": {"trace": trace}})["trace_id"] == ""


@pytest.fixture(scope="module")
def stored(clickhouse: str) -> ClickHouse:
    """Tables of this module's own."""
    database = "t_rows"
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database=database))
    server.command(f"DROP DATABASE IF EXISTS {database} SYNC", in_database=False)
    migrate_clickhouse(server, RetentionSettings(), lambda _line: None)
    return server


def store(server: ClickHouse, outcome: BatchResult, token: str = "") -> None:
    for table, rows in outcome.rows.items():
        if rows:
            server.insert(table, COLUMNS[table], Encoder().encode_lines(rows), token and f"{token}/{table}")


def test_clickhouse_takes_every_example(stored: ClickHouse) -> None:
    for topic in ("errors", "spans"):
        outcome = outcome_now(*[raw for found, raw in example_events() if found == topic], topic=topic)
        store(stored, outcome, f"examples-{topic}")
        expected = len(outcome.rows[topic])
        assert stored.rows(f"SELECT count() AS found FROM {topic}") == [{"found": expected}]
        assert expected > 0
    assert stored.rows("SELECT count() AS wrong FROM errors WHERE NOT isValidJSON(payload)") == [{"wrong": 0}]
    assert stored.rows(
        "SELECT count() AS wrong FROM errors WHERE length(frames_line) != length(frames_function) "
        "OR length(frames_in_app) != length(frames_file) OR length(frames_line) != length(frames_file)"
    ) == [{"wrong": 0}]


def test_a_payload_is_stored_byte_by_byte(stored: ClickHouse) -> None:
    """Blanks, escapes, braces within texts, and numbers as they were spelled."""
    raw = '{"logger": "bytes",\n\t"extra" : {"a": "}\\\\", "b": "\\"{[\\u00e9é", "c": [1.0e2, -0]}, "message":"m" }'
    store(stored, outcome_now(raw.encode()))
    assert stored.rows("SELECT payload FROM errors WHERE logger = 'bytes'") == [{"payload": raw}]


def test_numbers_and_times_arrive_as_they_are(stored: ClickHouse) -> None:
    frames = [{"function": "f", "lineno": LARGEST_LINE}]
    outcome = outcome_now(
        {
            "timestamp": "1999-12-31T23:59:59.999Z",
            "user": {"id": "x"},
            "logger": "exact",
            "exception": [{"type": "E", "value": 'a\x00b"\\\n.', "stacktrace": {"frames": frames}}],
        }
    )
    store(stored, outcome)
    found = stored.rows(
        "SELECT toUnixTimestamp64Milli(timestamp) AS filed, toUnixTimestamp64Milli(client_timestamp) AS sent, "
        "user_hash, frames_line, exception_values[1] AS value FROM errors WHERE logger = 'exact'"
    )
    row = dict(zip(ERROR_COLUMNS, outcome.rows["errors"][0], strict=True))
    assert found == [
        {
            "filed": row["received"],
            "sent": 946_684_799_999,
            "user_hash": row["user_hash"],
            "frames_line": [LARGEST_LINE],
            "value": 'a\x00b"\\\n.',
        }
    ]


extremes = st.sampled_from(
    [
        0,
        -1,
        2**32,
        2**63,
        2**64,
        2**70,
        -(2**70),
        1e308,
        -1e308,
        1e400,
        "1e999",
        "\x00",
        "\ud800",
        "",
        "{{auto}}",
        [],
        {},
    ]
)
weird_fields = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["transaction", "span", "error", None]),
        "timestamp": extremes,
        "start_timestamp": extremes,
        "event_id": extremes,
        "environment": extremes | st.text(max_size=5),
        "level": extremes,
        "message": extremes | st.text(max_size=20),
        "user": st.dictionaries(st.sampled_from(["id", "email", "ip_address"]), extremes, max_size=2),
        "tags": st.dictionaries(st.text(max_size=5), extremes, max_size=3) | json_values,
        "measurements": st.dictionaries(st.text(max_size=3), st.fixed_dictionaries({"value": extremes}), max_size=2),
        "contexts": st.dictionaries(st.sampled_from(["trace", "app"]), extremes | json_values, max_size=2),
        "exception": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.text(max_size=5) | extremes,
                    "value": extremes,
                    "stacktrace": st.fixed_dictionaries(
                        {
                            "frames": st.lists(
                                st.fixed_dictionaries({"function": st.text(max_size=5) | extremes, "lineno": extremes}),
                                max_size=3,
                            )
                        }
                    ),
                }
            ),
            max_size=2,
        ),
        "spans": st.lists(
            st.fixed_dictionaries(
                {"start_timestamp": extremes, "timestamp": extremes, "exclusive_time": extremes, "data": json_values}
            ),
            max_size=2,
        ),
    },
)


@given(st.lists(weird_fields | weird_events, min_size=1, max_size=20), st.sampled_from(["errors", "spans"]))
@settings(max_examples=40, deadline=None)
@example([{"type": "transaction", "start_timestamp": -1e308, "timestamp": 1e308}], "spans")
def test_rows_of_any_event_are_in_range_and_json(events: list[dict[str, Any]], topic: str) -> None:
    outcome = outcome_of(*events, topic=topic)
    for table, rows in outcome.rows.items():
        for row in rows:
            check_ranges(dict(zip(COLUMNS[table], row, strict=True)))
        for line in Encoder().encode_lines(rows).splitlines():
            assert len(json.loads(line)) == len(COLUMNS[table])


@given(st.lists(weird_fields | weird_events, min_size=5, max_size=30))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@example([{"type": "transaction", "start_timestamp": -1e308, "timestamp": 1e308}])
def test_clickhouse_takes_what_comes_of_any_event(stored: ClickHouse, events: list[dict[str, Any]]) -> None:
    """An insert that ClickHouse refuses raises."""
    store(stored, outcome_now(*events))
    store(stored, outcome_now(*events, topic="spans"))
