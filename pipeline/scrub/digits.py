"""Exact checks for payment cards, IMEIs, SSNs, phone numbers and IBANs around a found spot.

Each ``find_*`` function takes the flat form of one string (see :mod:`pipeline.scrub.jsontext`) and an offset just
after the candidate's last byte that the scan matched, and returns the spans that are what it looks for. They look at
a bounded window around the offset, whatever the string's length.
"""

from __future__ import annotations

import re

from pipeline.scrub.checksums import IBAN_LENGTHS, is_card, is_iban, is_imei, is_ssn, luhn
from pipeline.scrub.kinds import CARD, IBAN, IMEI, PHONE, SSN, Span

_WINDOW = 64
_FILL = rb"\x01\x02"
_GROUPS_BACKWARDS = re.compile(rb"(?:[0-9]|[ .+\-\x02\xa0\xc2\x01](?=[ .+\-\x02\xc2]{0,3}[0-9]))*+")
_GROUP = re.compile(rb"([0-9]+)((?:\x02\x02)?(?:[ .+\-/]|\xc2\xa0)|)")
_LETTER_OR_DIGIT = re.compile(rb"[0-9A-Za-z_]")
_FRACTION = re.compile(rb"\.0*[1-9]")
_IMEI_WORD = re.compile(rb"imei(?:sv)?[^0-9]{0,12}\Z", re.IGNORECASE)


def _run_start(flat: bytes, offset: int) -> int:
    """Return where the run of digits and single separators that ends at ``offset`` begins, within the window."""
    low = max(0, offset - _WINDOW)
    match = _GROUPS_BACKWARDS.match(flat[low:offset][::-1])
    return offset - (match.end() if match else 0)


def _groups(flat: bytes, start: int, stop: int) -> list[tuple[int, int, bytes]]:
    """Split a run into groups: (start, stop, separator after it); the separator is empty after the last."""
    groups = []
    while start < stop:
        match = _GROUP.match(flat, start, stop)
        if match is None:
            start += 1
            continue
        groups.append((match.start(1), match.end(1), match[2].lstrip(b"\x02")))
        if not match[2]:
            if match.end() >= stop or flat[match.end()] not in b" .+-/\x02\xc2":
                break
            groups.append((match.end(), match.end(), b"|"))
        start = match.end() + (0 if match[2] else 1)
    return groups


def find_card(flat: bytes, offset: int) -> list[Span]:
    """Find payment cards: 13-19 digits in one piece or in groups of at most six, of a known issuer, passing Luhn."""
    start = _run_start(flat, offset)
    groups = _groups(flat, start, min(len(flat), offset + _WINDOW))
    found: list[Span] = []
    index = 0
    while index < len(groups):
        last = _card_groups(flat, groups, index)
        if last is None:
            index += 1
        else:
            found.append((groups[index][0], groups[last][1], CARD))
            index = last + 1
    return found


_PLAIN = re.compile(rb"[0-9]*+")


def find_card_or_imei(flat: bytes, offset: int) -> list[Span]:
    """Find what 13 or more digits in one piece are; ``offset`` is after any 13 of them."""
    start = offset
    while start and flat[start - 1] in b"0123456789" and offset - start < 20:
        start -= 1
    ahead = _PLAIN.match(flat, offset, offset + 8)
    stop = ahead.end() if ahead else offset
    length = stop - start
    if not 13 <= length <= 19:
        return []
    number = flat[start:stop]
    if number[0] == 0x31 and length == 15:
        return _find_uatp(flat, stop)
    if length < 19 and flat[stop : stop + 1] in (b" ", b"-"):
        return find_card(flat, offset) or find_imei(flat, offset)
    if is_card(number) and _card_edges(flat, start, stop):
        return [(start, stop, CARD)]
    return find_imei(flat, stop) if 14 <= length <= 16 and not (length == 16 and number[0] == 0x31) else []


_WHOLE_NUMBER = re.compile(rb'(?:(?<=[^\\]")([0-9]{13,})"|(?<=[^\\]":)([0-9]{13,})[,}])')


def is_plain_number(text: bytes, offset: int) -> bool:
    """Whether the 13 digits before ``offset`` begin a whole JSON number or string of digits that is nobody's.

    Cheap, for the raw text: most runs of digits are thread ids and times in nanoseconds.
    """
    match = _WHOLE_NUMBER.match(text, offset - 13)
    if match is None:
        return False
    number = match[1] or match[2]
    return not is_card(number) and not is_imei(number)


_UATP = re.compile(rb"(?:card|cc|uatp|payment)[^0-9]{0,24}(1[0-9]{14})(?![0-9])", re.IGNORECASE)


