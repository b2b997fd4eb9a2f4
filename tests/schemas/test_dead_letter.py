"""The headers of a dead letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import DeadLetter

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.builds(
        DeadLetter, text, st.integers(0), st.integers(0), text, text, st.integers(0), text, weight=st.integers(1, 100)
    )
)
def test_headers_are_read_back_as_they_were_written(letter: DeadLetter) -> None:
    assert DeadLetter.from_headers(letter.headers()) == letter


def test_other_headers_are_ignored_and_missing_ones_are_empty() -> None:
    assert DeadLetter.from_headers([("project", b"shop"), ("trace", b"x"), ("stage", None)]) == DeadLetter(
        "", -1, -1, "", "", 0, "shop"
    )


def test_a_number_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        DeadLetter.from_headers([("offset", b"x")])
