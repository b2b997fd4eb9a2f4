"""Repeats are counted, and nothing else is: every first line is written, at once, in bounded memory."""

from __future__ import annotations

import logging

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.repeated_lines import EVERY_S, MOST_SHAPES, MOST_TEXT, Repeats, Shape, shape_of

A, B, C = Shape("aiokafka", "kafka", "a"), Shape("aiokafka", "kafka", "b"), Shape("pipeline.edges.retry", "", "c")
WARNING = logging.WARNING


def due(repeats: Repeats) -> float | None:
    """When the next digest is due, asked anew each time: a type checker takes an attribute for what it was."""
    return repeats.due


def test_the_first_line_is_written_and_its_repeats_are_counted_once_in_a_while() -> None:
    repeats = Repeats()
    assert repeats.admit(A, WARNING, "gone", 0)
    assert due(repeats) is None
    assert not any(repeats.admit(A, WARNING, "gone", 1 + n / 100) for n in range(412))
    assert due(repeats) == 1 + EVERY_S
    assert str(repeats.digest(31)) == "gone (repeated 412 times in 30 s)"
    assert due(repeats) is None
    assert repeats.digest(61) is None


def test_one_repeat_is_told_as_one() -> None:
    repeats = Repeats()
    for _ in range(2):
        repeats.admit(A, WARNING, "gone", 0)
    assert str(repeats.digest(30)) == "gone (repeated once in 30 s)"


def test_all_that_is_left_out_is_in_one_line() -> None:
    repeats = Repeats()
    for shape, times in ((A, 3), (B, 2500), (C, 2)):
        for _ in range(times + 1):
            repeats.admit(shape, WARNING, f"line {shape.text}", 0)
    assert str(repeats.digest(30)) == "line b (repeated 2,500 times in 30 s, and 5 lines of 2 other kinds)"


def test_a_line_that_comes_now_and_then_is_written_each_time() -> None:
    repeats = Repeats()
    assert all(repeats.admit(A, WARNING, "now and then", now) for now in (0, EVERY_S, 3 * EVERY_S))


def test_what_goes_on_is_told_once_in_every_period_and_not_written_again() -> None:
    repeats = Repeats()
    written = told = 0
    for tenth in range(3000):
        now = tenth / 10
        if repeats.due is not None and now >= repeats.due:
            told += repeats.digest(now) is not None
        written += repeats.admit(A, WARNING, "gone", now)
    assert (written, told) == (1, 9)


def test_the_end_of_an_absence_is_told_with_all_that_was_left_out_since_its_beginning() -> None:
    repeats = Repeats()
    for now in range(40):
        repeats.admit(A, WARNING, "gone", now)
        repeats.admit(C, WARNING, "other", now)
        if now == 31:
            repeats.digest(now)
    assert repeats.settle("kafka") == 39
    digest = repeats.digest(61)
    assert digest is not None
    assert (digest.shape, digest.times, digest.others) == (C, 8, 0)
    assert repeats.settle("kafka") == 0


def test_an_absence_does_not_count_what_was_left_out_long_before_it() -> None:
    repeats = Repeats()
    for now in (0, 1, 2):
        repeats.admit(A, WARNING, "gone", now)
    repeats.digest(31)
    repeats.admit(C, WARNING, "other", 60)
    repeats.admit(C, WARNING, "other", 61)
    repeats.digest(91)
    assert repeats.settle("kafka") == 0


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 20)), max_size=200))
def test_every_line_is_written_or_told_and_the_first_of_a_shape_is_written(lines: list[tuple[str, float]]) -> None:
    repeats = Repeats()
    now, written, told = 0.0, [], 0
    for text, passed in lines:
        now += passed
        if repeats.due is not None and now >= repeats.due:
            digest = repeats.digest(now)
            told += digest.times + digest.others if digest else 0
        if repeats.admit(Shape("x", "", text), WARNING, text, now):
            written.append(text)
    digest = repeats.digest(now)
    told += digest.times + digest.others if digest else 0
    assert len(written) + told == len(lines)
    assert set(written) == {text for text, _ in lines}


def test_hostile_lines_take_bounded_memory_and_are_all_written() -> None:
    repeats = Repeats()
    for number in range(5 * MOST_SHAPES):
        assert repeats.admit(Shape("x", "", f"{number}"), WARNING, "y" * 100_000, 0)
        repeats.admit(Shape("x", "", f"{number}"), WARNING, "y" * 100_000, 0)
    assert len(repeats._seen) == MOST_SHAPES
    digest = repeats.digest(30)
    assert digest is not None
    assert digest.times + digest.others == 5 * MOST_SHAPES
    assert len(digest.line) == MOST_TEXT


def shape(logger: str, template: str, *arguments: object, exact: bool = False) -> Shape:
    return shape_of(logger, template, template % arguments, exact=exact)


def test_numbers_and_addresses_do_not_make_another_shape() -> None:
    for one, other in (
        (shape("mode.timers", "Timer %s late %s", "a", 1.5), shape("mode.timers", "Timer %s late %s", "b", 2.5)),
        (shape("pipeline.x", "lease of %d at 10.0.0.1:9092", 5), shape("pipeline.x", "lease of %d at 10.0.0.27:1", 6)),
        (shape("asyncio", "Task <0x7f3a>: at 0xdeadbeef1"), shape("asyncio", "Task <0x7f3b>: at 0xdeadbee91")),
    ):
        assert one == other


def test_what_one_logger_says_of_an_absent_server_is_one_shape() -> None:
    said = (
        shape("aiokafka", "Unable connect to node with id %s: %s", 1, "[Errno 111] Connect call failed"),
        shape("aiokafka", "Unable to update metadata from %s", [1]),
    )
    assert len(set(said)) == 1
    assert shape("aiokafka.consumer.fetcher", "Failed fetch messages from %s: NodeNotReadyError", 1) not in said
    away = shape("pipeline.edges.retry", "%s; trying again in %.1f s", "Kafka at k does not answer", 0.2)
    also = shape("pipeline.edges.retry", "%s; trying again in %.1f s", "insert: ClickHouse at c does not answer", 0.2)
    assert (away.subject, also.subject) == ("kafka", "clickhouse")


def test_errors_of_our_own_that_differ_are_different_shapes() -> None:
    lost = "%s: offset %d of partition 1 skipped"
    assert shape("pipeline.worker.app", lost, "x", 5, exact=True) != shape(
        "pipeline.worker.app", lost, "x", 6, exact=True
    )
    away = "Kafka at k does not answer (%s)"
    assert shape("pipeline.worker.app", away, "A", exact=True) != shape("pipeline.worker.app", away, "B", exact=True)
