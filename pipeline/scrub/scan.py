"""The scan: candidate expressions in two Hyperscan databases, matched over raw bytes in one pass each.

The one has the expressions for numbers, and reads those runs of the text that numbers can be in; the other has all
others, and reads the whole text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from typing import Any

import hyperscan

from pipeline.errors import Misconfigured
from pipeline.scrub import kinds
from pipeline.scrub.candidates import CANDIDATES, NUMBERS, UNICODE, Candidate, key_expression
from pipeline.scrub.kinds import Span
from pipeline.scrub.number_runs import number_runs
from pipeline.scrub.policy import Policy

Hit = tuple[int, int]
"""What the scan reports: the offset just after the candidate, and the candidate's number."""

_CUSTOM = "custom:"
_CUSTOM_WINDOW = 512
_MOST_COMPILED = 16


def _report(number: int, _start: int, end: int, _flags: int, hits: Any) -> None:
    hits.append((end, number))


class Scan:
    """The compiled ``candidates`` of a policy. ``finders`` names the exact check of each, by the number in a hit."""

    def __init__(self, policy: Policy) -> None:
        candidates = [candidate for candidate in CANDIDATES if not policy.wanted.isdisjoint(candidate.kinds)]
        candidates += [
            Candidate("field", expression, (kinds.SECRET,)) for expression in map(key_expression, policy.keys)
        ]
        self._custom: dict[str, tuple[str, re.Pattern[bytes]]] = {}
        for pattern in policy.patterns:
            finder = _CUSTOM + pattern.name
            flags = re.IGNORECASE if pattern.caseless else 0
            self._custom[finder] = (pattern.name, re.compile(pattern.regex.encode(), flags))
            candidates.append(Candidate(finder, pattern.regex, (pattern.name,), caseless=pattern.caseless))
        others = [candidate for candidate in candidates if candidate.finder not in NUMBERS]
        numbers = [candidate for candidate in candidates if candidate.finder in NUMBERS]
        self.candidates = others + numbers
        self.finders = [candidate.finder for candidate in self.candidates]
        self._unicode = frozenset(n for n, finder in enumerate(self.finders) if finder == UNICODE)
        self._others = compiled(others)
        self._numbers = compiled(numbers)
        self._first_number = len(others)

    def hits(self, text: bytes) -> list[Hit]:
        """Return where candidates end in ``text``, in the order the scan found them."""
        found: list[Hit] = []
        if self._others is not None:
            self._others.scan(text, _report, 0, found)
        if self._numbers is None:
            return found
        runs, begins, shifts = number_runs(text)
        if runs:
            inside: list[Hit] = []
            self._numbers.scan(runs, _report, 0, inside)
            for end, number in inside:
                run = bisect_right(begins, end - 1) - 1
                found.append((end + shifts[run], number + self._first_number))
        return found

    def hides(self, hits: list[Hit]) -> bool:
        """Whether escapes among what was found may hide more from the scan."""
        for _, number in hits:  # noqa: SIM110 - compiled, a loop takes a third of what a generator does
            if number in self._unicode:
                return True
        return False

    def custom_spans(self, finder: str, flat: bytes, offset: int) -> list[Span]:
        """Find what one of the policy's own patterns matches around the spot."""
        name, pattern = self._custom[finder]
        low, high = max(0, offset - _CUSTOM_WINDOW), min(len(flat), offset + _CUSTOM_WINDOW)
        return [
            (match.start(), match.end(), name)
            for match in pattern.finditer(flat, low, high)
            if match.start() < offset and match.end() > match.start()
        ]


def compiled(candidates: list[Candidate]) -> hyperscan.Database | None:
    """Compile expressions into a database of one's own; ``None`` for none.

    :raises Misconfigured: naming the expression that the engine does not understand.
    """
    if not candidates:
        return None
    database = hyperscan.loadb(_serialised(tuple(candidates)), hyperscan.HS_MODE_BLOCK)
    # A database has one scratch space, which one thread uses at a time.
    database.scratch = hyperscan.Scratch(database)
    return database


@lru_cache(_MOST_COMPILED)
def _serialised(candidates: tuple[Candidate, ...]) -> bytes:
    """Compile, once in a process: that takes half a second, and policies that differ in fields or method share it."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[candidate.expression.encode() for candidate in candidates],
            ids=list(range(len(candidates))),
            flags=[
                (hyperscan.HS_FLAG_CASELESS if candidate.caseless else 0)
                | (hyperscan.HS_FLAG_SINGLEMATCH if candidate.once else 0)
                for candidate in candidates
            ],
        )
    except hyperscan.error as error:
        raise Misconfigured(f"scrub: the patterns do not compile: {error}") from error
    serialised: bytes = hyperscan.dumpb(database)
    return serialised
