"""Secrets that prose or a protocol's command announces: ``your code is 482913``, ``PASSWORD 'x'``, ``PASS hunter2``.

Nothing like a key and a separator stands before them, so every expression here asks for words that mean nothing else,
and for a value that is no word of prose. All read the flat form of a string (see :mod:`pipeline.scrub.jsontext`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from pipeline.scrub.checksums import is_ssn
from pipeline.scrub.kinds import PASSWORD, SESSION, SSN, Span
from pipeline.scrub.textfields import find_spoken_password, is_blank, looks_secret

_REACH = 256
_BEGINS = rb"(?:(?<![A-Za-z0-9_\-])|(?<=\\[nrt]))"
_QUOTE = rb"[\\\x01]{0,8}[\"']"
_CODE = (
    rb"((?:[A-Z]-)?[0-9]{4,8}|[0-9]{3}[ \-][0-9]{3}|(?=[A-Z]{0,8}[0-9])[0-9A-Z]{4,10})(?![A-Za-z0-9_]|[.,:\-/][0-9]|%)"
)
_PURPOSE = (
    rb"(?:verification|security|confirmation|authentication|authorization|activation|log-?in|sign-?in|access|sms|otp"
    rb"|one-?time|2fa|mfa|two-factor|recovery|reset)"
)
_CODE_AFTER = re.compile(
    _BEGINS + rb"(?i:(?:" + _PURPOSE + rb"[ _\-](?:pass)?code|one-?time[ \-](?:password|passcode|pin)|passcode|otp)"
    rb"(?: for [\w ]{1,32}?)?(?: (?:is|was):?| number| #)?|pin(?: code)?(?: for [\w ]{1,32}?)? (?:is|was):?) {1,2}#?(?:"
    + _QUOTE
    + rb")?"
    + _CODE
)
_CODE_BEFORE = re.compile(
    rb"(?:(?<![A-Za-z0-9_.,:\-/])|(?<=\\[nrt]))((?:[A-Z]-)?[0-9]{4,8}|[0-9]{3}[ \-][0-9]{3})"
    rb"(?i: (?:is|as) (?:your|the) (?:\w{1,24} ){0,3}(?:(?:"
    + _PURPOSE
    + rb"|\w{1,24}) (?:pass)?code|one-?time (?:password|pin)|passcode|otp|pin)(?![A-Za-z0-9]))"
)
_SESSION = re.compile(
    _BEGINS + rb"(?i:session[_\- ]?id) (?:(?:is|was|of) )?[(<]?(?:" + _QUOTE + rb")?([A-Za-z0-9][\w\-.~+/=]{7,256})"
)
_SSN = re.compile(
    _BEGINS + rb"(?i:ssn|social security (?:number|no\.?|#))(?: (?:is|was|no\.?|number|of))?[ :#]{1,3}"
    rb"(([0-9]{3})[.\- ]?([0-9]{2})[.\- ]?([0-9]{4}))(?![0-9A-Za-z_]|[.\-][0-9])"
)

_ARGUMENT = rb"[^\s\"'\x01\\<>()]{1,256}"
_PASS = re.compile(_BEGINS + rb"PASS (" + _ARGUMENT + rb")")
_SAID = re.compile(
    rb"(?:[<>]{1,3}|[\-=]{1,4}>|(?<![A-Za-z])(?i:c|client|command|cmd|sent|send|sending|request|ftp|pop3?)[:>])"
    rb"[ \x01\"'\[(]{0,3}\Z"
)
"""What a log puts before a command that was sent."""
_USER_BEFORE = re.compile(rb"USER [^\s\x01\\]{1,64}[\s\x01\\rn>:C\-]{1,16}\Z")
_TEST = re.compile(rb"[^/]*/.*|.*\.(?:jsx?|tsx?|mjs|cjs|py|rb|php|go|java|c|cc|cpp|exp|html|t)|[Tt]est.*", re.DOTALL)
"""What test runners write after ``PASS``: a file, or the name of a test."""
_MECHANISM = re.compile(
    _BEGINS
    + rb"AUTH(?:ENTICATE)?[\\\x01]{0,8}\"? (?:PLAIN|LOGIN|XOAUTH2?|OAUTHBEARER|CRAM-MD5|NTLM|SCRAM-SHA-[0-9]{1,3})"
    rb" ([A-Za-z0-9+/]{4,4096}={0,2})(?![A-Za-z0-9+/=])"
)
_CACHE_AUTH = re.compile(
    _BEGINS
    + rb"AUTH(?:"
    + _QUOTE
    + rb")? (?:(?:"
    + _QUOTE
    + rb")?"
    + _ARGUMENT
    + rb"(?:"
    + _QUOTE
    + rb")? )?(?:"
    + _QUOTE
    + rb")?("
    + _ARGUMENT
    + rb")"
)
_LOGIN = re.compile(
    _BEGINS
    + rb"[A-Za-z]{1,4}[0-9]{1,6} LOGIN (?:[\\\x01]{0,8}\"[^\"\x01\\]{1,64}[\\\x01]{0,8}\"|"
    + _ARGUMENT
    + rb") (?:[\\\x01]{0,8}\"([^\"\x01\\]{1,256})|("
    + _ARGUMENT
    + rb"))"
)
_PASSWORD_ASKED = re.compile(
    rb"334 UGFzc3dvcmQ6[\s\x01\\rn]{1,12}(?:[<>\-=]{1,4} ?|[A-Za-z]{1,8}: ?)?([A-Za-z0-9+/]{4,512}={0,2})"
    rb"(?![A-Za-z0-9+/=])"
)
"""The server's ``Password:`` in ``AUTH LOGIN``, and what the client says to it."""
_LINE_ENDS = frozenset(b"\r\n\x01\\\"'`)<],;")
_ENCODED = re.compile(rb"[0-9=]|[a-z][A-Z]")