def _find_uatp(flat: bytes, offset: int) -> list[Span]:
    """Find a UATP card, which only the word "card" tells from a thread's identifier: both are 15 digits from 1."""
    match = _UATP.search(flat, max(0, offset - 56), offset)
    return [(match.start(1), match.end(1), CARD)] if match and luhn(match[1]) else []


def _card_groups(flat: bytes, groups: list[tuple[int, int, bytes]], first: int) -> int | None:
    """Return the index of the group that ends a card beginning with group ``first``."""
    digits, separator, best = b"", groups[first][2], None
    for index in range(first, min(len(groups), first + 10)):
        start, stop, after = groups[index]
        digits += flat[start:stop]
        if len(digits) > 19 or (index > first and stop - start > 6):
            break
        if len(digits) >= 13 and is_card(digits) and _card_edges(flat, groups[first][0], stop):
            best = index
        if after != separator or not after or stop - start > 6:
            break
    return best


def _card_edges(flat: bytes, start: int, stop: int) -> bool:
    """Whether what stands around the digits leaves them a number of their own, not a piece of a longer one."""
    before, after = flat[max(start - 1, 0) : start], flat[stop : stop + 1]
    if before.isdigit() or after.isdigit():
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
    hexadecimal = b"abcdefABCDEF"
    return not (before and before in hexadecimal and after and after in hexadecimal)


def find_imei(flat: bytes, offset: int) -> list[Span]:
    """Find IMEIs: 15 digits (also as 2-6-6-1) of a known reporting body passing Luhn, or 14-16 after the word."""
    start = _run_start(flat, offset)
    groups = _groups(flat, start, min(len(flat), offset + _WINDOW))
    for first in range(len(groups)):
        digits = b""
        for low, high, after in groups[first : first + 5]:
            digits += flat[low:high]
            begin = groups[first][0]
            if 14 <= len(digits) <= 16 and _number_alone(flat, begin, high):
                named = _IMEI_WORD.search(flat[max(0, begin - 24) : begin])
                if named or is_imei(digits):
                    return [(begin, high, IMEI)]
            if len(digits) > 16 or after not in (b" ", b"-", b"/", b"."):
                break
    return []


def _number_alone(flat: bytes, start: int, stop: int) -> bool:
    return not (
        _LETTER_OR_DIGIT.match(flat, stop)
        or (start and _LETTER_OR_DIGIT.match(flat, start - 1))
        or (start > 1 and flat[start - 1] == 0x2E and flat[start - 2 : start - 1].isdigit())
    )


_SSN = re.compile(
    rb"(?:(?<![0-9A-Za-z_.\-/])|(?<=\\[nrt]))([0-9]{3})([ \-])([0-9]{2})\2([0-9]{4})(?![0-9A-Za-z_]|[.\-/][0-9])"
)


def find_ssn(flat: bytes, offset: int) -> list[Span]:
    """Find a social security number written 3-2-4 with dashes or spaces, in an assignable range."""
    match = _SSN.search(flat, max(0, offset - 14), min(len(flat), offset + 4))
    if match and is_ssn(match[1] + match[3] + match[4]):
        return [(match.start(), match.end(), SSN)]
    return []


_INTERNATIONAL = re.compile(
    rb"(?:(?<![0-9A-Za-z+/_])|(?<=\\[nrt]))(?:\x02\x02)?(?:\+|00(?=[1-9]))(?:\x02\x02)?(?=[1-9(])"
    rb"(?:\([0-9]{1,4}\)|[0-9])(?:[ \-.()/\x02\xa0\xc2]{0,3}[0-9]){6,16}(?![0-9A-Za-z_:])"
)
_NANP = re.compile(
    rb"(?:(?<![0-9A-Za-z_.+])(?<![0-9][\-/,])|(?<=\\[nrt]))(?:1[ .\-])?(?:\(([0-9]{3})\)[ .\-]?|([0-9]{3})[ .\-])"
    rb"([0-9]{3})([ .\-])([0-9]{4})(?![0-9A-Za-z_]|[.\-/,:][0-9])"
)
_TRUNK_ZERO = re.compile(
    rb"(?:(?<![0-9A-Za-z_.,:\-/+])|(?<=\\[nrt]))"
    rb"(?:(?<![0-9]{2}[ .\-])0[1-9](?:([ .\-])[0-9]{2})(?:\1[0-9]{2}){3}(?!\1[0-9]{2}(?![0-9]))"
    rb"|\(0[0-9]{1,4}\)[ ]?[0-9]{2,5}(?:[ \-/][0-9]{2,5}){0,4}"
    rb"|(?:0[1-9][0-9]{2,4}[ \-/][0-9]{2,8}|0[1-9][0-9]?[ \-/][0-9]{3,8})(?:[ \-][0-9]{2,6}){0,4})"
    rb"(?![0-9A-Za-z_]|[.:,/\-][0-9])"
)
_BARE_MOBILE = re.compile(
    rb"(?:(?<![0-9A-Za-z_.,:\-/+#])|(?<=\\[nrt]))0(?:7[0-9]{9}|1[567][0-9]{8,9}|[67][0-9]{8}|4[0-9]{8})(?![0-9A-Za-z_]|[.:,/\-][0-9])"
)
_DATE = re.compile(rb"[0-9]{2}([\-./ ])[0-9]{2}\1(?:19|20)[0-9]{2}")
_NAMED_PHONE = re.compile(
    rb"(?<![a-z\[])(?:[a-z]*(?<!micro)(?<!iphone)(?:phone|mobile|handy)|cell|tel|fax|telefon|whatsapp|sms|call(?:ed)?"
    rb"|msisdn|ph)"
    rb"(?:[_\- ]?(?:number|num|nr|no|home|work))?[\"'\]]{0,2}[\x01\x02]{0,6}[\"']?[\s\x01\x02]{0,4}(?:[:=#]|is|at"
    rb"|on|to|\()?[\s\x01\x02:.#]{0,4}[\"']?"
    rb"((?:\+|\()?[0-9](?:[ \-.()/]{0,2}[0-9]){6,14})(?![0-9A-Za-z_])",
    re.IGNORECASE,
)


