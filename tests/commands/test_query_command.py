"""``aftershock query``, against a real ClickHouse."""

from __future__ import annotations

import csv
import json

import pytest
from commandline import Commands

from pipeline.errors import Unavailable

TWO_ROWS = "SELECT number AS n, concat('a\"b,c\\t', toString(number)) AS text FROM numbers(2)"


def test_in_a_pipe_the_answer_is_json_lines(aftershock: Commands) -> None:
    result = aftershock.run("query", TWO_ROWS)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"n": 0, "text": 'a"b,c\t0'},
        {"n": 1, "text": 'a"b,c\t1'},
    ]


def test_csv_and_tsv_have_the_names_first(aftershock: Commands) -> None:
    found = list(csv.reader(aftershock.run("query", TWO_ROWS, "--format", "csv").stdout.splitlines()))
    assert found == [["n", "text"], ["0", 'a"b,c\t0'], ["1", 'a"b,c\t1']]
    assert aftershock.run("query", TWO_ROWS, "--format", "tsv").stdout.splitlines()[0] == "n\ttext"


def test_a_table_has_numbers_on_the_right_and_nothing_that_a_terminal_obeys(aftershock: Commands) -> None:
    statement = "SELECT toUInt32(arrayJoin([5, 12345])) AS amount, 'red \\x1b[31m\\n line' AS word"
    lines = aftershock.run("query", statement, "--format", "table").stdout.splitlines()
    assert [line.rstrip() for line in lines] == [
        "amount  word",
        "     5  red  [31m  line",
        " 12345  red  [31m  line",
    ]


def test_bytes_that_are_no_text_are_shown_as_such(aftershock: Commands) -> None:
    """The states of aggregates, which ``SELECT * FROM issues`` has, are bytes."""
    statement = "SELECT unhex('41F442') AS state"
    assert json.loads(aftershock.run("query", statement).stdout) == {"state": "A\ufffdB"}
    assert aftershock.run("query", statement, "--format", "table").stdout.split() == ["state", "A\ufffdB"]


def test_a_statement_from_standard_input(aftershock: Commands) -> None:
    assert json.loads(aftershock.run("query", "-", stdin="SELECT count() AS n\nFROM errors; -- all\n").stdout) == {
        "n": 0
    }


def test_a_table_ends_after_a_thousand_rows_and_says_so(aftershock: Commands) -> None:
    result = aftershock.run("query", "SELECT number FROM numbers(5000)", "--format", "table")
    assert len(result.stdout.splitlines()) == 1001
    assert "only the first 1000 rows" in result.stderr


def test_a_large_answer_is_whole(aftershock: Commands) -> None:
    result = aftershock.run("query", "SELECT number, repeat('x', 100) AS x FROM numbers(100000)", "--format", "tsv")
    lines = result.stdout.splitlines()
    assert len(lines) == 100_001
    assert lines[-1] == "99999\t" + "x" * 100


def test_what_answers_nothing_shows_nothing(aftershock: Commands) -> None:
    for fmt in ("table", "json"):
        result = aftershock.run("query", "CREATE TABLE IF NOT EXISTS own (a Int8) ENGINE = Memory", "--format", fmt)
        assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELEC 1", "SYNTAX_ERROR"),
        ("SELECT nope FROM errors", "nope"),
        ("SELECT throwIf(number = 900000) FROM numbers(1000000)", "throwIf"),
        ("  ", "empty"),
        ("SELECT 1 FORMAT CSV;", "--format"),
    ],
)
def test_an_error_is_one_line_and_no_answer(aftershock: Commands, statement: str, said: str) -> None:
    result = aftershock.run("query", statement)
    assert result.exit_code in (2, 3)
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""


def test_without_a_server_it_says_where_it_looked(aftershock: Commands) -> None:
    result = aftershock.run("query", "SELECT 1", "--clickhouse", "http://127.0.0.1:1")
    assert isinstance(result.exception, Unavailable)
    assert "http://127.0.0.1:1" in str(result.exception)
