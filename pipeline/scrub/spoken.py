"""Secrets that prose or a protocol's command announces: ``your code is 482913``, ``PASSWORD 'x'``, ``PASS hunter2``.

Nothing like a key and a separator stands before them, so every expression here asks for words that mean nothing else,
and for a value that is no word of prose. All read the flat form of a string (see :mod:`pipeline.scrub.jsontext`).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from pipeline.scrub.blanks import is_blank
from pipeline.scrub.checksums import is_ssn
from pipeline.scrub.keys import KeyNames
from pipeline.scrub.kinds import PASSWORD, SESSION, SSN, TOKEN, Span
from pipeline.scrub.textfields import find_spoken_password, looks_secret, whole_matches

_BACK: Final = 72
_COMMAND_BACK: Final = 24
_BEGINS: Final = rb"(?:(?<![A-Za-z0-9_\-])|(?<=\\[nrt]))"
_QUOTE: Final = rb"[\\\x01]{0,8}[\"']"
_CODE: Final = (
    rb"((?:[A-Z]-)?[0-9]{4,8}|[0-9]{3}[ \-][0-9]{3}|(?=[A-Z]{0,8}[0-9])[0-9A-Z]{4,10})(?![A-Za-z0-9_]|[.,:\-/][0-9]|%)"
)
_PURPOSE: Final = (
    rb"(?:verification|security|confirmation|authentication|authorization|activation|log-?in|sign-?in|access|sms|otp"
    rb"|one-?time|2fa|mfa|two-factor|recovery|reset)"
)
_CODE_AFTER: Final = re.compile(
    _BEGINS + rb"(?i:(?:" + _PURPOSE + rb"[ _\-](?:pass)?code|one-?time[ \-](?:password|passcode|pin)|passcode|otp)"
    rb"(?: for [\w ]{1,32}?)?(?: (?:is|was):?| number| #)?|pin(?: code)?(?: for [\w ]{1,32}?)? (?:is|was):?) {1,2}#?(?:"
    + _QUOTE
    + rb")?"
    + _CODE
)
_CODE_BEFORE: Final = re.compile(
    rb"(?:(?<![A-Za-z0-9_.,:\-/])|(?<=\\[nrt]))((?:[A-Z]-)?[0-9]{4,8}|[0-9]{3}[ \-][0-9]{3})"
    rb"(?i: (?:is|as) (?:your|the) (?:\w{1,24} ){0,3}(?:(?:"
    + _PURPOSE
    + rb"|\w{1,24}) (?:pass)?code|one-?time (?:password|pin)|passcode|otp|pin)(?![A-Za-z0-9]))"
)
_YOUR_CODE: Final = re.compile(
    _BEGINS
    + rb"(?i:your (?!(?:\w{1,24} ){0,2}(?:error|status|exit|response|zip|postal|area|country|product|promo|discount"
    rb"|coupon|order|reference|tracking|voucher|gift|referral) )(?:[\w.]{1,24} ){0,3}code(?:: ?| is:? ?)"
    rb"|(?:enter|use|type|submit) (?:(?:the|this|your) )?code:? )#?(?:" + _QUOTE + rb")?" + _CODE
)
_CREDENTIAL: Final = re.compile(
    _BEGINS
    + rb"(?i:token|api[_ \-]?key|client secret)(?i: (?:provided|is|was|given))?:? (?:"
    + _QUOTE
    + rb")?([A-Za-z0-9][\w\-.~+/=]{11,512})"
)
_SESSION: Final = re.compile(
    _BEGINS
    + rb"(?i:(?:php|j|asp)?sess(?:ion)?[_\- ]?id) (?:(?:is|was|of) )?[(<]?(?:"
    + _QUOTE
    + rb")?([A-Za-z0-9][\w\-.~+/=]{7,256})"
)
_SSN: Final = re.compile(
    _BEGINS + rb"(?i:ssn|social security (?:number|no\.?|#))(?: (?:is|was|no\.?|number|of))?[ :#]{1,3}"
    rb"(([0-9]{3})[.\- ]?([0-9]{2})[.\- ]?([0-9]{4}))(?![0-9A-Za-z_]|[.\-][0-9])"
)

_ARGUMENT: Final = rb"[^\s\"'\x01\\<>()]{1,256}"
_PASS: Final = re.compile(_BEGINS + rb"PASS (" + _ARGUMENT + rb")")
_SAID: Final = re.compile(
    rb"(?:[<>]{1,3}|[\-=]{1,4}>|(?<![A-Za-z])(?i:c|client|command|cmd|sent|send|sending|request|ftp|pop3?)[:>])"
    rb"[ \x01\"'\[(]{0,3}\Z"
)
"""What a log puts before a command that was sent."""
_USER_BEFORE: Final = re.compile(rb"USER [^\s\x01\\]{1,64}[\s\x01\\rn>:C\-]{1,16}\Z")
_TEST: Final = re.compile(
    rb"[^/]*/.*|.*\.(?:jsx?|tsx?|mjs|cjs|py|rb|php|go|java|c|cc|cpp|exp|html|t)|[Tt]est.*", re.DOTALL
)
"""What test runners write after ``PASS``: a file, or the name of a test."""
_MECHANISM: Final = re.compile(
    _BEGINS
    + rb"AUTH(?:ENTICATE)?[\\\x01]{0,8}\"? (?:PLAIN|LOGIN|XOAUTH2?|OAUTHBEARER|CRAM-MD5|NTLM|SCRAM-SHA-[0-9]{1,3})"
    rb" ([A-Za-z0-9+/]{4,4096}={0,2})(?![A-Za-z0-9+/=])"
)
_CACHE_AUTH: Final = re.compile(
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
_LOGIN: Final = re.compile(
    _BEGINS
    + rb"[A-Za-z]{1,4}[0-9]{1,6} LOGIN (?:[\\\x01]{0,8}\"[^\"\x01\\]{1,64}[\\\x01]{0,8}\"|"
    + _ARGUMENT
    + rb") (?:[\\\x01]{0,8}\"([^\"\x01\\]{1,256})|("
    + _ARGUMENT
    + rb"))"
)
_PASSWORD_ASKED: Final = re.compile(
    rb"334 UGFzc3dvcmQ6[\s\x01\\rn]{1,12}(?:[<>\-=]{1,4} ?|[A-Za-z]{1,8}: ?)?([A-Za-z0-9+/]{4,512}={0,2})"
    rb"(?![A-Za-z0-9+/=])"
)
"""The server's ``Password:`` in ``AUTH LOGIN``, and what the client says to it."""
_LINE_ENDS: Final = frozenset(b"\r\n\x01\\\"'`)<],;")
_HEXADECIMAL: Final = re.compile(rb"(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{20,}", re.IGNORECASE)
_DIGIT: Final = re.compile(rb"[0-9]")
_ENCODED: Final = re.compile(rb"[0-9=]|[a-z][A-Z]")


