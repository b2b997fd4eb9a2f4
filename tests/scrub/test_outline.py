"""The members of an object are where they were written, whatever is in them.

Interpreted, one way of finding them is tested, and by ``make test-compiled`` the other.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.scrub.outline import members_of
from tests.scrub.test_scan import payloads

words = st.one_of(
    st.text(max_size=8), st.text('"\\{}[],: \n\u00e4', max_size=40), st.just("x" * 61), st.just("\\" * 63)
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4))
)
spaces = st.sampled_from(["", "", " ", "\n\t", " \r\n "])


def written(members: list[tuple[str, Any]], space: str, *, escape: bool) -> tuple[bytes, list[tuple[str, int, int]]]:
    """Write an object; return it with the keys and bounds of its members."""
    text = (space + "{" + space).encode()
    expected = []
    for place, (key, value) in enumerate(members):
        separators = ("," + space, space + ":")
        raw_key = json.dumps(key, ensure_ascii=escape)[1:-1]
        raw_value = json.dumps(value, ensure_ascii=escape, separators=separators).encode()
        text += f'{space},{space}"'.encode() if place else b'"'
        text += raw_key.encode() + f'"{space}:{space}'.encode()
        expected.append((raw_key, len(text), len(text) + len(raw_value)))
        text += raw_value
    return text + (space + "}").encode(), expected


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(words, values), max_size=6), spaces, st.booleans(), words)
@example([("a", 1), ("a", "x"), ("a", 1)], "", True, "")
@example([("a", [{}]), ("a", [])], "", True, "")
@example([("\u0000", {"\\": "\\\\"}), ("b", ["]", '"', '\\"]'])], " ", False, "{")
def test_members_are_found_where_they_were_written(
    members: list[tuple[str, Any]], space: str, escape: bool, around: str
) -> None:
    try:
        text, expected = written(members, space, escape=escape)
        before, after = around.encode(), around.encode()[::-1]
    except UnicodeEncodeError:
        return
    found = members_of(before + text + after, len(before), len(before) + len(text))
    moved = [(key, start + len(before), stop + len(before)) for key, start, stop in expected]
    assert list(zip(*found, strict=True)) == moved


def test_members_of_the_corpus_are_those_that_json_has() -> None:
    for payload in payloads():
        names, starts, stops = members_of(payload, 0, len(payload))
        assert [json.loads(f'"{name}"') for name in names] == list(json.loads(payload))
        parts = [json.loads(payload[start:stop]) for start, stop in zip(starts, stops, strict=True)]
        assert parts == list(json.loads(payload).values())


@pytest.mark.parametrize("length", range(130))
def test_a_value_may_end_anywhere_in_a_block(length: int) -> None:
    for value in ('["%s"]' % ("]" * length), '{"%s": {}}' % ("\\\\" * length), "[%s]" % ("[]," * length + '"\\""')):
        text = b'{"a":' + value.encode() + b',"b":1}'
        assert members_of(text, 0, len(text)) == (
            ["a", "b"],
            [5, len(text) - 2],
            [5 + len(value), len(text) - 1],
        )


@pytest.mark.parametrize("text", [b"", b" ", b"[]", b'"{}"', b"7", b"{}", b" { } "])
def test_there_are_no_members_in_what_is_no_object_or_an_empty_one(text: bytes) -> None:
    assert members_of(text, 0, len(text)) == ([], [], [])


@pytest.mark.parametrize(
    "text",
    [b"{", b'{"', b'{"a', b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":"x}', b'{"a":{"b":1}', b'{"a":[1}', b"{1}"],
)
def test_an_object_that_does_not_end_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        members_of(text, 0, len(text))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b" ", b"1", b"\xff", b"x" * 30])))
def test_bounds_are_in_the_text_whatever_it_is(parts: list[bytes]) -> None:
    text = b"{" + b"".join(parts)
    try:
        names, starts, stops = members_of(text, 0, len(text))
    except ValueError:
        return
    assert len(names) == len(starts) == len(stops)
    assert all(0 < start <= stop < len(text) for start, stop in zip(starts, stops, strict=True))
