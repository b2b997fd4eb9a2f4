"""Secrets in text that are announced by their key: ``password=x``, ``Authorization: Bearer x``, ``'token': 'x'``.

Reads the flat form of a string (see :mod:`pipeline.scrub.jsontext`) around a spot where the scan saw a sensitive word
followed by a separator. The same code reads query strings, form bodies, header lines, connection strings, command
lines, XML elements, and the JSON or Python literals that SDKs and programs put into strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pipeline.scrub.blanks import is_blank
from pipeline.scrub.keys import KeyNames
from pipeline.scrub.kinds import CARD, COOKIE, IBAN, IMEI, PASSWORD, SECRET, SESSION, SSN, TOKEN, Span

_KEY_BACKWARDS: Final = re.compile(
    rb"(?:[\x01\x02]*[:=,>])?[\s\x01\x02]{0,4}(?:\](?=[\"']))?([\"']?)[\\\x01\x02]{0,16}(\]?)((?:[\w.\-\[ \x80-\xff]"
    rb"|\x02+(?=[\w.\-\[ \x80-\xff]))+)"
)
_BEGINS_LINE: Final = re.compile(rb"(?:\n|\\n|^) {4,64}\Z")
_SPACED_KEY: Final = re.compile(rb"[^ ]+(?: [^ ]+)?(?: [^ ]+)?\Z")
_AFTER_SEPARATOR: Final = re.compile(
    rb"(?:&gt;)?[\s\x01\x02]{0,8}(?:\\n[\s]{1,16})?(?:[|>][+\-]? ?[\\\x01]*(?:\n|(?<=\\)n)[ \x01]{1,16})?"
    rb"(?:[bBrRuUfF@]{1,2}(?=[\x01\\]*[\"'])|string\([0-9]{1,5}\) (?=[\x01\\]*\"))?"
)
"""White space, what begins a block of YAML, and what Python and PHP write before a string's quote."""
_OPENING: Final = re.compile(rb"([\\\x01\x02]*+)([\"'])")
_CLOSING: Final = {quote: re.compile(rb"(?<![\\\x01\x02])([\\\x01\x02]*+)" + quote) for quote in (b'"', b"'")}
_PAIRS_VALUE: Final = re.compile(
    rb"(?:[\w\-]{1,40}=(?:[\\\x01]*\"[^\"\\\x01\r\n]*+[\\\x01]*\"|[^\s,\"'\\\x01]++)(?:,[ ]{0,4})?)++"
)
"""The parameters of ``Authorization: Digest`` and of AWS's scheme, which may be quoted."""
_BRACED_VALUE: Final = re.compile(rb"\{[^{}\s\"'\\\x01]{1,128}\}(?=;|\Z)")
"""A value of an ODBC connection string, which braces allow to hold a semicolon."""
_CALL: Final = re.compile(rb"[A-Za-z_$][A-Za-z_$.]*(?:\((?=[)\\\x01\"'A-Za-z_])|\[[\\\x01]*[\"'])")
"""A call or a subscript: ``get_token()``, ``request.form['password']``."""
_NUMBERS: Final = frozenset((CARD, SSN, IMEI, IBAN))
_SOON_A_DIGIT: Final = re.compile(rb"[^\s0-9]{0,256}+[0-9]")
_FETCH_MODES: Final = frozenset((b"include", b"omit", b"same-origin"))
"""What a browser's ``fetch`` takes as ``credentials``."""
_WITH_DEFAULT: Final = (b"env(", b"environ.get(", b"ENV.fetch(", b"define(")
"""Calls whose second argument is the value of the name that is the first."""
_AFTER_NAME: Final = re.compile(
    rb"(?:[\w.]{0,40}\([\\\x01]*[\"'][^\"'\n]{0,64}[\"'], ?|ConvertTo-SecureString (?:-String )?"
    rb"|(?:null|\(\w[\w ]{0,24}\)) -> |(?:Some|Just|Secret|Sensitive|Optional)\()(?=[\\\x01]*[\"'])"
)
"""A name before its password: ``auth=("name", "password")``; a command of PowerShell; no value before a new one."""
_NEW_VALUE: Final = re.compile(rb"[\\\x01\x02]*+\"[^\"\\\x01\n]{0,256}[\\\x01]*\" -> (?=[\\\x01]*\")")
"""The value before, in a plan of Terraform: ``"old" -> "new"``."""
_ENTITY: Final = rb"&((?:amp;)?(?:quot|apos|#0?3[49]|#x2[27]));"
_ENTITY_KEY: Final = re.compile(_ENTITY + rb"([\w.\-\[\] \x80-\xff]{1,64})&\1;[\s\x01]{0,4}[:=]\Z")
_ENTITY_OPENING: Final = re.compile(_ENTITY)
_ENTITY_ELEMENT: Final = re.compile(rb"&lt;(?:[\w\-.]{1,24}:)?([\w\-.]{1,64})&gt;\Z")
_ENTITY_WINDOW: Final = 4096
_KEY_LINES: Final = re.compile(
    rb"(?:[\x01\\]{0,8}(?:\r|(?<=\\)r))?[\x01\\]{0,8}(?:\n|(?<=\\)n)[ \t\x01]{0,16}"
    rb"(?:[A-Za-z0-9+/]{16,512}+={0,2}|[A-Za-z0-9+/]{1,15}+={1,2})(?=[\s\x01\\\"']|\Z)"
)
"""A further line of a key that is written without armour."""
_KEY_LINE: Final = re.compile(rb"[A-Za-z0-9+/]{40,512}")
_MOST_KEY_LINES: Final = 128
_BEFORE_LITERAL: Final = re.compile(
    rb"(?:[&']?[A-Za-z_][\w.\[\]<>| ?]{0,40}? ?= ?|[\w.$()\[\]]{1,80} (?:\|\||\?\?|or) )(?=[\\\x01]*[\"'])"
)
"""What may stand in source between a name and its literal: a type (``: str =``), or ``env.TOKEN ||``."""
_IN_LITERAL: Final = re.compile(rb"[^\s&;\"'()\\\x01\x02${}<>]{1,128}+(?=[&;\"'\\\x01])")
_CONNECTION: Final = re.compile(
    rb"(?:server|data source|host|user id|uid|accountname|endpoint|://)[^\"';]{0,80}", re.IGNORECASE
)
_VARIABLE: Final = re.compile(rb"\$[A-Za-z_]\w{0,40}(?=[,)])")
"""A variable of GraphQL."""
_LISTED: Final = re.compile(rb"\[(?=[\\\x01]*[\"'])")
_MOST_LISTED: Final = 8
_LONGEST_LINE: Final = 256
_HEADER_VALUE: Final = re.compile(rb"(?:[^\n\r\"'\\]|\\(?![\x01nr]))*+")
_WORD_VALUE: Final = re.compile(
    rb"(?:[^\s&;,\"'<>()\[\]{}\\\x01\x02]|\x01++\x04|\x02+[^\s\"']|,(?![\s\x01]|$|[\w.\-]{1,40}[=:])|[(\[{](?=[^\s\"']))++[)\]}]*"
)
_ENCODED_VALUE: Final = re.compile(rb"[^\s&;,\"'<>(){}\\\x01\x02%]++")
_ELEMENT_VALUE: Final = re.compile(rb"[^<]{1,4096}+(?=</)")
_SCHEME: Final = re.compile(
    rb"(?:bearer|basic|digest|token|negotiate|apikey|aws4-hmac-sha256)(?:\x02\x02)?[\s+]{1,3}", re.IGNORECASE
)
_PROSE: Final = frozenset(
    b"""
    required is was are must should cannot can't could not invalid missing incorrect wrong too does doesn't
    has had expected unexpected please for from the this that to of in on at and or a an error errors failed
    failure check expired field may need needs at mismatch with when while because length minimum maximum
    denied rejected revoked unauthorized forbidden unknown unsupported malformed verification validation
    string str int bytes object optional default got path validator cast signature not no only you your used
    already never both see using there we it any valid success
    """.split()
)
_NOT_ANNOUNCED: Final = re.compile(
    rb"(?:unexpected|expected|syntax|next|lookahead|unrecognized|illegal) (?:\w+ )?token[^\w]{0,4}\Z", re.IGNORECASE
)


