"""Where things are in the bytes of a JSON text, found locally, without parsing the whole of it.

Everything here takes the text of one valid JSON document and an offset in it. The work done is proportional to the
distance to the next quote or bracket, so that a clean event costs nothing and a found spot costs little.

The *flat* form of a string is what its exact checks read: of the same length in bytes, byte for byte at the same
offsets, with every escape replaced by fillers and the character it stands for (``\\n`` is ``0x01 0x0A``). A span
found in the flat form can therefore be cut out of the original bytes. Neither filler can occur in valid JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

FILL: Final = b"\x01"
"""Stands before a character that was escaped with a backslash in JSON."""

PERCENT_FILL: Final = b"\x02"
"""Stands before a character that was percent-encoded."""

STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_REST_OF_STRING: Final = re.compile(rb'(?:[^"\\]|\\.)*+', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+\-]*+")
_OUTSIDE_ONLY: Final = re.compile(rb"[ \t\r\n:,\[\]{}0-9+\-.eEtrufalsn]*+\Z")
_LEAF: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"([ \t\r\n]*+:)?|(-?[0-9][0-9.eE+\-]*+)|([\[{])|([\]}])', re.DOTALL)
_ESCAPE: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_PAIR: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_UNICODE: Final = re.compile(rb"\\u[0-9a-fA-F]{4}")
_INNER_UNICODE: Final = re.compile(rb"(?<![\x01\\])[\x01\\]++(?:u([0-9a-fA-F]{4})|xa0)")
_PERCENT: Final = re.compile(rb"%([0-9a-fA-F]{2})")
_PIECE: Final = re.compile(rb"[^\x01\x02]+")
_COLOUR: Final = re.compile(rb"\x04\[[0-9;]{0,16}m")
"""What is left of a terminal's colour code once its escape character is filled."""
_TYPE_MEMBER: Final = re.compile(
    rb'[ \t\r\n]*+"(?:type|unit)"[ \t\r\n]*+:[ \t\r\n]*+"[\w.]{0,24}"[ \t\r\n]*+,[ \t\r\n]*+\Z'
)
_BACKSLASH: Final = 0x5C
_PERCENT_SIGN: Final = 0x25
_SHORT_ESCAPES: Final = {
    0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0C: b"\\f", 0x0D: b"\\r", 0x22: b'\\"', 0x5C: b"\\\\",
}  # fmt: skip
_SIMPLE_ESCAPES: Final = (
    (b"\\n", b"\x01\n"),
    (b"\\t", b"\x01\t"),
    (b"\\r", b"\x01\r"),
    (b"\\b", b"\x01\b"),
    (b"\\f", b"\x01\f"),
)


def canonical(text: bytes) -> bytes:
    """Return ``text`` with ``\\u`` and ``\\/`` escapes replaced by what they stand for, where JSON allows it.

    Quotes, backslashes and control characters get their short escapes; other control characters and lone surrogates
    stay as they are. The result is the same JSON value.
    """
    if b"\\u" not in text and b"\\\\" not in text:
        return text.replace(b"\\/", b"/")
    return _ESCAPE.sub(_plain, text)


def _plain(match: re.Match[bytes]) -> bytes:
    high, low, single, other = match.groups()
    if other is not None:
        return b"/" if other == b"/" else match[0]
    if high is not None:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)).encode()
    code = int(single, 16)
    if code in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[code]
    if code < 0x20 or 0xD800 <= code <= 0xDFFF:
        return match[0]
    return chr(code).encode()


def flatten(raw: bytes) -> bytes:
    """Return the flat form of a string's raw content: escapes and percent-encoding undone, same length."""
    flat = raw
    if _BACKSLASH in flat:
        flat = flat.replace(b"\\\\", b"\x01\x03")
        if _BACKSLASH in flat:
            flat = flat.replace(b'\\"', b'\x01"')
            for escape, plain in _SIMPLE_ESCAPES:
                flat = flat.replace(escape, plain)
            if _BACKSLASH in flat:
                flat = _PAIR.sub(b"\x01\x01\x01\x01\x01\x01\x01\x04\x04\x04\x04\x04", flat)
                flat = _UNICODE.sub(b"\x01\x01\x01\x01\x01\x04", flat)
                if b"\x04[" in flat:
                    flat = _COLOUR.sub(_filled, flat)
        flat = flat.replace(b"\x03", b"\\")
        if _BACKSLASH in flat and (b"\\u" in flat or b"\\xa0" in flat):
            flat = _INNER_UNICODE.sub(_inner_unicode, flat)
    for _ in range(3):
        if _PERCENT_SIGN not in flat:
            break
        decoded = _PERCENT.sub(_percent, flat)
        if decoded == flat:
            break
        flat = decoded
    return flat


