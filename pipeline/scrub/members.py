"""Sensitive keys of the JSON itself: whose value goes, whatever its type, and where that value is.

The scan reports where a sensitive word stands just before a structural character. Four shapes put a value beside it:
a member ``"password": …``, a pair ``["password", "x"]``, an argument list ``["--password", "x", …]`` and a named
value ``{"name": "password", "value": "x"}``, in either order.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.scrub.blanks import is_masked
from pipeline.scrub.jsontext import back_over_space, key_before, leaves, opening_quote, skip_space
from pipeline.scrub.keys import KeyNames

_NAME_KEYS: Final = frozenset(b"name key header field param parameter k variable attribute label id n".split())
_VALUE_AFTER: Final = re.compile(
    rb'[ \t\r\n]*,(?:[ \t\r\n]*"(?!(?:value|val|v|content|data)")[^"\\]*+"[ \t\r\n]*:[ \t\r\n]*(?:"(?:[^"\\]'
    rb'|\\.)*+"|[\w.+\-]++)[ \t\r\n]*,){0,4}'
    rb'[ \t\r\n]*"(?:value|val|v|content|data)"[ \t\r\n]*:',
    re.DOTALL,
)
_VALUE_BEFORE: Final = re.compile(
    rb'[ \t\r\n]*"(?:value|val|v|content|data)"[ \t\r\n]*:[ \t\r\n]*("(?:[^"\\]|\\.)*+"'
    rb"|-?[0-9][0-9.eE+\-]*+)[ \t\r\n]*,[ \t\r\n]*\Z",
    re.DOTALL,
)
_WORKING_DIRECTORY: Final = re.compile(rb"['\"]?(?:/|[A-Za-z]:\\)[\w.\-/\\ ]*['\"]?")
_ATTRIBUTE_TYPES: Final = frozenset((b"string", b"boolean", b"integer", b"double", b"array"))
_FETCH_MODES: Final = frozenset((b"include", b"omit", b"same-origin"))
_RAW_HEADERS: Final = (b'"rawHeaders":', b'"raw_headers":')
_HEADERS_WINDOW: Final = 4096
_MARKER: Final = re.compile(rb"\[(?:token|password|secret|session|cookie|creditcard|ssn)\](?=[ &\"])")
"""What stands for the value of a key in text that was scrubbed before."""
_PAIR_KEY: Final = re.compile(
    rb"[\w.\- ]++(?:\[(?!(?:email|creditcard|ssn|phone|ip|iban|mac|imei|user|uuid)(?:-\d+)?\])[\w\-]*\])*"
)
"""The first element of a pair that can be a key; text such as ``secret=…``, or with ``[email]`` in it, is none."""
_OPTION: Final = re.compile(rb"--?[A-Za-z][\w\-]*")
_VALUE_BEFORE_WINDOW: Final = 4096
LONGEST_KEY: Final = 64


class Leaf:
    """A leaf to blank: its bounds (a string's content, or a number) and its kind."""

    __slots__ = ("is_string", "kind", "start", "stop")

    def __init__(self, start: int, stop: int, kind: str, *, is_string: bool) -> None:
        self.start = start
        self.stop = stop
        self.kind = kind
        self.is_string = is_string


class Blanked:
    """The leaves of one sensitive value, and where the value ends."""

    __slots__ = ("leaves", "stop")

    def __init__(self, found: list[Leaf], stop: int) -> None:
        self.leaves = found
        self.stop = stop


def closing_quote(text: bytes, end: int) -> int:
    """Return the offset of the quote that closes a string just before the separator at ``end - 1``, or -1."""
    quote = back_over_space(text, end - 1)
    if text[quote] != 0x22:
        return -1
    slashes = quote
    while text[slashes - 1] == 0x5C:
        slashes -= 1
    return quote if (quote - slashes) % 2 == 0 else -1


def may_be_beside(text: bytes, end: int) -> bool:
    """Whether the word before the separator at ``end - 1`` may have a value beside it; cheap, and mostly says no.

    Most such words are ordinary values, such as ``"function": "get_token",``: a member's whose key is no "name".
    """
    quote = end - 2
    if text[quote] != 0x22 or text[quote - 1] == 0x5C:
        return True
    before = text.rfind(b'"', 0, quote) - 1
    if text[before] != 0x3A or text[before - 1] != 0x22:
        return text[before] not in b",{" or text[before + 2] == 0x2D or _in_raw_headers(text, quote)
    return text[text.rfind(b'"', 0, before - 1) + 1 : before - 1] in _NAME_KEYS


def says_nothing(text: bytes, end: int, names: KeyNames) -> bool:
    """Whether the word before ``end`` is a member's key that is not sensitive, or whose value is filtered already.

    Cheap, and right where it says so; ``False`` means that :func:`find_member` has to look.
    """
    if end < 3 or text[end - 1] != 0x3A or text[end - 2] != 0x22 or text[end - 3] == 0x5C:
        return text[end : end + 1] == b"[" and _MARKER.match(text, end) is not None
    start = text.rfind(b'"', 0, end - 2) + 1
    if text[start - 2] == 0x5C:
        return False
    return text[end : end + 12] == b'"[Filtered]"' or names.kind_of(text[start : end - 2]) is None


def find_member(text: bytes, quote: int, end: int, names: KeyNames) -> Blanked | None:
    """Return what a sensitive key announces; its string closes at ``quote`` and the separator is at ``end - 1``."""
    start = opening_quote(text, quote) + 1
    separator = text[end - 1]
    if separator == 0x3A:
        key = text[start:quote]
        kind = names.kind_of(key)
        return _value(text, skip_space(text, end), key, kind) if kind else None
    before = text[back_over_space(text, start - 1)]
    if quote - start > LONGEST_KEY:
        return None
    if separator == 0x2C and before in b"[," and _in_raw_headers(text, start):
        kind = names.kind_of(text[start:quote])
        return _value(text, skip_space(text, end), text[start:quote], kind) if kind else None
    if before == 0x5B or text[start] == 0x2D:
        return _beside(text, start, quote, end, names) if separator == 0x2C else None
    if before == 0x3A and key_before(text, start - 1) in _NAME_KEYS:
        key = text[start:quote]
        kind = names.kind_of(key) if _PAIR_KEY.fullmatch(key) else None
        return _named_value(text, quote + 1, start - 1, key, kind) if kind else None
    return None


def _in_raw_headers(text: bytes, offset: int) -> bool:
    """Whether ``offset`` is in a list of names and values by turns, as Node.js keeps the headers of a request."""
    low = max(0, offset - _HEADERS_WINDOW)
    low = max(low, text.rfind(b"]", low, offset))  # the list is not closed yet
    at = text.rfind(b'eaders":', low, offset)
    return at > 5 and text.endswith(_RAW_HEADERS, 0, at + 8)


def _beside(text: bytes, start: int, quote: int, end: int, names: KeyNames) -> Blanked | None:
    key = text[start:quote]
    option = key.startswith(b"-")
    if (option and not _OPTION.fullmatch(key)) or not _PAIR_KEY.fullmatch(key):
        return None
    kind = names.kind_of(key)
    return _next_element(text, end, key, kind, pair=not option) if kind else None


def _next_element(text: bytes, end: int, key: bytes, kind: str, *, pair: bool) -> Blanked | None:
    at = skip_space(text, end)
    if text[at] in b'"-0123456789' and pair:
        _, stop = leaves(text, at)
        if text[skip_space(text, stop)] != 0x5D:
            return None
    elif pair and text[at] not in b"[{":
        return None
    return _value(text, at, key, kind)


def _named_value(text: bytes, after: int, opening: int, key: bytes, kind: str) -> Blanked | None:
    following = _VALUE_AFTER.match(text, after)
    if following is not None:
        return _value(text, skip_space(text, following.end()), key, kind)
    name = opening_quote(text, back_over_space(text, back_over_space(text, opening)))
    low = max(0, name - _VALUE_BEFORE_WINDOW)
    brace = text.rfind(b'{"v', low, name) if text.find(b'{"v', low, name) >= 0 else text.rfind(b"{", low, name)
    preceding = _VALUE_BEFORE.match(text, brace + 1, name) if brace >= 0 else None
    return _value(text, preceding.start(1), key, kind) if preceding else None


def _value(text: bytes, at: int, key: bytes, kind: str) -> Blanked:
    """List the leaves of the value at ``at`` that say something; booleans and nulls hold no secret and stay."""
    if text[at] in b"tfn":
        return Blanked([], at)
    found, stop = leaves(text, at)
    plural = key.lower().endswith(b"tokens")
    blanked = []
    for low, high, is_string in found:
        if is_string and (is_masked(text[low:high]) or _says_no_secret(text, low, high, key)):
            continue
        if not is_string and plural:
            continue
        blanked.append(Leaf(low, high, kind, is_string=is_string))
    return Blanked(blanked, stop)


def _says_no_secret(text: bytes, low: int, high: int, key: bytes) -> bool:
    """Whether a string under a sensitive key is known to be none of it: a path, or the type of an attribute."""
    value = text[low:high]
    if value in _ATTRIBUTE_TYPES and key_before(text, low - 1) == b"type":
        return True
    return _is_working_directory(key, value) or (value in _FETCH_MODES and key == b"credentials")


def _is_working_directory(key: bytes, value: bytes) -> bool:
    """Whether this is the shell's ``PWD``, which is a path and no password."""
    return key in (b"PWD", b"OLDPWD", b"pwd") and _WORKING_DIRECTORY.fullmatch(value) is not None