_TEMPLATE: Final = re.compile(
    rb"\$?\{\{|<%|!(?:Ref|Sub|GetAtt|ImportValue|secret|env|vault)[ .]"
    rb"|(?:var|local|data|module|process\.env|os\.environ|ENV|secrets|env|config|settings|params|self|this|props|state|req\.body|request)\.[A-Za-z_][\w.]*+"
    rb"(?![^\s;,)}\]\x01\"'\\])"
)
"""What stands for a value in templates, and the name of a setting that holds it."""
_SERIALISED: Final = re.compile(rb"[\\\x01]{0,8}\";s:[0-9]\Z")
_SERIALISED_VALUE: Final = re.compile(rb"[0-9]{0,6}:(?=[\\\x01]{0,8}\")")
_SERIALISED_WIDTH: Final = 4
_FULL_WIDTH_COLON: Final = "\uff1a".encode()
_TEST_NAME: Final = re.compile(
    rb" ?(?:[0-9]{1,6}, (?:FAIL|SKIP)|[Tt]est\w*|[\w\-.]{1,128}/[\w\-./]{1,128})(?=[\s\x01\\:]|\Z)"
)


def find_text_field(flat: bytes, offset: int, names: KeyNames, is_source: Callable[[], bool]) -> list[Span]:
    """Find the value of a sensitive key in text; ``offset`` is just after the separator the scan matched.

    In lines of source code (``is_source``, asked only when it matters) only literals are values: ``token =
    get_token()`` says nothing secret.
    """
    separator = flat[max(offset - 1, 0) : offset]
    if separator == b";" or flat[max(offset - 6, 0) : offset - 1].rstrip(b" \t\r\n\x01").endswith(b";"):
        spans = _in_entities(flat, offset, names)
        if spans:
            return spans
    width = _width(flat, offset)
    key = _key_before(flat, offset - width)
    kind = names.kind_of(key[0]) if key is not None else None
    if key is None or kind is None:
        return []
    name, quoted, key_start = key
    source = is_source()
    if separator == b",":
        return _next_value(flat, offset, key, kind, source=source)
    if separator == b">":
        if width:
            return _arrow_value(flat, offset, kind, source=source)
        return _element_value(flat, offset, key_start, kind)
    if _is_no_key(flat, offset, key, kind):
        return []
    if width == _SERIALISED_WIDTH:
        value = _SERIALISED_VALUE.match(flat, offset)
        return value_at(flat, value.end(), kind) if value else []
    spans = _value(flat, offset, name, kind, source=source, quoted=quoted)
    if len(spans) == 1 and flat[spans[0][1] - 1] == 0x3A and names.kind_of(flat[spans[0][0] : spans[0][1] - 1]):
        return []  # the next key: "secret data: password: x"
    return spans


