"""Every escape of half of a surrogate pair is seen, wherever it stands; what is compiled is tested by ``make
test-compiled``."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pipeline.payload.surrogates import escapes_surrogate

ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")

pieces = st.one_of(
    st.sampled_from(
        [b"\\", b"u", b"d", b"D", b"7", b"8", b"\\ud", b"\\uD8", b"\\ud83d\\ude00", b"\\u0041", b"x" * 250]
    ),
    st.binary(max_size=4),
)


def test_an_escape_is_seen_by_its_fourth_digit() -> None:
    for third in range(256):
        for fourth in range(256):
            text = b"\\u" + bytes((third, fourth))
            assert escapes_surrogate(text) is (ESCAPE.search(text) is not None), text


def test_an_escape_is_seen_at_every_place() -> None:
    for before in range(600):
        text = b"x" * before + b"\\udc00"
        assert escapes_surrogate(text)
        assert escapes_surrogate(text + b"x" * 600)
        assert escapes_surrogate(text[:-2])
        assert not escapes_surrogate(text[:-3])


@given(st.lists(pieces, max_size=16))
def test_an_escape_is_seen_among_pieces_of_others(parts: list[bytes]) -> None:
    text = b"".join(parts)
    assert escapes_surrogate(text) is (ESCAPE.search(text) is not None)
