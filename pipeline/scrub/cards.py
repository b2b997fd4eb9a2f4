"""Exact checks for numbers that may be written in groups: payment cards and IMEIs.

Each ``find_*`` function takes the flat form of one string (see :mod:`pipeline.scrub.jsontext`) and two offsets in it,
and returns the spans it looks for that begin from the first offset on and before the second. What stands around them
is read, but every group of digits is tried once for each time it is asked for.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pipeline.scrub.checksums import CARD_LENGTHS, is_card, is_imei, luhn
from pipeline.scrub.kinds import CARD, IMEI, Span

_REACH: Final = 80
"""How far a number goes on after its beginning: 19 digits, and separators of up to three bytes between them."""

_GROUP: Final = re.compile(rb"(?<![0-9])([0-9]++)(?:\x02{0,12}([ .+\-/]|\xc2\xa0)[ \x02]{0,4}(?=[0-9]))?")
_LETTER_OR_DIGIT: Final = re.compile(rb"[0-9A-Za-z_]")
_FRACTION: Final = re.compile(rb"\.0*[1-9]")
_HEX_LETTERS: Final = b"abcdefABCDEF"
_IMEI_WORD: Final = re.compile(rb"imei(?:sv)?(?!\])[^0-9]{0,12}\Z", re.IGNORECASE)
_MOST_GROUPS: Final = 10
_LONGEST_GROUP: Final = 6


class _Groups(NamedTuple):
    """Groups of digits: where each begins and ends, what separates it from the next, and all digits in one piece."""

    starts: list[int]
    stops: list[int]
    separators: list[bytes | None]
    """None where the next group does not follow."""
    before: list[int]
    """How many digits stand before each group, and at the end how many there are."""
    digits: bytes


def _groups(flat: bytes, low: int, high: int) -> _Groups:
    """Return the groups that begin from ``low`` on, up to those that numbers beginning before ``high`` may need."""
    starts: list[int] = []
    stops: list[int] = []
    separators: list[bytes | None] = []
    before = [0]
    pieces: list[bytes] = []
    total = 0
    end = min(len(flat), high + _REACH)
    for match in _GROUP.finditer(flat, low, end):
        start, stop = match.span(1)
        if start >= high and not (separators and separators[-1]):
            break
        starts.append(start)
        stops.append(stop)
        separators.append(match[2])
        total += stop - start
        before.append(total)
        pieces.append(match[1])
    return _Groups(starts, stops, separators, before, b"".join(pieces))


def find_card(flat: bytes, low: int, high: int) -> list[Span]:
    """Find payment cards: 13-19 digits in one piece or in groups of at most six, of a known issuer, passing Luhn."""
    groups = _groups(flat, low, high)
    starts, stops = groups.starts, groups.stops
    found: list[Span] = []
    index = 0
    while index < len(starts) and starts[index] < high:
        last = _card_groups(flat, groups, index)
        if last < 0:
            index += 1
        else:
            found.append((starts[index], stops[last], CARD))
            index = last + 1
    return found


def _card_groups(flat: bytes, groups: _Groups, first: int) -> int:
    """Return the index of the group that ends a card beginning with group ``first``, or -1."""
    starts, stops, separators, before, digits = groups
    base = before[first]
    end = min(len(starts), first + _MOST_GROUPS)
    lengths = CARD_LENGTHS.get(digits[base : base + 4])
    if lengths is None or before[end] < base + 13:
        return -1
    separator, start, best = separators[first], starts[first], -1
    for index in range(first, end):
        stop, count = stops[index], before[index + 1] - base
        length = stop - starts[index]
        if count > 19 or (index > first and length > _LONGEST_GROUP):
            break
        if count in lengths and luhn(digits[base : base + count]) and _card_edges(flat, start, stop):
            best = index
        if not separator or separators[index] != separator or length > _LONGEST_GROUP:
            break
    return best


_LONG_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{13,19}+(?![0-9])")


def find_card_or_imei(flat: bytes, low: int, high: int) -> list[Span]:
    """Find what 13 or more digits in one piece are."""
    found: list[Span] = []
    end = min(len(flat), high + 20)
    match = _LONG_NUMBER.search(flat, low, end)
    while match is not None and match.start() < high:
        found += _long_number(flat, match.start(), match.end())
        match = _LONG_NUMBER.search(flat, match.end(), end) if match.end() < high else None
    return found


def _long_number(flat: bytes, start: int, stop: int) -> list[Span]:
    length = stop - start
    number = flat[start:stop]
    if number[0] == 0x31 and length == 15:
        return _find_uatp(flat, stop)
    if is_card(number) and _card_edges(flat, start, stop):
        return [(start, stop, CARD)]
    if length < 19 and flat[stop : stop + 1] in (b" ", b"-"):
        return find_imei(flat, start, start + 1)
    return find_imei(flat, start, start + 1) if 14 <= length <= 16 and not (length == 16 and number[0] == 0x31) else []


_WHOLE_NUMBER: Final = re.compile(rb'(?:(?<=[^\\]")([0-9]{13,})"|(?<=[^\\]":)([0-9]{13,})[,}])')


def is_plain_number(text: bytes, offset: int) -> bool:
    """Whether the 13 digits before ``offset`` begin a whole JSON number or string of digits that is nobody's.

    Cheap, for the raw text: most runs of digits are thread ids and times in nanoseconds.
    """
    match = _WHOLE_NUMBER.match(text, offset - 13)
    if match is None:
        return False
    number = match[1] or match[2]
    return not is_card(number) and not is_imei(number)


_UATP: Final = re.compile(rb"(?:card(?!\])|cc|uatp|payment)[^0-9]{0,24}(1[0-9]{14})(?![0-9])", re.IGNORECASE)


def _find_uatp(flat: bytes, offset: int) -> list[Span]:
    """Find a UATP card, which only the word "card" tells from a thread's identifier: both are 15 digits from 1."""
    match = _UATP.search(flat, max(0, offset - 56), offset)
    return [(match.start(1), match.end(1), CARD)] if match and luhn(match[1]) else []