def _width(flat: bytes, offset: int) -> int:
    """Return how many bytes a separator has that are more than one: an arrow's, a full-width colon's, or PHP's."""
    if flat.endswith(b"->", 0, offset):
        return 2
    if flat.endswith(_FULL_WIDTH_COLON, 0, offset):
        return 3
    return _SERIALISED_WIDTH if _SERIALISED.search(flat, max(0, offset - 16), offset) else 0


def _is_no_key(flat: bytes, offset: int, key: tuple[bytes, bool, int], kind: str) -> bool:
    """Whether the word before a separator is none that a value follows."""
    name, _, key_start = key
    if kind == TOKEN and _NOT_ANNOUNCED.search(flat, max(0, offset - 48), offset):
        return True
    if flat[offset - 1] == 0x3A and flat.endswith(b"://", 0, key_start):  # a user's name in a URL, and its password
        return True
    return _is_verdict(flat, offset, name)


def _in_entities(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find a value where quotes and brackets are HTML entities: ``&quot;password&quot;:&quot;x&quot;``."""
    low = max(0, offset - 112)
    match = _ENTITY_KEY.search(flat, low, offset)
    if match is not None:
        kind = names.kind_of(match[2])
        return _value(flat, offset, match[2], kind, source=False, quoted=True) if kind else []
    element = _ENTITY_ELEMENT.search(flat, low, offset)
    kind = names.kind_of(element[1]) if element is not None else None
    stop = flat.find(b"&lt;/", offset, offset + _ENTITY_WINDOW) if kind else -1
    return _checked(flat, offset, stop, kind) if kind and stop >= 0 else []


def _next_value(flat: bytes, offset: int, key: tuple[bytes, bool, int], kind: str, *, source: bool) -> list[Span]:
    """Return the second part of a pair, or of ``{password, "x"}``, which is a tuple of Erlang or Elixir."""
    name, quoted, key_start = key
    if quoted:
        return _pair_value(flat, offset, key_start, kind, source=source, option=name[:1] == b"-")
    opening = _OPENING.match(flat, offset + (flat[offset : offset + 1] == b" "))
    named = flat[max(0, key_start - 2) : key_start].endswith((b"{", b"{:"))
    return _quoted_value(flat, opening, kind) if named and opening is not None else []


def _arrow_value(flat: bytes, offset: int, kind: str, *, source: bool) -> list[Span]:
    """Find what an arrow leads to, as Scala and Kotlin show maps; a type or a lambda's body is no value."""
    if flat[offset : offset + 1] != b" " or flat[offset - 3 : offset - 2] != b" ":
        return []
    opening = _OPENING.match(flat, offset + 1)
    if opening is not None:
        return _quoted_value(flat, opening, kind)
    at = offset + 1 + 5 * flat.startswith((b"Some(", b"Just("), offset + 1)
    match = _WORD_VALUE.match(flat, at)
    if source or match is None or _CALL.match(flat, at) or not looks_secret(match[0].rstrip(b")]}.,;")):
        return []
    return _checked(flat, match.start(), match.start() + len(match[0].rstrip(b")]}")), kind)


def _is_verdict(flat: bytes, offset: int, name: bytes) -> bool:
    """Whether ``PASS:`` is what a test runner says of a test."""
    if name[-4:] != b"PASS" or flat[offset - 1] != 0x3A:
        return False
    return flat.endswith(b"--- PASS", 0, offset - 1) or _TEST_NAME.match(flat, offset) is not None


def _key_before(flat: bytes, offset: int) -> tuple[bytes, bool, int] | None:
    """Return the key before a separator, whether it is quoted, and where it begins."""
    low = max(0, offset - 96)
    match = _KEY_BACKWARDS.match(flat[low:offset][::-1])
    if match is None:
        return None
    raw = match[3][::-1]
    if match[2] and raw[raw.rfind(b" ") + 1 :].startswith(b"["):  # what a scrubber left: "[token]: …"
        bracket = flat.rfind(b"[", low, offset)
        if _BEGINS_LINE.search(flat[max(bracket - 72, 0) : bracket]) is None:
            return None  # otherwise a line of PHP's print_r: "    [token] => …"
    quoted = bool(match[1])
    if not quoted:
        raw = raw.rstrip(b" ")
        spaced = _SPACED_KEY.search(raw)
        raw = spaced[0] if spaced else raw
    start = offset - match.end() + len(match[3]) - len(raw) if quoted else flat.rfind(raw, low, offset)
    if quoted and raw.endswith(b" ") and not raw.startswith(b" "):
        return None  # a quoted separator: "token '=' unexpected"
    return raw.replace(b"\x02", b"").strip(b" []"), quoted, start


def _value(flat: bytes, offset: int, name: bytes, kind: str, *, source: bool, quoted: bool) -> list[Span]:
    lead = _AFTER_SEPARATOR.match(flat, offset + (flat[offset : offset + 1] in (b"=", b">")))
    at = lead.end() if lead else offset
    opening = _OPENING.match(flat, at)
    if opening is not None and not quoted and _closes(flat, offset, opening):
        return []
    opening = opening or _opening_further_on(flat, at, source=source)
    if opening is not None:
        spans = _quoted_value(flat, opening, kind)
        changed = _NEW_VALUE.match(flat, opening.start())
        following = _OPENING.match(flat, changed.end()) if changed is not None else None
        return spans + (_quoted_value(flat, following, kind) if following is not None else [])
    entity = _ENTITY_OPENING.match(flat, at)
    if entity is not None:
        stop = flat.find(entity[0], entity.end(), entity.end() + _ENTITY_WINDOW)
        return _checked(flat, entity.end(), stop, kind) if stop >= 0 else []
    if source and flat[offset - 1] == 0x3D:
        return _value_in_literal(flat, offset, at, kind)
    if _LISTED.match(flat, at):
        return _listed_values(flat, at + 1, kind)
    if source or _is_expression(flat, offset, at) or _TEMPLATE.match(flat, at) or flat.startswith(name + b".", at):
        return []
    return _bare_value(flat, offset, at, name, kind, quoted=quoted)


def _bare_value(flat: bytes, offset: int, at: int, name: bytes, kind: str, *, quoted: bool) -> list[Span]:
    """Find a value without quotes that begins at ``at``, after the separator that ends at ``offset``."""
    lowered = name.lower()
    if flat[offset - 1] == 0x3A and (kind == COOKIE or lowered.endswith(b"signature")):
        return _span(flat, _HEADER_VALUE.match(flat, at), kind)
    if lowered.endswith((b"authorization", b"auth", b"x-api-key")):
        scheme = _SCHEME.match(flat, at)
        if scheme is not None:
            if scheme[0][:6].lower() in (b"digest", b"aws4-h"):
                return _span(flat, _PAIRS_VALUE.match(flat, scheme.end()), kind)
            at = scheme.end()
    encoded = flat.endswith(b"\x02\x02", 0, max(offset - 1, 0))
    if not name.isascii() and not quoted and not _is_foreign_value(flat, offset, at):
        return []
    if kind in _NUMBERS and _SOON_A_DIGIT.match(flat, at) is None:
        return []
    match = _BRACED_VALUE.match(flat, at) or (_ENCODED_VALUE if encoded else _WORD_VALUE).match(flat, at)
    if match is None or _says_other(match[0], kind):
        return []
    word = match[0].rstrip(b".!?)]},;")
    if kind == SESSION and b"?" in match[0]:  # a path's ;jsessionid=… before the query
        return _checked(flat, match.start(), flat.index(b"?", match.start()), kind)
    if flat[offset - 1] == 0x3A and not quoted and word.lower() in _PROSE:
        return []
    if at > offset and 0x2E in name and flat[offset - 1] == 0x3D and name.endswith(b"." + word):
        return []  # an assignment: "self.password = password"
    return _key_lines(flat, _span(flat, match, kind))


def _is_foreign_value(flat: bytes, offset: int, at: int) -> bool:
    """Whether what follows a key in another language is a value rather than prose in that language."""
    match = _WORD_VALUE.match(flat, at, at + _LONGEST_LINE)
    if match is None:
        return False
    word = match[0].rstrip(b".!?)]},;")
    return looks_secret(word) or (flat[offset - 1] == 0x3D and word.isascii())


def _key_lines(flat: bytes, spans: list[Span]) -> list[Span]:
    """Lengthen the value that is a line of Base64 by the lines of the same key that follow."""
    if not spans or _KEY_LINE.fullmatch(flat, spans[0][0], spans[0][1]) is None:
        return spans
    start, stop, kind = spans[0]
    for _ in range(_MOST_KEY_LINES):
        line = _KEY_LINES.match(flat, stop)
        if line is None:
            break
        stop = line.end()
    return [(start, stop, kind)]


def _closes(flat: bytes, offset: int, quote: re.Match[bytes]) -> bool:
    """Whether a quote ends the literal that the key before ``offset`` is in: ``input("Password: ")``."""
    after = flat[quote.end() : quote.end() + 1]
    if after and after not in b")],;} \t+.\x01\\":
        return False
    line = flat.rfind(b"\n", max(0, offset - _LONGEST_LINE), offset) + 1
    return flat.count(quote[0], max(line, offset - _LONGEST_LINE), offset) % 2 == 1


def _opening_further_on(flat: bytes, at: int, *, source: bool) -> re.Match[bytes] | None:
    """Return the quote that opens a literal after something else that begins at ``at``."""
    before = _AFTER_NAME.match(flat, at) or (_BEFORE_LITERAL.match(flat, at) if source else None)
    return _OPENING.match(flat, before.end()) if before is not None else None


def _is_expression(flat: bytes, offset: int, at: int) -> bool:
    """Whether what begins at ``at`` is a variable of GraphQL, or a call or subscript that a blank precedes."""
    if flat[offset - 1] == 0x3A and _VARIABLE.match(flat, at) is not None:
        return True
    return at > offset and flat[at - 1] == 0x20 and _CALL.match(flat, at) is not None


def _value_in_literal(flat: bytes, offset: int, at: int, kind: str) -> list[Span]:
    """Find a value inside a literal of source code: a parameter of a URL, or of a connection string."""
    if at != offset or _CONNECTION.search(flat, max(0, offset - 256), offset) is None:
        return []
    return _span(flat, _IN_LITERAL.match(flat, at), kind)


def _listed_values(flat: bytes, at: int, kind: str) -> list[Span]:
    """Find the texts of a list, as Django shows the values of forms; a sentence is a message about them."""
    found: list[Span] = []
    for _ in range(_MOST_LISTED):
        opening = _OPENING.match(flat, at)
        spans = _quoted_value(flat, opening, kind) if opening is not None else []
        if not spans or flat.count(b" ", spans[0][0], spans[0][1]) > 1:
            break
        found += spans
        comma = flat.find(b", ", spans[0][1], spans[0][1] + 4)
        if comma < 0 or flat[comma - 1] == 0x5D:
            break
        at = comma + 2
    return found


def value_at(flat: bytes, offset: int, kind: str) -> list[Span]:
    """Find the value of ``kind`` that begins at ``offset``, just after an equals sign."""
    return _value(flat, offset, b"", kind, source=False, quoted=True)


def _says_other(value: bytes, kind: str) -> bool:
    """Whether a bare word after a key is no value of this kind: a number's without digits, a mode of ``fetch``."""
    if kind in _NUMBERS:
        return not any(0x30 <= byte <= 0x39 for byte in value)
    if kind == TOKEN and value.startswith(b"SIG") and value.isalnum() and value.isupper():
        return True  # the name of a signal
    return kind == SECRET and value.rstrip(b".)") in _FETCH_MODES


def _quoted_value(flat: bytes, opening: re.Match[bytes], kind: str) -> list[Span]:
    """Return the content of a quoted value; the closing quote has no more backslashes before it than the opening."""
    level = opening[1].count(b"\\")
    start = opening.end()
    for closing in _CLOSING[opening[2]].finditer(flat, start):
        slashes = closing[1].count(b"\\")
        if (level == 0 and slashes % 2 == 0) or (level > 0 and slashes <= level):
            stop = (
                closing.start() if level else closing.end() - 1 - len(closing[1]) + len(closing[1].rstrip(b"\x01\x02"))
            )
            return _checked(flat, start, stop, kind)
    return _checked(flat, start, len(flat), kind)


def _pair_value(flat: bytes, offset: int, key_start: int, kind: str, *, source: bool, option: bool) -> list[Span]:
    """Return the second part of ``('password', 'x')`` or ``["password", "x"]``, and what follows ``'--password',``.

    In source code it is a value where it is the default of an environment variable.
    """
    before = flat[max(0, key_start - 18) : key_start].rstrip(b"\\\x01\x02\"'")
    at = _AFTER_SEPARATOR.match(flat, offset)
    opening = _OPENING.match(flat, at.end() if at else offset)
    begins = _WITH_DEFAULT if source else (b"(", b"[")
    if opening is None or not (before.endswith(begins) or (option and not source)):
        return []
    return _quoted_value(flat, opening, kind)


def _element_value(flat: bytes, offset: int, key_start: int, kind: str) -> list[Span]:
    """Return the text of an XML element ``<password>x</password>``."""
    if flat[max(key_start - 1, 0) : key_start] not in (b"<", b":"):
        return []
    if flat.startswith(b"<![CDATA[", offset):
        stop = flat.find(b"]]>", offset, offset + _ENTITY_WINDOW)
        return _checked(flat, offset + 9, stop, kind) if stop >= 0 else []
    return _span(flat, _ELEMENT_VALUE.match(flat, offset), kind)


def _span(flat: bytes, match: re.Match[bytes] | None, kind: str) -> list[Span]:
    return _checked(flat, match.start(), match.end(), kind) if match else []


def _checked(flat: bytes, start: int, stop: int, kind: str) -> list[Span]:
    """Return the span unless it is empty, a placeholder, or replaced already."""
    if is_blank(flat[start:stop]):
        return []
    return [(start, stop, kind)]


_OPTION: Final = re.compile(rb"(?<![A-Za-z0-9])--?((?:\w[\w\-]{0,20})?[A-Za-z][\w\-]{0,32}) {1,2}(?=[^\s\-])")
_SETTING: Final = re.compile(rb"(?:ENV|ARG|setx?) ([A-Z][A-Z_]{2,48}) ([^\s=\"'\\\x01]+)")
_USER_OPTION: Final = re.compile(rb"(?:-u|--user) {1,2}[\"']?[^\s:\"'\x01]{1,64}:([^\s\"'\x01]+)")


def find_option(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find the value of a command line option: ``--password x``, ``-u name:x``."""
    low = max(0, offset - 64)
    found: list[Span] = []
    for match in whole_matches(_SETTING, flat, low, offset):
        kind = names.kind_of(match[1])
        if kind is not None and looks_secret(match[2]):
            found += _checked(flat, match.start(2), match.end(2), kind)
    for match in whole_matches(_USER_OPTION, flat, low, offset):
        found += _checked(flat, match.start(1), match.end(1), PASSWORD)
    for match in _OPTION.finditer(flat, low, min(len(flat), offset + 1)):
        kind = names.kind_of(match[1].replace(b"\x02", b""))
        if kind is not None and match.end() < offset + 1:
            found += _value(flat, match.end(), b"", kind, source=False, quoted=True)
    return sorted(found)


_REACH: Final = 256
_SQL_PASSWORD: Final = re.compile(
    rb"(?:identified {1,2}by|passw(?:or)?d) {1,2}(?:for [^\s\x01]{1,64} )?"
    rb"(?:(?:is|was|(?:set|changed|reset) to) {1,2})?(?=[^\s:=])",
    re.IGNORECASE,
)


def find_spoken_password(flat: bytes, low: int, high: int) -> list[Span]:
    """Find ``IDENTIFIED BY 'x'``, ``PASSWORD 'x'`` and ``password is x``, but not prose about passwords."""
    found: list[Span] = []
    for match in _SQL_PASSWORD.finditer(flat, low, min(len(flat), high + 32)):
        if match.start() >= high:
            break
        opening = _OPENING.match(flat, match.end())
        if opening is not None:
            found += _quoted_value(flat, opening, PASSWORD)
            continue
        word = _WORD_VALUE.match(flat, match.end())
        if word is not None and (
            looks_secret(word[0].rstrip(b".!?:"))
            or (match[0].rstrip().endswith((b"is", b"was", b"to")) and _ONLY_DIGITS.match(flat, match.end()))
        ):
            found += _checked(flat, word.start(), word.end(), PASSWORD)
    return found


_ONLY_DIGITS: Final = re.compile(rb"[0-9]{4,}(?![0-9A-Za-z]|[.,:][0-9]| (?:[a-z]{1,16}|[A-Z]{1,3}s?)(?:[ .,]|$))")
_LETTER: Final = re.compile(rb"[A-Za-z]")
_DIGIT: Final = re.compile(rb"[0-9]")
_NO_WORD: Final = re.compile(rb"[a-z][A-Z]|\w[!@#$%^&*]")


def whole_matches(pattern: re.Pattern[bytes], flat: bytes, low: int, high: int) -> Iterator[re.Match[bytes]]:
    """Yield the matches that begin from ``low`` on and before ``high``, however long they are."""
    end = min(len(flat), high + _REACH)
    for match in pattern.finditer(flat, low, end):
        if match.start() >= high:
            return
        whole = match if match.end() < end else pattern.match(flat, match.start())
        if whole is not None:
            yield whole


def looks_secret(word: bytes) -> bool:
    """Whether a word is a password rather than prose: letters and digits, mixed case inside, or special characters."""
    if _NO_WORD.search(word):
        return True
    return _LETTER.search(word) is not None and _DIGIT.search(word) is not None