def _digits(text: bytes) -> bytes:
    return bytes(byte for byte in text if 0x30 <= byte <= 0x39)


def find_international_phone(flat: bytes, offset: int) -> list[Span]:
    """Find a number with ``+`` or ``00`` and a country code: 8-15 digits (ITU-T E.164), eleven after +1 and +7."""
    match = _INTERNATIONAL.search(flat, max(0, offset - 16), min(len(flat), offset + 32))
    if match is None:
        return []
    digits = _digits(match[0])
    if match[0].lstrip(b"\x02").startswith(b"00"):
        digits = digits[2:]
        if len(digits) < 10:
            return []
    if not 8 <= len(digits) <= 15 or (digits[:1] in b"17" and len(digits) != 11):
        return []
    return [(match.start(), match.end(), PHONE)]


def find_national_phone(flat: bytes, offset: int) -> list[Span]:
    """Find a number in the North American form, 3-3-4 with separators."""
    match = _NANP.search(flat, max(0, offset - 18), min(len(flat), offset + 6))
    if match is None:
        return []
    area = match[1] or match[2]
    dashed = match[1] is not None or (match[4] == b"-" and flat[match.end(2) : match.end(2) + 1] == b"-")
    if not dashed and (area[:1] < b"2" or match[3][:1] < b"2"):
        return []
    return [] if area == b"000" else [(match.start(), match.end(), PHONE)]


def find_trunk_phone(flat: bytes, offset: int) -> list[Span]:
    """Find a number with a leading 0 and separators: 9-12 digits, not a date."""
    match = _TRUNK_ZERO.search(flat, max(0, offset - 20), min(len(flat), offset + 24))
    if match is None or not 9 <= len(_digits(match[0])) <= 12 or _DATE.match(match[0]):
        return []
    return [(match.start(), match.end(), PHONE)]


def find_bare_mobile(flat: bytes, offset: int) -> list[Span]:
    """Find a mobile number without separators in the forms of Britain, Germany, France, Australia and Belgium."""
    match = _BARE_MOBILE.search(flat, max(0, offset - 14), min(len(flat), offset + 2))
    return [(match.start(), match.end(), PHONE)] if match else []


def find_named_phone(flat: bytes, offset: int) -> list[Span]:
    """Find any 7-15 digits that follow a word for a telephone."""
    match = _NAMED_PHONE.search(flat, max(0, offset - 48), min(len(flat), offset + 24))
    return [(match.start(1), match.end(1), PHONE)] if match else []


_IBAN_HEAD = re.compile(rb"(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))([A-Za-z]{2})[0-9]{2}[ \-]?[0-9A-Za-z]{4}")


def find_iban(flat: bytes, offset: int) -> list[Span]:
    """Find an IBAN, in one piece or in groups separated by single spaces or dashes."""
    high = min(len(flat), offset + 48)
    for match in _IBAN_HEAD.finditer(flat, max(0, offset - 24), high):
        length = IBAN_LENGTHS.get(match[1].upper().decode())
        if length is None:
            continue
        characters, at = bytearray(), match.start()
        while at < high and len(characters) < length:
            byte = flat[at : at + 1]
            if byte.isalnum():
                characters += byte
            elif byte not in b" -+\x02" or not flat[at + 1 : at + 3].lstrip(b" -+\x02").isalnum():
                break
            at += 1
        if is_iban(bytes(characters)) and not flat[at : at + 1].isalnum():
            return [(match.start(), at, IBAN)]
    return []
