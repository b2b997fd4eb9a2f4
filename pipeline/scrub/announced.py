"""Secrets that stand at some distance from the word that announces them, in formats of their own.

Parts of a multipart body, XML elements with attributes, validation errors of pydantic, data source names of Go's MySQL
driver and of Oracle, and the passwords that clients of databases and registries take on their command lines. All read
the flat form of a string (see :mod:`pipeline.scrub.jsontext`) and a bounded stretch around an offset in it.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.scrub.blanks import is_blank
from pipeline.scrub.keys import KeyNames
from pipeline.scrub.kinds import PASSWORD, Span
from pipeline.scrub.textfields import looks_secret, value_at, whole_matches

_BREAK: Final = rb"[\x01\\]*(?:[\r\n]|(?<=\\)[rn])"
_PART: Final = re.compile(
    rb"(?:name|key)=[\\\x01]*\"([^\"\\\x01]{1,64})[\\\x01]*\"(?:(?:"
    + _BREAK
    + rb"){2,4}|(?: |\]\[)(?:value|content)=[\\\x01]*\")([^\r\n\x01\\\"]++)"
)
_ESCAPED_PART: Final = re.compile(
    rb"name=&(?:quot|#34);([^\"\\\x01&]{1,64})&(?:quot|#34); (?:value|content)=&(?:quot|#34);((?:[^\r\n\x01\\\"&]"
    rb"|&(?!quot;|#34;)){1,512}+)"
)
_CALLED: Final = re.compile(rb"(\.?)(?<![A-Za-z0-9_])([A-Za-z_]\w{0,64})\((?=[\\\x01]{0,8}[\"'])")
_LONGEST_OPENING: Final = 24
_SETS: Final = re.compile(rb"(?:set|with|put|change|update)_?(?=[A-Z]|(?<=_))", re.IGNORECASE)
_ELEMENT: Final = re.compile(rb"<(?:[\w\-.]{1,24}:)?([\w\-.]{1,64})\s[^<>]{1,160}>([^<]{1,512})</")
_PROPERTY: Final = re.compile(rb"<key>([\w.\- ]{1,64})</key>(?:[\s\x01]|\\[rnt]){0,16}<string>([^<]{1,512})</string>")
_FIELD_LINE: Final = re.compile(rb"(?:\n|\\n|^|[\"'])([\w.\-]{1,128})[\x01\\]*\Z")
_SOURCE_NAME: Final = re.compile(
    rb"(?:(?<![\w.\-+%])[\w.\-+%]{1,64}:([^\s/\"'\x01]{1,128}?)@(?=(?:tcp|udp|unix)\()"
    rb"|(?:oracle:thin:|sqlplus (?:-\w{1,8} )?)[^\s/\"'@\x01]{1,64}/([^\s@\"'\x01]{1,64})@)"
)
_CLIENT_OPTION: Final = re.compile(
    rb"(?:(?:mysql|mariadb)[\w\-]{0,8} (?:[^\s\x01]{1,64} ){0,8}?-p(?!ort|ath|assw)|sshpass -p ?"
    rb"|redis-cli (?:[^\s\x01]{1,64} ){0,8}?-a "
    rb"|net use (?:[A-Za-z*]:? )?(?:\x01?\\){2,8}[^\s]{1,128} (?:/user:[^\s]{1,64} )?(?!/)"
    rb"|(?:requirepass|masterauth) {1,2}|ldap\w{3,8} (?:[^\s\x01]{1,128} ){0,10}?-w "
    rb"|(?<![a-z])zip (?:[^\s\x01]{1,64} ){0,4}?-P "
    rb"|net user [\w.\-]{1,32} (?=[^\s]{1,64} /)"
    rb"|(?:docker|podman|nerdctl|helm registry) login (?:[^\s\x01]{1,64} ){0,8}?-p )[\\\x01]*[\"']?([^\s\"'\\\x01]+)"
)
_WINDOW: Final = 640


def find_part(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find the value of a sensitive field in a body of ``multipart/form-data`` (RFC 7578), or in an HTML form."""
    low = max(0, offset - 176)
    return _by_name(_PART, flat, low, offset, names) or _by_name(_ESCAPED_PART, flat, low, offset, names)


def find_element(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find the text of an XML element with attributes: ``<wsse:Password Type="PasswordText">x</wsse:Password>``.

    In a property list of macOS it is the element after the key's.
    """
    low = max(0, offset - 400)
    return _by_name(_ELEMENT, flat, low, offset, names) or _by_name(_PROPERTY, flat, low, offset, names)


def _by_name(pattern: re.Pattern[bytes], flat: bytes, low: int, offset: int, names: KeyNames) -> list[Span]:
    found: list[Span] = []
    for match in pattern.finditer(flat, low, min(len(flat), offset + _WINDOW)):
        if match.start() >= offset:
            break
        kind = names.kind_of(match[1])
        if kind is not None and not is_blank(match[2]):
            found.append((match.start(2), match.end(2), kind))
    return found


def find_invalid_input(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find what pydantic (https://docs.pydantic.dev) shows of a sensitive field: ``input_value='x'``.

    The field's path stands alone on the line before; ``offset`` is just after the equals sign.
    """
    low = max(0, offset - _WINDOW)
    line = max(flat.rfind(b"\n  ", low, offset), flat.rfind(b"\\n  ", low, offset))
    field = _FIELD_LINE.search(flat, max(0, line - 136), line) if line >= 0 else None
    kind = names.kind_of(field[1][field[1].rfind(b".") + 1 :]) if field is not None else None
    return value_at(flat, offset, kind) if kind is not None else []


def find_called(flat: bytes, offset: int, names: KeyNames) -> list[Span]:
    """Find the literal that a setter or a builder takes: ``client.setPassword("x")``, ``.apiKey("x")``.

    Other calls take names of things as often as secrets, and a builder's value is one only if it is no word of prose.
    """
    found: list[Span] = []
    for match in _CALLED.finditer(flat, max(0, offset - 96), offset):
        if match.end() < offset - _LONGEST_OPENING:
            continue
        sets = _SETS.match(match[2])
        kind = names.kind_of(match[2][sets.end() :] if sets is not None else match[2])
        if kind is None or not (sets or match[1]):
            continue
        spans = value_at(flat, match.end(), kind)
        if sets or (spans and looks_secret(flat[spans[0][0] : spans[0][1]])):
            found += spans
    return found


def find_source_name(flat: bytes, low: int, high: int) -> list[Span]:
    """Find the passwords in ``user:password@tcp(host)/db`` and ``jdbc:oracle:thin:user/password@host``."""
    return _passwords(_SOURCE_NAME, flat, low, high)


def find_client_option(flat: bytes, offset: int, _names: KeyNames) -> list[Span]:
    """Find the passwords in ``mysql -psecret``, ``sshpass -p x``, ``redis-cli -a x`` and ``docker login -p x``."""
    return _passwords(_CLIENT_OPTION, flat, max(0, offset - 72), offset)


def _passwords(pattern: re.Pattern[bytes], flat: bytes, low: int, high: int) -> list[Span]:
    found: list[Span] = []
    for match in whole_matches(pattern, flat, low, high):
        start, stop = match.span(match.lastindex or 1)
        if not is_blank(flat[start:stop]):
            found.append((start, stop, PASSWORD))
    return found
