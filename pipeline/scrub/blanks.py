"""Values that say nothing of a secret: empty ones, placeholders, what a scrubber put there, and messages about them.

``{"password": ["is too short (minimum is 8 characters)"]}`` is what a validation says, not what somebody typed. Such a
sentence is known by its words alone: whatever holds a word that is none, or a longer number, is no message.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.scrub.credentials import is_replacement

_PLACEHOLDER: Final = re.compile(
    rb"(?:none|null|nil|undefined|default|true|false|yes|no|empty|missing|unset|nan|\*+|x{3,}|\.\.\.|\?|%\+?[a-z]|%\(\w+\)s|\$\d+"
    rb"|:[a-z_]+|#?\{[\w.]*\}|\{\{.*\}\}|\$(?:\{[\w.]+\}|[a-z_]{3,})|<\w+>)",
    re.IGNORECASE | re.DOTALL,
)
_MASKED: Final = re.compile(
    rb"(?:none|null|nil|undefined|\*+|x{3,}|\.\.\.|%\+?[a-z]|%\(\w+\)s|\{\w*\}|\{\{.*\}\}|\$\{[\w.]+\})",
    re.IGNORECASE | re.DOTALL,
)
"""What stands for no value where a value is certain: the value of a JSON member. Prose has more such words."""
_SUBJECT: Final = (
    rb"(?:(?:the|this|your|an?|new|old|current) ){0,3}(?:(?:pass(?:word|phrase|code)|pin|token|secret|api ?key|field"
    rb"|value|credential|code|card|account|number|confirmation|session|cookie|key|it|string|text|length|character)s? )"
    rb"{0,4}(?:(?:path )?[`\"'\\]{1,3}[a-z_.]{0,24}(?:pass(?:word|phrase)|token|secret|key|pin|code)[a-z_]{0,24}"
    rb"[`\"'\\]{1,3} )?"
)
_VERDICT: Final = (
    rb"(?:can(?:'|\xe2\x80\x99|&#0?39;|&#x27;)?t be|can ?not be|may (?:not|only)"
    rb"|(?:must|should)(?: not)? (?:be|have|contain|match|include|differ)"
    rb"|(?:is|are|was|were) (?:too|not|in (?:the|a) list|invalid|required|missing|incorrect|wrong|already|reserved|weak"
    rb"|empty|blank|expired|unknown|the wrong|entirely|insecure|shorter|longer|an? (?:required|common|mandatory))"
    rb"|has (?:already|been|expired|appeared|an invalid)|did(?:n'?t| not) match"
    rb"|do(?:es)?(?:n'?t| not) (?:match|meet|contain|exist|look)"
    rb"|too (?:short|long|common|similar|weak)|required|at least \d|minimum|maximum"
    rb"|expected (?:string|str|type|an?)|please (?:enter|provide|choose|type|confirm)"
    rb"|ensure (?:this|that|the)|needs? to (?:be|have|contain)"
    rb"|not (?:an? (?:valid|string|list|type)|valid|be|found|allowed|blank|empty|null)"
    rb"|wrong length|missing (?:data|field|value|required)|shorter than|longer than"
    rb"|invalid (?:value|input|format|type|length|password|token|key))"
)
_MESSAGE: Final = re.compile(
    _SUBJECT + _VERDICT + rb"(?![A-Za-z0-9])[,.;:!?)]*"
    rb"(?:[ (]{1,2}(?:[A-Za-z][A-Za-z'\-]{0,24}|\d{1,3}|character\(s\))[,.;:!?)]{0,3}){0,40}",
    re.IGNORECASE,
)
"""A sentence about a value, as validations say it: ``is too short (minimum is 8 characters)``."""
_RULES: Final = re.compile(
    rb"(?:(?:is )?(?:required|invalid|missing)|(?:required|nullable|sometimes|confirmed|hashed)(?:\|.*)?)",
    re.IGNORECASE,
)
"""A rule about a value, as frameworks write it: ``required|min:8``."""
_LONGEST_MESSAGE: Final = 256


def is_blank(value: bytes) -> bool:
    """Whether a sensitive key's value says nothing: empty, a placeholder, or replaced already."""
    plain = value.strip(b" \t\r\n\x01\x02\\\"'")
    bare = plain.rstrip(b")]")
    if not plain or any(_PLACEHOLDER.fullmatch(text) for text in (plain, bare)) or is_replacement(plain):
        return True
    return _is_message(plain)


def _is_message(plain: bytes) -> bool:
    """Whether a text is a sentence or a rule about the value that it stands in place of."""
    if len(plain) > _LONGEST_MESSAGE:
        return False
    return (0x20 in plain and _MESSAGE.fullmatch(plain) is not None) or _RULES.fullmatch(plain) is not None


def is_masked(value: bytes) -> bool:
    """Whether the value of a sensitive member is none: empty, masked, a template's hole, or replaced already."""
    plain = value.strip(b" \x01\x02\\\"'")
    return not plain or _MASKED.fullmatch(plain) is not None or is_replacement(plain) or _is_message(plain)