def find_spoken(flat: bytes, low: int, high: int) -> list[Span]:
    """Find passwords, one-time codes, session ids and SSNs in prose, and passwords in commands of protocols."""
    found = find_spoken_password(flat, low, high)
    end = min(len(flat), high + _REACH)
    for find in (_codes, _sessions, _numbers, _commands):
        found += [span for span in find(flat, low, end) if low <= span[0] < end]
    return sorted(found)


def _matches(pattern: re.Pattern[bytes], flat: bytes, low: int, end: int) -> Iterator[re.Match[bytes]]:
    """Yield the matches that begin from ``low`` on; one that reaches ``end`` is read as far as it goes."""
    for match in pattern.finditer(flat, low, end):
        whole = match if match.end() < end else pattern.match(flat, match.start())
        if whole is not None:
            yield whole


def _codes(flat: bytes, low: int, end: int) -> list[Span]:
    return [
        (*match.span(1), PASSWORD)
        for pattern in (_CODE_AFTER, _CODE_BEFORE)
        for match in _matches(pattern, flat, low, end)
    ]


def _sessions(flat: bytes, low: int, end: int) -> list[Span]:
    return [
        (*match.span(1), SESSION) for match in _matches(_SESSION, flat, low, end) if looks_secret(match[1].rstrip(b"."))
    ]


def _numbers(flat: bytes, low: int, end: int) -> list[Span]:
    return [(*match.span(1), SSN) for match in _matches(_SSN, flat, low, end) if is_ssn(match[2] + match[3] + match[4])]


def _commands(flat: bytes, low: int, end: int) -> list[Span]:
    found = [match.span(1) for match in _matches(_PASS, flat, low, end) if _is_sent(flat, match)]
    found += [match.span(1) for match in _matches(_MECHANISM, flat, low, end) if _is_encoded(match[1])]
    found += [match.span(1) for match in _matches(_PASSWORD_ASKED, flat, low, end)]
    for match in _matches(_LOGIN, flat, low, end):
        if _ends_line(flat, match.end()):
            found.append(match.span(match.lastindex or 2))
    for match in _matches(_CACHE_AUTH, flat, low, end):
        if _ends_line(flat, match.end()) and looks_secret(match[1]):
            found.append(match.span(1))
    return [(start, stop, PASSWORD) for start, stop in found if not is_blank(flat[start:stop])]


def _is_sent(flat: bytes, match: re.Match[bytes]) -> bool:
    """Whether ``PASS`` is a command of FTP or POP3 rather than a test's verdict."""
    if not _ends_line(flat, match.end()) or _TEST.fullmatch(match[1]):
        return False
    before = flat[max(0, match.start() - 96) : match.start()]
    if _SAID.search(before) or _USER_BEFORE.search(before):
        return True
    return (before[-1:] in (b"", b"\n", b'"', b"'") or before.endswith(b"\\n")) and looks_secret(match[1])


def _is_encoded(word: bytes) -> bool:
    """Whether a word is Base64 rather than the name of another mechanism or prose."""
    if _ENCODED.search(word) is None:
        return False
    try:
        base64.b64decode(word, validate=True)
    except binascii.Error:
        return False
    return True


def _ends_line(flat: bytes, stop: int) -> bool:
    return stop >= len(flat) or flat[stop] in _LINE_ENDS
