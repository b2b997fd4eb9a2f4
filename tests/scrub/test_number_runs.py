"""Scanning runs for numbers calls for the same edits as scanning the whole text for them.

Interpreted, the whole text is the one run; what is compiled is tested by ``make test-compiled``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.scrub.candidates import NUMBERS
from pipeline.scrub.engine import Engine, Pass
from pipeline.scrub.number_runs import number_runs
from pipeline.scrub.policy import Policy
from pipeline.scrub.scan import compiled
from tests.scrub.corpus import further_places, further_survivors, further_texts, places, survivors, texts
from tests.scrub.test_scan import payloads

ENGINE = Engine(Policy())
WHOLE = compiled(ENGINE.scan.candidates)

NUMBER_TEXTS = (
    "4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111", "4111%201111%201111%201111",
    "4111\u00a01111\u00a01111\u00a01111", "378282 246310005", "490154203237518", "49-015420-323751-8", "078-05-1120",
    "078 05 1120", "+49 30 5550 1457", "%2b4930123456", "+3531234567", "+(44) 20 7946 0958", "0044 20 7946 0958",
    "(555) 867-5309", "555.867.5309", "030 901820", "(030) 901820", "06 12 34 56 78", "020 / 7946 0958", "07911123456",
    "015112345678", "0612345678", "203.0.113.7", "1.1.1.1", "8.8.8.8", "2001:db8::1", "fe80::1", "::ffff:203.0.113.7",
    "2001:db8:0:0:1:0:0:1", "2001%3adb8%3a%3a1", "00:1B:44:11:3A:B7", "00-1B-44-11-3A-B7", "001b.4411.3ab7",
    "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432", "gb82-west-1234-5698-7654-32",
    "RO49AAAA1B31007593840000", "KZ86125KZT5004100100", "MT84 MALT 0110 0012 345M TLCA ST00 1S",
)  # fmt: skip
BESIDE = (
    " ",
    "",
    "\n",
    "\\n",
    "\\",
    '"',
    "'",
    ":",
    "=",
    "/",
    "-",
    ".",
    "x",
    "0x",
    "b",
    "%2b",
    "%20",
    "v",
    "7",
    "+",
    "(",
    ",",
    "ä",
)


def edits(hits: list[tuple[int, int]], payload: bytes) -> dict[tuple[str, str], int]:
    return Pass(ENGINE, payload, 0).run(hits).findings()


def whole(payload: bytes) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    assert WHOLE is not None
    WHOLE.scan(payload, lambda number, _start, end, _flags, _context: found.append((end, number)))
    return found


def assert_same(payload: bytes) -> None:
    assert edits(ENGINE.scan.hits(payload), payload) == edits(whole(payload), payload), payload


def corpus() -> list[bytes]:
    found = payloads()
    for module in (further_places, further_survivors, further_texts, places, survivors, texts):
        for name, value in vars(module).items():
            if name.isupper():
                found += [json.dumps({"message": text}).encode() for text in _strings(value)]
    return found


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [json.dumps(value), *_strings([*value.values()])]
    return [string for item in value for string in _strings(item)] if isinstance(value, (list, tuple)) else []


def test_runs_miss_nothing_in_the_corpus() -> None:
    cases = corpus()
    assert len(cases) > 3000
    for payload in cases:
        assert_same(payload)


@pytest.mark.parametrize("number", NUMBER_TEXTS)
def test_runs_miss_no_number_whatever_stands_beside_it(number: str) -> None:
    for before in BESIDE:
        for after in BESIDE:
            assert_same(json.dumps({"message": f"{before}{number}{after}"}, ensure_ascii=False).encode())
            assert_same(json.dumps({"message": before + number + after}).encode())
    if number.isdigit() and number[0] != "0":
        assert_same(f'{{"message":{number}}}'.encode())


pieces = st.one_of(
    st.sampled_from(NUMBER_TEXTS),
    st.sampled_from(BESIDE),
    st.text("0123456789abcdefABCDEF:-. +()/%\u00a0", max_size=24),
    st.text("0123456789", min_size=1, max_size=20),
    st.text(max_size=4),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=12), st.booleans())
@example(["a1%3a2%3a%3a"], True)
@example(["::1", "::ffff:1.2.3.4"], True)
def test_runs_miss_nothing_in_texts_made_of_pieces_of_numbers(parts: list[str], escape: bool) -> None:
    try:
        payload = json.dumps({"message": "".join(parts)}, ensure_ascii=escape).encode()
    except UnicodeEncodeError:
        return
    assert_same(payload)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_each_run_is_what_stands_in_the_text(text: bytes) -> None:
    runs, begins, shifts = number_runs(text)
    ends = [begin - 1 for begin in [*begins, len(runs) + (runs is text)][1:]]
    for begin, end, shift in zip(begins, ends, shifts, strict=True):
        assert runs[begin:end] == text[begin + shift : end + shift]
    assert len(runs) <= len(text) + len(begins)


def test_the_finders_of_numbers_exist() -> None:
    assert set(ENGINE.scan.finders) >= NUMBERS