def without_fillers(flat: bytes) -> tuple[bytes, list[int], list[int]]:
    """Return a flat form without its fillers.

    Its pieces begin at the offsets in the second value, and stood as many bytes further on as the third says.
    """
    pieces: list[bytes] = []
    begins: list[int] = []
    shifts: list[int] = []
    length = 0
    for match in _PIECE.finditer(flat):
        pieces.append(match[0])
        begins.append(length)
        shifts.append(match.start() - length)
        length += len(match[0])
    return b"".join(pieces), begins, shifts


def whole_characters(flat: bytes, start: int, stop: int) -> tuple[int, int]:
    """Widen or narrow a span of flat text so that it begins and ends between characters, never inside an escape."""
    while start and flat[start - 1] in (0x01, 0x02):
        start -= 1
    while stop > start and flat[stop - 1] in (0x01, 0x02):
        stop -= 1
    while start and 0x80 <= flat[start] < 0xC0:
        start -= 1
    while stop < len(flat) and 0x80 <= flat[stop] < 0xC0:
        stop += 1
    return start, stop


def is_document(raw: bytes) -> bool:
    """Whether a string's raw content has the outward look of a JSON object, array or string."""
    if not raw or raw[0] not in b'{["\\ nrt':  # most strings
        return False
    first, last = raw[:16].lstrip(b" \\nrt")[:1], raw[-16:].rstrip(b" \\nrt")[-1:]
    return (
        (first == b"{" and last == b"}") or (first == b"[" and last == b"]") or (first == last == b'"' and len(raw) > 4)
    )


def _inner_unicode(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16) if match[1] is not None else 0xA0
    if code < 0x20 or 0xD800 <= code <= 0xDFFF:
        return match[0]
    character = chr(code).encode()
    return PERCENT_FILL * (len(match[0]) - len(character)) + character


def _filled(match: re.Match[bytes]) -> bytes:
    return FILL * (len(match[0]) - 1) + b"\x04"


def _percent(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16)
    return match[0] if code < 0x09 else b"\x02\x02" + bytes((code,))


def opening_quote(text: bytes, before: int) -> int:
    """Return the offset of the last unescaped quote before ``before``, or -1."""
    quote = text.rfind(b'"', 0, before)
    while quote > 0 and text[quote - 1] == _BACKSLASH:
        slashes = quote - 1
        while text[slashes - 1] == _BACKSLASH:
            slashes -= 1
        if (quote - slashes) % 2 == 0:
            break
        quote = text.rfind(b'"', 0, slashes)
    return quote


def string_stop(text: bytes, start: int) -> int:
    """Return the offset of the quote that closes the string whose content begins at ``start``."""
    quote = text.find(b'"', start)
    if quote > start and text[quote - 1] != _BACKSLASH:
        return quote
    match = _REST_OF_STRING.match(text, start)
    return match.end() if match else start


def skip_space(text: bytes, offset: int) -> int:
    """Return the first offset from ``offset`` on that is not JSON white space."""
    if offset >= len(text) or text[offset] not in (0x20, 0x09, 0x0A, 0x0D):
        return offset
    match = _SPACE.match(text, offset)
    return match.end() if match else offset


def back_over_space(text: bytes, offset: int) -> int:
    """Return the offset of the last byte before ``offset`` that is not JSON white space (0 at the start)."""
    offset -= 1
    while offset > 0 and text[offset] in (0x20, 0x09, 0x0A, 0x0D):
        offset -= 1
    return offset


def surely_inside(text: bytes, quote: int, offset: int) -> bool:
    """Whether ``offset`` is inside the string that opens at ``quote``, judged from the bytes between them.

    ``False`` means "cannot tell from here": ``quote`` may as well close a string, and ``offset`` be a number after it.
    """
    if text[quote + 1] not in b":,]} \t\r\n":
        return True
    return _OUTSIDE_ONLY.match(text, quote + 1, offset) is None


def number_bounds(text: bytes, offset: int, low: int) -> tuple[int, int] | None:
    """Return the bounds of the JSON number that the byte at ``offset`` is in, beginning at ``low`` or later."""
    start = offset
    while start > low and text[start - 1] in b"0123456789.eE+-":
        start -= 1
    match = _NUMBER.match(text, start)
    return match.span() if match else None


def key_before(text: bytes, offset: int) -> bytes | None:
    """Return the raw key of the member whose value begins at ``offset``; ``None`` when it is no member's value."""
    colon = back_over_space(text, offset)
    if text[colon] != 0x3A:
        return None
    stop = back_over_space(text, colon)
    if text[stop] != 0x22:
        return None
    return text[opening_quote(text, stop) + 1 : stop]


