"""One failure, four engines: the messages of V8, SpiderMonkey and JavaScriptCore brought to one wording.

Where an engine says less than another (Firefox names the value but not the property, Safari the expression), the
wording keeps what all of them say.
"""

from __future__ import annotations

import re

_LONGEST = 500
"""Characters of a message that are looked at; engines' own messages are short."""


def _same(wording: str, *spellings: str) -> tuple[re.Pattern[str], str]:
    """Return a pattern for all spellings of one failure, and their common wording; ``{}`` takes the first group."""
    return re.compile(rf"^(?:{'|'.join(spellings)})\.?\s*$", re.IGNORECASE | re.DOTALL), wording


_SAME = (
    _same(
        "ResizeObserver loop",
        "ResizeObserver loop limit exceeded",
        "ResizeObserver loop completed with undelivered notifications",
    ),
    _same(
        "cannot use property of null or undefined",
        r"(?:Cannot|can't|Unable to) (?:read|set|get|access|define|delete) (?:propert(?:y|ies)|private).*"
        r"\b(?:undefined|null)\b.*",
        r"(?:null|undefined) is not an object\b.*",
        r"[\w$.\[\]()\"' ]{1,120} is (?:undefined|null)",
        r"(?:null|undefined) has no properties",
        r"Right side of assignment cannot be destructured",
        r"Cannot destructure .* as it is (?:undefined|null)",
        r".* is (?:undefined|null)\. can't destructure.*",
        r"(?:Cannot|can't) convert (?:undefined or null|undefined|null) to object",
    ),
    _same(
        "{} is not defined",
        r"Can't find variable: ([\w$]+)",
        r"([\w$]+) is not defined",
        r"'([\w$]+)' is (?:not defined|undefined)",
    ),
    _same(
        "not iterable",
        r".*\bis not iterable\b.*",
        r".*Spread syntax requires .*iterable.*",
        r".*is not a function or its return value is not iterable.*",
    ),
    _same("{} is not a function", r"[\w$.\[\]()\"']*?([\w$]+)(?:\(\.{3}\))? is not a function\b.*"),
    _same("{} is not a constructor", r"[\w$.]*?([\w$]+) is not a constructor\b.*"),
    _same(
        "fetch failed",
        r"Failed to fetch\b.*",
        r"NetworkError when attempting to fetch resource\b.*",
        r"Load failed\b.*",
        r"fetch failed",
        r"Network request failed",
        r"The network connection was lost",
        r"The Internet connection appears to be offline",
        r"The request timed out",
        r"cancelled",
        r"A server with the specified hostname could not be found",
        r"Could not connect to the server",
    ),
    _same(
        "invalid JSON",
        r"Unexpected token .* in JSON\b.*",
        r"Unexpected token .*is not valid JSON",
        r"JSON\.parse: unexpected (?:character|keyword|non-\w+).*",
        r"JSON Parse error: (?:Unrecognized token|Unexpected identifier|Unexpected token).*",
    ),
    _same(
        "truncated JSON",
        r"Unexpected end of JSON input.*",
        r"JSON\.parse: unexpected end of data.*",
        r"JSON Parse error: Unexpected EOF",
        r"Unterminated string in JSON.*",
    ),
    _same("stack overflow", "Maximum call stack size exceeded", "too much recursion"),
    _same(
        "assignment to constant",
        "Assignment to constant variable",
        "invalid assignment to const .*",
        "Attempted to assign to readonly property",
    ),
    _same(
        "quota exceeded",
        r".*exceeded the quota.*",
        r"The quota has been exceeded",
        r"Persistent storage maximum size reached",
        r"QuotaExceededError.*",
    ),
    _same(
        "aborted",
        r"The user aborted a request",
        r"The operation was aborted.*",
        r"signal is aborted without reason",
        r"Fetch is aborted",
        r"AbortError.*",
    ),
    _same(
        "cyclic JSON",
        r"Converting circular structure to JSON.*",
        r"cyclic object value",
        r"JSON\.stringify cannot serialize cyclic structures",
    ),
    _same(
        "variable used before initialization",
        r"Cannot access '[\w$]+' before initialization",
        r"can't access lexical declaration '[\w$]+' before initialization",
        r"Cannot access uninitialized variable",
    ),
    _same(
        "invalid array length",
        r"Invalid array length",
        r"Array size is not a small enough positive integer",
        r"Array length must be a positive integer.*",
    ),
    _same("invalid date", "Invalid time value", "Invalid date"),
    _same(
        "cross-origin access",
        r"Blocked a frame with origin .*",
        r"Permission denied to access property .*",
    ),
    _same(
        "playback not allowed",
        r"play\(\) failed because the user didn't interact.*",
        r"The play method is not allowed by the user agent.*",
        r"The request is not allowed by the user agent.*",
    ),
    _same(
        "illegal invocation",
        r"Illegal invocation",
        r"'.*' called on an object that (?:does not|is not).*",
        r"Can only call .* on instances of .*",
    ),
)


def common_wording(message: str) -> str | None:
    """Return the engines' common wording of a failure, or ``None`` for a message that is the application's own."""
    message = message[:_LONGEST]
    for pattern, wording in _SAME:
        found = pattern.match(message)
        if found:
            return wording.format(next((group for group in found.groups() if group), ""))
    return None
