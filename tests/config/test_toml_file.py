"""Values of a TOML file with the lines they stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.toml_file import read_toml
from pipeline.errors import Misconfigured

TEXT = """\
# a comment
[kafka]
bootstrap = "a:1"
"topic_prefix" = 'x'
partitions.errors = 4

[[rule]]
name = "first"
[rule.match]
level = "error"

[[rule]]  # the second
name = "second"
ids = [
  ["a"],
  ["b"]
]
[rule.match]
level = "fatal"
"""


def test_paths_are_found_on_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(TEXT, encoding="utf-8")
    values, line_of = read_toml(file)
    assert values["rule"][1]["match"] == {"level": "fatal"}
    expected = {
        ("kafka",): 2,
        ("kafka", "bootstrap"): 3,
        ("kafka", "topic_prefix"): 4,
        ("kafka", "partitions", "errors"): 5,
        ("rule", 0): 7,
        ("rule", 0, "name"): 8,
        ("rule", 0, "match", "level"): 10,
        ("rule", 1): 12,
        ("rule", 1, "ids"): 14,
        ("rule", 1, "match"): 18,
        ("rule", 1, "match", "level"): 19,
    }
    assert {path: line_of(path) for path in expected} == expected


def test_what_is_not_there_is_where_its_table_is(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(TEXT, encoding="utf-8")
    _, line_of = read_toml(file)
    assert line_of(("rule", 1, "window")) == 12
    assert line_of(("nothing", "at all")) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a = ", "end of document"),
        (b"[a]\nb = 1\nb = 2\n", "line 3"),
        (b"a = '\xff'", "UTF-8"),
        (b"a = nan,", "line 1"),
    ],
)
def test_what_is_no_toml_is_said_with_the_file_and_the_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(Misconfigured, match=says) as caught:
        read_toml(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(Misconfigured, match="name an existing file") as caught:
            read_toml(path)
        assert str(path) in str(caught.value)
