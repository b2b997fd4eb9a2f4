"""Exact checks for SSNs, phone numbers and IBANs.

Each ``find_*`` function takes the flat form of one string (see :mod:`pipeline.scrub.jsontext`) and two offsets in it,
and returns the spans it looks for that begin from the first offset on and before the second. They read a bounded
stretch around these, whatever the string's length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pipeline.scrub.checksums import IBAN_LENGTHS, is_iban, is_ssn
from pipeline.scrub.kinds import IBAN, PHONE, SSN, Span

_SSN: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z_.\-/])|(?<=\\[nrt])|(?<=[0-9]{3}[ \-][0-9]{2}[ \-][0-9]{4}/))"
    rb"([0-9]{3})([ \-])([0-9]{2})\2([0-9]{4})(?![0-9A-Za-z_]|[.\-][0-9]|/(?![0-9]{3}[ \-][0-9]{2}[ \-][0-9]{4})[0-9])"
)


def find_ssn(flat: bytes, low: int, high: int) -> list[Span]:
    """Find social security numbers written 3-2-4 with dashes or spaces, in an assignable range."""
    found: list[Span] = []
    match = _SSN.search(flat, low, high + 16)
    while match is not None and match.start() < high:
        good = is_ssn(match[1] + match[3] + match[4])
        if good:
            found.append((match.start(), match.end(), SSN))
        match = _SSN.search(flat, match.end() if good else match.start() + 1, high + 16)
    return found


_EXTENSION: Final = rb"(?:,? ?(?:x|[Ee]xt\.?|extension) ?[0-9]{1,6})?"
_INTERNATIONAL: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z+_])|(?<=[0-9]{8})(?=\+)|(?<=\\[nrt]))(?:\x02\x02)?(?:\+|(?:(?<!/)|(?<=[0-9]/))00(?=[1-9]))(?:\x02\x02)?(?=[1-9(])"
    rb"(?:\([0-9]{1,4}\)|[0-9])(?:(?!/00?[1-9])(?:\x02{3,12})?[ \-.()/\x02\xa0\xc2]{0,3}[0-9]){6,16}"
    + _EXTENSION
    + rb"(?![0-9A-Za-z_]|:(?![+0]))"
)
_NANP: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z_.+])(?<![0-9][\-/,])|(?<=\\[nrt])|(?<=[ .\-)][0-9]{3}[ .\-][0-9]{4}[/,]))"
    rb"(?:1[ .\-])?(?:\(([0-9]{3})\)[ .\-]?|([0-9]{3})[ .\-])([0-9]{3})([ .\-])([0-9]{4})"
    + _EXTENSION
    + rb"(?![0-9A-Za-z_]"
    rb"|[.\-:][0-9]|[/,](?!(?:1[ .\-])?[0-9]{3}[ .\-][0-9]{3}[ .\-][0-9]{4}(?![0-9A-Za-z_]))[0-9])"
)
_TRUNK_ZERO: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z_.,:\-/+])|(?<=\\[nrt])|(?<=[0-9]{4}[,/])(?=0[1-9])"
    rb"|(?<=[ .\-][0-9]{2}[,/])(?=0)|(?<=[a-z]\][,/]))"
    rb"(?:(?:(?<![0-9]{2}[ .\-])|(?<=0[1-9] [0-9]{2} [0-9]{2} [0-9]{2} [0-9]{2} ))"
    rb"0[1-9](?:([ .\-])[0-9]{2})(?:\1[0-9]{2}){3}(?!\1(?!0[1-9](?: [0-9]{2}){4}(?![0-9]))[0-9]{2}(?![0-9]))"
    rb"|\(0[0-9]{1,4}\)[ ]?[0-9]{2,5}(?:[ \-/][0-9]{2,5}){0,4}"
    rb"|(?:0[1-9][0-9]{2,4}(?:[ \-/]| / )[0-9]{2,8}|0[1-9][0-9]?(?:[ \-/]| / )[0-9]{3,8})(?:[ \-][0-9]{2,6}){0,4})"
    rb"(?![0-9A-Za-z_]|[.:\-][0-9]|[,/](?!\(?0[1-9])[0-9])"
)
_BARE_MOBILE: Final = re.compile(
    rb"(?:(?<![0-9A-Za-z_.,:\-/+#])|(?<=\\[nrt])|(?<=0[1467][0-9]{8}[,/])|(?<=0[1467][0-9]{9}[,/])|(?<=01[0-9]{10}[,/])|(?<=[a-z]\][,/]))"
    rb"0(?:7[0-9]{9}|1[567][0-9]{8,9}|[67][0-9]{8}|4[0-9]{8})"
    rb"(?![0-9A-Za-z_]|[.:\-][0-9]|[,/](?!0[1467][0-9]{8,10}(?![0-9A-Za-z_]))[0-9])"
)
_FROM_EXTENSION: Final = re.compile(rb"[,xeE].*", re.DOTALL)
_DATE: Final = re.compile(rb"[0-9]{2}([\-./ ])[0-9]{2}\1(?:19|20)[0-9]{2}")
_NAMED_PHONE: Final = re.compile(
    rb"(?<![a-z\[])(?:[a-z]*(?<!micro)(?<!iphone)(?:phone|mobile|handy)|cell|tel|fax|telefon|whatsapp|sms|call(?:ed)?"
    rb"|msisdn|ph|wa\.me/)"
    rb"(?:[_\- ]?(?:number|num|nr|no|home|work))?[\"'\]\\\x01\x02]{0,12}[\s\x01\x02]{0,4}(?:[:=#]|is|at"
    rb"|on|to|\()?[\s\x01\x02:.#]{0,4}[\\\x01\x02]{0,12}[\"']?"
    rb"((?:\+|\()?[0-9](?:[ \-.()/]{0,2}[0-9]){6,14}" + _EXTENSION + rb")(?![0-9A-Za-z_])",
    re.IGNORECASE,
)


_NEXT_PHONE: Final = re.compile(
    rb"(?:[\s,;/&|]{1,3}|[\s,]{1,2}(?:and|or|und|et) )((?:\+|\()?[0-9](?:[ \-.()/]{0,2}[0-9]){6,14})(?![0-9A-Za-z_])"
)
"""Another number of a list, which is one of as many digits as the one before."""


_NO_DIGITS: Final = bytes(byte for byte in range(256) if not 0x30 <= byte <= 0x39)


def _digits(text: bytes) -> bytes:
    return text.translate(None, _NO_DIGITS)


def _phones(
    pattern: re.Pattern[bytes],
    is_phone: Callable[[re.Match[bytes]], bool],
    flat: bytes,
    low: int,
    high: int,
    reach: int,
) -> list[Span]:
    """Return what matches, is a phone number, and begins between the offsets; ``reach`` is how long one may be."""
    found: list[Span] = []
    match = pattern.search(flat, low, high + reach)
    while match is not None and match.start() < high:
        good = is_phone(match)
        if good:
            found.append((match.start(), match.end(), PHONE))
        after = match.end() if good else match.start() + 1
        match = pattern.search(flat, after, high + reach) if after < high else None
    return found


def find_international_phone(flat: bytes, low: int, high: int) -> list[Span]:
    """Find numbers with ``+`` or ``00`` and a country code: 8-15 digits (ITU-T E.164), eleven after +1 and +7."""
    return _phones(_INTERNATIONAL, _is_international, flat, low, high, 40)


def _is_international(match: re.Match[bytes]) -> bool:
    digits = _digits(_FROM_EXTENSION.sub(b"", match[0]))
    if match[0].lstrip(b"\x02").startswith(b"00"):
        digits = digits[2:]
        if len(digits) < 10:
            return False
    return 8 <= len(digits) <= 15 and (digits[0] not in b"17" or len(digits) == 11)


def find_national_phone(flat: bytes, low: int, high: int) -> list[Span]:
    """Find numbers in the North American form, 3-3-4 with separators."""
    return _phones(_NANP, _is_national, flat, low, high, 24)


def _is_national(match: re.Match[bytes]) -> bool:
    area = match[1] or match[2]
    dashed = match[1] is not None or (match[4] == b"-" and match.string[match.end(2) : match.end(2) + 1] == b"-")
    if not dashed and (area[:1] < b"2" or match[3][:1] < b"2"):
        return False
    return bool(area != b"000")


def find_trunk_phone(flat: bytes, low: int, high: int) -> list[Span]:
    """Find numbers with a leading 0 and separators: 9-12 digits, not a date."""
    return _phones(_TRUNK_ZERO, _is_trunk, flat, low, high, 40)


def _is_trunk(match: re.Match[bytes]) -> bool:
    if match[1] is not None:
        around = match.string[max(0, match.start() - 3) : match.end() + 3]
        if around[:17] in _COUNTED or around[-17:] in _COUNTED:
            return False
    return 9 <= len(_digits(match[0])) <= 12 and _DATE.match(match[0]) is None


_COUNTED: Final = frozenset(b" ".join(b"%02d" % (first + step) for step in range(6)) for first in range(1, 10))
"""Numbers that go on counting: ``01 02 03 04 05 06``."""


def find_bare_mobile(flat: bytes, low: int, high: int) -> list[Span]:
    """Find mobile numbers without separators in the forms of Britain, Germany, France, Australia and Belgium."""
    return _phones(_BARE_MOBILE, bool, flat, low, high, 16)


def find_named_phone(flat: bytes, low: int, high: int) -> list[Span]:
    """Find any 7-15 digits that follow a word for a telephone."""
    found: list[Span] = []
    for match in _NAMED_PHONE.finditer(flat, low, min(len(flat), high + 72)):
        if match.start() >= high:
            break
        following: re.Match[bytes] | None = match
        while following is not None:
            found.append((following.start(1), following.end(1), PHONE))
            length = len(_digits(_FROM_EXTENSION.sub(b"", following[1])))
            following = _NEXT_PHONE.match(flat, following.end(1))
            if following is not None and len(_digits(following[1])) != length:
                break
    return found


_IBAN_HEAD: Final = re.compile(rb"(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))([A-Za-z]{2})[0-9]{2}[ \-]?[0-9A-Za-z]{4}")
_IBANS: Final = {
    length: re.compile(rb"[0-9A-Za-z](?:[ \-+\x02]{0,3}[0-9A-Za-z]){%d}(?![0-9A-Za-z])" % (length - 1))
    for length in set(IBAN_LENGTHS.values())
}


def find_iban(flat: bytes, low: int, high: int) -> list[Span]:
    """Find IBANs, in one piece or in groups separated by single spaces or dashes."""
    found: list[Span] = []
    match = _IBAN_HEAD.search(flat, low, high + 10)
    while match is not None and match.start() < high:
        stop = _iban_stop(flat, match)
        if stop:
            found.append((match.start(), stop, IBAN))
        match = _IBAN_HEAD.search(flat, max(stop, match.start() + 2), high + 10)
    return found


def _iban_stop(flat: bytes, head: re.Match[bytes]) -> int:
    """Return where the IBAN that begins with ``head`` ends, or 0."""
    length = IBAN_LENGTHS.get(head[1].upper().decode())
    if length is None:
        return 0
    text = _IBANS[length].match(flat, head.start())
    return text.end() if text and is_iban(text[0].translate(None, b" -+\x02")) else 0
