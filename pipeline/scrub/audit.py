"""The audit: what remains in stored events, found by a method that shares no code with the scrubber.

It decodes the JSON in full, walks every text in it (JSON inside strings and URL-encoded text too), and searches each
with plain regular expressions. That is a hundred times slower than scrubbing and looks only for what is beyond doubt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

_PATTERNS = {
    "email": re.compile(
        r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)*\."
        r"(?!png|jpe?g|svg|gif|webp|service\b|html?\b|js\b|css\b)[a-z]{2,}",
        re.IGNORECASE,
    ),
    "creditcard": re.compile(r"(?<![\w.-])(?:4\d{3}|5[1-5]\d{2}|3[47]\d{2}|6011)(?:[ -]?\d){9,12}(?![\w-])"),
    "ssn": re.compile(r"(?<![\w.-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    "phone": re.compile(r"(?<![\w/+=])\+[1-9]\d{0,2}[ -]?\(?\d{2,4}\)?[ -]?\d{3,4}[ -]?\d{2,4}(?![\w:])"),
    "token": re.compile(
        r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}|\bAKIA[A-Z2-7]{16}\b|\bgh[pousr]_\w{36}|\bsk_live_\w{16,}"
        r"|\bxox[bp]-\w{8,}"
    ),
    "privatekey": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "password": re.compile(r"\w+://[^\s/:@\"']*:(?!\[|\*|%s)[^\s/@\"'\[]+@\w"),
}  # fmt: skip
_SECRET_KEYS = re.compile(
    r"^(?:password|passwd|secret|api_?key|access_?token|authorization|cookies?|client_?secret)$", re.IGNORECASE
)
_HARMLESS = re.compile(
    r"^\W*$|^\[[^\]]*\]$|^'?\[[^\]]*\]'?$|^\*+$|^(?:none|null|true|false|undefined|'')$", re.IGNORECASE
)
_NOT_A_MAILBOX = re.compile(r"^(?:git|this|super)@", re.IGNORECASE)
_UNSCANNED_KEYS = frozenset(("event_id", "trace_id", "span_id", "parent_span_id", "id", "release", "dist", "modules"))


class Audit:
    """Counts what remains: ``remains`` maps table, field and kind to the number of rows and the id of one of them."""

    def __init__(self) -> None:
        self.remains: dict[tuple[str, str, str], tuple[int, str]] = {}

    def look_at(self, table: str, row_id: str, text: str) -> int:
        """Search one stored JSON text; returns 1, the number of rows read."""
        try:
            value = json.loads(text) if text else {}
        except ValueError:
            value = text
        for place in {(field, kind) for field, kind in _findings(value, ())}:
            count, example = self.remains.get((table, *place), (0, row_id))
            self.remains[table, *place] = (count + 1, example)
        return 1


def _findings(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if _SECRET_KEYS.match(key) and isinstance(inner, str) and not _HARMLESS.match(inner):
                yield _field(path), "key"
            if key not in _UNSCANNED_KEYS:
                yield from _findings(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _findings(inner, path)
    elif isinstance(value, str):
        yield from _in_text(value, path)


def _in_text(text: str, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if text[:1] in ("{", "[", '"'):
        try:
            inner = json.loads(text)
        except ValueError:
            inner = None
        if isinstance(inner, dict | list | str):
            yield from _findings(inner, path)
            return
    readable = unquote(text) if "%" in text else text
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(readable):
            if (kind != "creditcard" or _luhn(match[0])) and not _NOT_A_MAILBOX.match(match[0]):
                yield _field(path), kind
                break


def _field(path: tuple[str, ...]) -> str:
    """Return the top-level section alone: deeper keys may be an event's own text."""
    return path[0] if path else "event"


def _luhn(number: str) -> bool:
    digits = [int(character) for character in reversed(number) if character.isdigit()]
    return sum(d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(digits)) % 10 == 0