def _card_edges(flat: bytes, start: int, stop: int) -> bool:
    """Whether what stands around the digits leaves them a number of their own, not a piece of a longer one."""
    before, after = flat[max(start - 1, 0) : start], flat[stop : stop + 1]
    if before.isdigit() or after.isdigit():
        return False
    if before in (b"x", b"X") and flat[max(start - 2, 0) : start - 1] == b"0":
        return False
    if before == b"." and flat[max(start - 2, 0) : start - 1].isdigit():
        return False
    if after == b"." and _FRACTION.match(flat, stop):
        return False
    if (
        before == b"-" == after
        and flat[max(start - 2, 0) : start - 1].isalnum()
        and flat[stop + 1 : stop + 2].isalnum()
    ):
        return False
    return not (before and before[0] in _HEX_LETTERS and after and after[0] in _HEX_LETTERS)


def find_imei(flat: bytes, low: int, high: int) -> list[Span]:
    """Find IMEIs: 15 digits (also as 2-6-6-1) of a known reporting body passing Luhn, or 14-16 after the word."""
    groups = _groups(flat, low, high)
    found: list[Span] = []
    first = 0
    while first < len(groups.starts) and groups.starts[first] < high:
        last = _imei_groups(flat, groups, first)
        if last >= 0:
            found.append((groups.starts[first], groups.stops[last], IMEI))
        first = max(first, last) + 1
    return found


def _imei_groups(flat: bytes, groups: _Groups, first: int) -> int:
    """Return the index of the group that ends an IMEI beginning with group ``first``, or -1."""
    before, start = groups.before, groups.starts[first]
    for index in range(first, min(len(groups.starts), first + 5)):
        length = before[index + 1] - before[first]
        if length > 16:
            break
        stop = groups.stops[index]
        if length >= 14 and _number_alone(flat, start, stop):
            named = _IMEI_WORD.search(flat[max(0, start - 24) : start])
            if named or is_imei(groups.digits[before[first] : before[index + 1]]):
                return index
        if groups.separators[index] not in (b" ", b"-", b"/", b"."):
            break
    return -1


def _number_alone(flat: bytes, start: int, stop: int) -> bool:
    return not (
        _LETTER_OR_DIGIT.match(flat, stop)
        or (start and _LETTER_OR_DIGIT.match(flat, start - 1))
        or (start > 1 and flat[start - 1] == 0x2E and flat[start - 2 : start - 1].isdigit())
    )
