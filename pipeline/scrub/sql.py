"""Secrets in SQL by the column they are written to: ``INSERT INTO users (email, password) VALUES ('a@b.c', 'x')``.

Reads the flat form of a string (see :mod:`pipeline.scrub.jsontext`) from where the scan saw ``) VALUES``.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.scrub.blanks import is_blank
from pipeline.scrub.keys import KeyNames
from pipeline.scrub.kinds import Span

_COLUMNS_WINDOW: Final = 4096
_INTO: Final = re.compile(rb"(?:insert|replace)[^()]{0,200}\Z", re.IGNORECASE)
_AROUND_NAME: Final = b" \t\r\n\x01\x02\\\"'`[]"
_ROW: Final = re.compile(rb"[\s\x01\x02]*+,?[\s\x01\x02nrt\\]{0,16}?\(")
_VALUE: Final = re.compile(
    rb"[\s\x01\x02]*+(?:[A-Za-z_][A-Za-z0-9_]{0,10})?([\\\x01\x02]{0,16}+)(['\"])"
    rb"((?:(?!\1\2)(?:\\['\"\\]|.)|\1\2\1\2)*+)(?:\1\2|\Z)(?:::[A-Za-z]+)?[\s\x01\x02]*+"
    rb"|([^,()'\"]*+(?:\((?:[^()]|\([^()]*+\))*+\))?[^,()'\"]*+)",
    re.DOTALL,
)


def find_inserted(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find the values of sensitive columns in every row; ``offset`` is just after ``VALUES``.

    Placeholders such as ``%s`` and ``?`` stay.
    """
    low = max(0, offset - _COLUMNS_WINDOW)
    opening = flat.rfind(b"(", low, offset)
    closing = flat.rfind(b")", max(opening, 0), offset)
    if opening < 0 or closing < 0 or _INTO.search(flat[max(0, opening - 256) : opening]) is None:
        return []
    kinds = [names.kind_of(name.strip(_AROUND_NAME)) for name in flat[opening + 1 : closing].split(b",")]
    if not any(kinds):
        return []
    found: list[Span] = []
    row = _ROW.match(flat, offset)
    while row is not None:
        stop = _read_row(flat, row.end(), kinds, found)
        row = _ROW.match(flat, stop + 1) if flat[stop : stop + 1] == b")" else None
    return found


def _read_row(flat: bytes, at: int, kinds: list[str | None], found: list[Span]) -> int:
    """Add the values of a row that begins at ``at`` to those found; return where the row's values end."""
    for kind in kinds:
        value = _VALUE.match(flat, at)
        if value is None:
            return at
        group = 3 if value[2] is not None else 4
        start, stop = value.span(group)
        if kind is not None and not is_blank(flat[start:stop]):
            stop -= len(value[group]) - len(value[group].rstrip())
            start += len(value[group]) - len(value[group].lstrip())
            found.append((start, stop, kind))
        at = value.end()
        if flat[at : at + 1] != b",":
            return at
        at += 1
    return at