def owner_of(text: bytes, offset: int, known: dict[int, bytes | None], limit: int = 256) -> bytes | None:
    """Return the key whose value, or whose flat array's element, begins at ``offset``; ``limit`` elements back.

    The second element of a pair in a list of pairs, ``["build", "1.2.3"]``, belongs to the first.
    ``known`` maps offsets to owners found before; with it the work over a whole array grows with its length only.
    """
    for back in range(limit):
        before = back_over_space(text, offset)
        byte = text[before]
        if byte == 0x3A:
            return key_before(text, offset)
        if byte == 0x5B:
            return key_before(text, before)
        if byte != 0x2C:
            return None
        stop = back_over_space(text, before)
        if text[stop] == 0x22:
            offset = opening_quote(text, stop)
            if back == 0 and _is_inner_array(text, back_over_space(text, offset)):
                return text[offset + 1 : stop]
        elif text[stop] in b"]}":
            return None
        else:
            offset = stop
            while text[offset - 1] not in b",[:{ \t\r\n":
                offset -= 1
        if offset in known:
            return known[offset]
    return None


def outer_key(text: bytes, offset: int) -> bytes | None:
    """Return the key of the object that holds nothing but the value at ``offset``, and perhaps its type.

    So are the attributes of streamed spans written: ``"app.version": {"value": "1.2.3", "type": "string"}``.
    """
    quote = opening_quote(text, back_over_space(text, back_over_space(text, offset)))
    before = back_over_space(text, quote)
    if text[before] == 0x2C:
        low = max(0, before - 64)
        before = text.rfind(b"{", low, before)
        if before < 0 or _TYPE_MEMBER.match(text, before + 1, quote) is None:
            return None
    return key_before(text, before) if text[before] == 0x7B else None


def following_strings(text: bytes, stop: int, limit: int = 256) -> Iterator[tuple[int, int]]:
    """Yield the bounds of the strings that follow, in the same array, the one whose closing quote is at ``stop``."""
    for _ in range(limit):
        comma = skip_space(text, stop + 1)
        start = skip_space(text, comma + 1)
        if text[comma : comma + 1] != b"," or text[start : start + 1] != b'"':
            return
        stop = string_stop(text, start + 1)
        if text[skip_space(text, stop + 1)] == 0x3A:
            return
        yield start + 1, stop


def preceding_strings(text: bytes, start: int, limit: int = 64) -> list[tuple[int, int]]:
    """List the bounds of the strings before the one whose content begins at ``start``, in the same array, backwards."""
    found: list[tuple[int, int]] = []
    for _ in range(limit):
        comma = back_over_space(text, start - 1)
        stop = back_over_space(text, comma)
        if text[comma] != 0x2C or text[stop] != 0x22:
            break
        start = opening_quote(text, stop) + 1
        if text[back_over_space(text, start - 1)] == 0x3A:
            break
        found.append((start, stop))
    return found


_SIBLING_WINDOW: Final = 16384


def sibling_strings(text: bytes, offset: int, owner: bytes, field: bytes) -> list[list[tuple[int, int]]]:
    """List the strings of the members called ``field`` that are nearer to ``offset`` than another ``owner`` is.

    One of them is in the object that ``offset`` is in the ``owner`` of; which one is not known without parsing.
    """
    own = b'"' + owner + b'"'
    low = text.rfind(own, max(0, offset - _SIBLING_WINDOW), offset)
    low = max(text.rfind(own, max(0, low - _SIBLING_WINDOW), max(0, low)), low - _SIBLING_WINDOW, 0)
    high = text.find(own, offset, offset + _SIBLING_WINDOW)
    if high < 0:
        high = min(len(text), offset + _SIBLING_WINDOW)
    found = []
    at = text.find(b'"' + field + b'"', low, high)
    while at >= 0:
        colon = skip_space(text, at + len(field) + 2)
        value = skip_space(text, colon + 1)
        if text[value : value + 1] == b"[":
            value = skip_space(text, value + 1)
        if text[colon : colon + 1] == b":" and text[value : value + 1] == b'"':
            stop = string_stop(text, value + 1)
            found.append([(value + 1, stop), *following_strings(text, stop)])
        at = text.find(b'"' + field + b'"', at + 1, high)
    return found


def _is_inner_array(text: bytes, bracket: int) -> bool:
    """Whether an array begins at ``bracket`` inside another one, as a pair in a list of pairs does."""
    return text[bracket] == 0x5B and text[back_over_space(text, bracket)] in b"[,"


def leaves(text: bytes, offset: int) -> tuple[list[tuple[int, int, bool]], int]:
    """List the leaves of the JSON value that begins at ``offset``: (start, stop, is_string), and the value's end.

    A string's bounds are those of its content; keys, booleans and nulls are not listed.
    """
    if text[offset] == 0x22:  # most values
        stop = string_stop(text, offset + 1)
        if text[stop + 1 : stop + 2] in (b",", b"}", b"]"):
            return [(offset + 1, stop, True)], stop + 1
    found: list[tuple[int, int, bool]] = []
    depth = 0
    while True:
        match = _LEAF.search(text, offset)
        if match is None:
            return found, len(text)
        kind, offset = match.lastindex, match.end()
        if kind == 4:
            depth += 1
        elif kind == 5:
            depth -= 1
        elif kind == 3:
            found.append((match.start(), offset, False))
        elif match[2] is None:
            found.append((match.start(1), match.end(1), True))
        if depth <= 0:
            return found, offset
