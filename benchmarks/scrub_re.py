"""The ordinary way to scrub, to compare with: a regular expression a kind, over every string of the decoded event.

What an engineer writes in an afternoon who knows the kinds and takes care: decode the event, blank what stands under a
sensitive key, run each kind's expression over every string, check cards by Luhn, replace, and encode the event again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

Replacement = str | Callable[[re.Match[str]], str]

SENSITIVE_KEY = re.compile(
    r"pass(?:word|wd|phrase)?$|secret|token|api[_-]?key|authorization|cookie|csrf|session[_-]?id|credential|private[_-]?key",
    re.IGNORECASE,
)


def luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if at % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _checked(label: str) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        return label if luhn(re.sub(r"\D", "", match[0])) else match[0]

    return replace


KINDS: dict[str, tuple[re.Pattern[str], Replacement]] = {
    "private key": (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
        "[privatekey]",
    ),
    "jwt": (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "[token]"),
    "credentials": (re.compile(r"\b(?:bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), "[token]"),
    "aws": (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[token]"),
    "github": (re.compile(r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,})"), "[token]"),
    "gitlab": (re.compile(r"\bglpat-[\w-]{20,}"), "[token]"),
    "google": (re.compile(r"\bAIza[\w-]{35}"), "[token]"),
    "slack": (re.compile(r"\bxox[abeoprs]-[\w-]{10,}"), "[token]"),
    "stripe": (re.compile(r"\b[sr]k_(?:live|test)_\w{16,}"), "[token]"),
    "sendgrid": (re.compile(r"\bSG\.[\w-]{16,}\.[\w-]{16,}"), "[token]"),
    "registries": (re.compile(r"\b(?:npm_\w{36}|pypi-[\w-]{16,})"), "[token]"),
    "openai": (re.compile(r"\bsk-[\w-]{20,}"), "[token]"),
    "assignment": (
        re.compile(
            r"""\b(password|passwd|pwd|secret|token|api_?key)(["']?\s*[=:]\s*["']?)[^\s"'&,;]+""", re.IGNORECASE
        ),
        r"\1\2[password]",
    ),
    "url password": (re.compile(r"://([^\s/:@]*):[^\s/@]+@"), r"://\1:[password]@"),
    "email": (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), "[email]"),
    "card": (re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])"), _checked("[creditcard]")),
    "imei": (re.compile(r"(?<![\w.-])\d{2}-?\d{6}-?\d{6}-?\d(?![\w-])"), _checked("[imei]")),
    "ssn": (re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), "[ssn]"),
    "iban": (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), "[iban]"),
    "mac": (re.compile(r"\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b"), "[mac]"),
    "ipv4": (
        re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.])"),
        "[ip]",
    ),
    "ipv6": (re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,7}(?![\w:])"), "[ip]"),
    "phone": (re.compile(r"(?<![\w.])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)|\d{3})[ .-]\d{3}[ .-]\d{4}(?!\w)"), "[phone]"),
    "phone abroad": (re.compile(r"(?<![\w.])\+\d{1,3}(?:[ .-]?\d{2,4}){2,4}(?!\w)"), "[phone]"),
    "user directory": (re.compile(r"([/\\](?:home|Users)[/\\])[^/\\\s]+"), r"\1[user]"),
}


def scrub(payload: bytes) -> bytes:
    """Return an event's JSON text with everything replaced."""
    return msgspec.json.encode(_scrubbed(msgspec.json.decode(payload)))


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, replacement in KINDS.values():
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {
            key: "[password]" if item and SENSITIVE_KEY.search(key) else _scrubbed(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    return value
