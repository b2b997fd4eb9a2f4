"""One meaning for what SDKs spell in several ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.payload import normalize

EARLIEST_MS, LATEST_MS = -2_208_988_800_000, 10_413_791_999_000


@pytest.mark.parametrize(
    ("sent", "milliseconds"),
    [
        (None, None),
        (0, 0),
        (1764072000, 1_764_072_000_000),
        (1764072000.0625, 1_764_072_000_062),
        (-1.5, -1500),
        (1e300, LATEST_MS),
        (-1e300, EARLIEST_MS),
        (float("inf"), LATEST_MS),
        (10**400, LATEST_MS),
        ("2025-11-25T12:00:00Z", 1_764_072_000_000),
        ("2025-11-25T12:00:00", 1_764_072_000_000),
        ("2025-11-25T12:00:00.123456Z", 1_764_072_000_123),
        ("2025-11-25T12:00:00.123456789Z", 1_764_072_000_123),
        ("2025-11-25T14:00:00+02:00", 1_764_072_000_000),
        ("2025-11-25T06:30:00-05:30", 1_764_072_000_000),
        (" 2025-11-25 12:00:00 ", 1_764_072_000_000),
        ("2025-11-25", 1_764_028_800_000),
        ("1764072000", 1_764_072_000_000),
        ("1764072000.5", 1_764_072_000_500),
        ("1970-01-01T00:00:00Z", 0),
        ("2100-01-01T00:00:00Z", 4_102_444_800_000),
        ("0001-01-01T00:00:00+14:00", EARLIEST_MS),
        ("9999-12-31T23:59:59-14:00", LATEST_MS),
        ("1e400", LATEST_MS),
        ("-inf", EARLIEST_MS),
        ("nan", None),
        ("", None),
        ("yesterday", None),
        ("2025-13-45T99:00:00Z", None),
        ("\x00", None),
    ],
)
def test_timestamps(sent: float | str | None, milliseconds: int | None) -> None:
    assert normalize.milliseconds(sent) == milliseconds


@given(
    st.floats(allow_nan=False) | st.integers() | st.text(max_size=30) | st.datetimes().map(str) | st.floats().map(str)
)
def test_any_timestamp_is_within_what_clickhouse_takes_or_none(sent: float | str) -> None:
    found = normalize.milliseconds(sent)
    assert found is None or EARLIEST_MS <= found <= LATEST_MS


NOON = 1_764_072_000_000


@pytest.mark.parametrize(
    ("sent", "filed"),
    [
        (None, NOON),
        (0, NOON),
        (4_102_444_800_000, NOON),
        (NOON - 5_000, NOON - 5_000),
        (NOON + normalize.MOST_EARLY_MS, NOON + normalize.MOST_EARLY_MS),
        (NOON + normalize.MOST_EARLY_MS + 1, NOON),
        (NOON - normalize.MOST_LATE_MS, NOON - normalize.MOST_LATE_MS),
        (NOON - normalize.MOST_LATE_MS - 1, NOON),
    ],
)
def test_a_clock_that_is_astray_is_not_believed(sent: int | None, filed: int) -> None:
    assert normalize.clamp(sent, NOON) == filed


def test_an_event_id_is_32_hexadecimal_digits() -> None:
    assert normalize.event_id("A" * 32, "errors", 0, 1) == "a" * 32
    assert normalize.event_id("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "errors", 0, 1) == (
        "6ba7b8109dad11d180b400c04fd430c8"
    )


@pytest.mark.parametrize("sent", [None, "", "hello", "a" * 31, "a" * 33, "g" * 32, "a" * 32 + "\n"])
def test_an_event_id_that_is_none_is_derived_from_where_the_event_came_from(sent: str | None) -> None:
    found = normalize.event_id(sent, "errors", 2, 7)
    assert found == normalize.event_id(None, "errors", 2, 7)
    assert len(found) == 32
    assert found != normalize.event_id(sent, "errors", 2, 8)
    assert found != normalize.event_id(sent, "errors", 1, 7)
    assert found != normalize.event_id(sent, "spans", 2, 7)


@pytest.mark.parametrize(
    ("sent", "level"),
    [
        ("FATAL", "fatal"),
        ("critical", "fatal"),
        ("warn", "warning"),
        ("log", "info"),
        ("trace", "debug"),
        ("x", "error"),
    ],
)
def test_levels_are_five(sent: str, level: str) -> None:
    assert normalize.level(sent) == level


def test_a_missing_level_is_error() -> None:
    assert normalize.level(None) == normalize.level("") == "error"


def test_text_is_short_and_without_blanks_around_it() -> None:
    assert normalize.text("  a b ") == "a b"
    assert normalize.text(None) == ""
    assert normalize.text(1.5) == "1.5"
    assert normalize.text("x" * 500) == "x" * 200


@pytest.mark.parametrize(
    ("sent", "weight"),
    [
        ("1", 1),
        ("10", 10),
        ("2.5", 2.5),
        (" 4.0 ", 4),
        ("1e3", 1000),
        ("1000000", 1_000_000),
        ("1000001", 1),
        ("0.5", 1),
        ("-3", 1),
        ("nan", 1),
        ("inf", 1),
        ("", 1),
        ("ten", 1),
        ("9" * 400, 1),
    ],
)
def test_a_weight_is_a_number_from_one_to_a_million(sent: str, weight: float) -> None:
    assert normalize.weight(sent) == weight