_PROSE: Final = re.compile(
    rb"code|otp|pin|sess|token|api|secret|ssn|social|passw|identified| (?:is|as) ", re.IGNORECASE
)
"""What one of the expressions for prose begins with, or has in it before its value."""


def find_spoken(flat: bytes, offset: int, _names: KeyNames) -> list[Span]:
    """Find passwords, one-time codes, session ids and SSNs in prose, and passwords in commands of protocols."""
    low = max(0, offset - _BACK)
    found: list[Span] = []
    if _PROSE.search(flat, low, offset) is not None:
        found += find_spoken_password(flat, low, offset)
        for find in (_codes, _credentials, _sessions, _numbers):
            found += find(flat, low, offset)
    found += _commands(flat, max(0, offset - _COMMAND_BACK), offset)
    return sorted(found)


def _codes(flat: bytes, low: int, high: int) -> list[Span]:
    return [
        (*match.span(1), PASSWORD)
        for pattern in (_CODE_AFTER, _CODE_BEFORE, _YOUR_CODE)
        for match in whole_matches(pattern, flat, low, high)
    ]


def _credentials(flat: bytes, low: int, high: int) -> list[Span]:
    return [(*match.span(1), TOKEN) for match in whole_matches(_CREDENTIAL, flat, low, high) if _is_random(match[1])]


def _is_random(word: bytes) -> bool:
    """Whether a word looks drawn at random: digits among letters of both cases, or a long hexadecimal number."""
    word = word.rstrip(b".")
    if _HEXADECIMAL.fullmatch(word):
        return True
    return _DIGIT.search(word) is not None and word.lower() != word != word.upper()


def _sessions(flat: bytes, low: int, high: int) -> list[Span]:
    return [
        (*match.span(1), SESSION)
        for match in whole_matches(_SESSION, flat, low, high)
        if looks_secret(match[1].rstrip(b"."))
    ]


def _numbers(flat: bytes, low: int, high: int) -> list[Span]:
    return [
        (*match.span(1), SSN)
        for match in whole_matches(_SSN, flat, low, high)
        if is_ssn(match[2] + match[3] + match[4])
    ]


def _commands(flat: bytes, low: int, high: int) -> list[Span]:
    words = flat[low:high]
    found: list[tuple[int, int]] = []
    if b"PASS" in words:
        found += [match.span(1) for match in whole_matches(_PASS, flat, low, high) if _is_sent(flat, match)]
    if b"334" in words:
        found += [match.span(1) for match in whole_matches(_PASSWORD_ASKED, flat, low, high)]
    if b"LOGIN" in words:
        matches = [match for match in whole_matches(_LOGIN, flat, low, high) if _ends_line(flat, match.end())]
        found += [match.span(match.lastindex or 2) for match in matches]
    if b"AUTH" in words:
        found += [match.span(1) for match in whole_matches(_MECHANISM, flat, low, high) if _is_encoded(match[1])]
        for match in whole_matches(_CACHE_AUTH, flat, low, high):
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
