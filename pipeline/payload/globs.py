"""Globs, the patterns of every rule and filter: ``*`` is any text, also none, and ``?`` any one character.

Every other character is itself, brackets too. A glob covers the whole value and ignores case. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

Test = Callable[[str], bool]


class Globs:
    """Globs of which any may cover a value; can be pickled and compared.

    Attributes:
        patterns: the globs as they were written.
        covers: says whether any of them covers a value.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self.covers: Test = compile_globs(patterns)

    def __reduce__(self) -> tuple[type[Globs], tuple[tuple[str, ...]]]:
        """Have pickle compile them anew: functions cannot be stored."""
        return Globs, (self.patterns,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Globs) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)


def compile_globs(patterns: Iterable[str]) -> Test:
    """Return a test that is true for a value that any of the globs covers; time linear in the value's length."""
    exact: set[str] = set()
    tests: list[Test] = []
    for pattern in (pattern.lower() for pattern in patterns):
        if "?" in pattern:
            tests.append(_regex_test(pattern))
        elif "*" in pattern:
            tests.append(_pieces_test(pattern))
        else:
            exact.add(pattern)

    def test(value: str) -> bool:
        lowered = value.lower()
        return lowered in exact or any(one(lowered) for one in tests)

    return test


def _pieces_test(pattern: str) -> Test:
    """Return a test by plain substring search, many times faster than a regular expression over a long message."""
    head, *middle, tail = pattern.split("*")
    shortest = len(head) + len(tail)

    def test(value: str) -> bool:
        if len(value) < shortest or not value.startswith(head) or not value.endswith(tail):
            return False
        at, end = len(head), len(value) - len(tail)
        for piece in middle:
            at = value.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return test


def _regex_test(pattern: str) -> Test:
    """Return a test by regular expression; atomic groups keep a failed match from being tried all over again."""
    pieces = [re.escape(piece).replace(r"\?", ".") for piece in pattern.split("*")]
    if len(pieces) == 1:
        compiled = re.compile(pieces[0], re.DOTALL)
    else:
        middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1])
        compiled = re.compile(f"{pieces[0]}{middle}.*{pieces[-1]}", re.DOTALL)
    return lambda value: compiled.fullmatch(value) is not None
