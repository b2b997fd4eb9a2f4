"""Names the place of a finding: the event's top-level section, and the part of it where that says more.

Names come from fixed lists, so that counts by field stay few and never hold an event's own text.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import msgspec

from pipeline.scrub.jsontext import leaves, skip_space, string_stop

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

_SECTIONS: Final = frozenset(
    [
        "breadcrumbs",
        "contexts",
        "csp",
        "debug_meta",
        "description",
        "dist",
        "environment",
        "errors",
        "exception",
        "expectct",
        "expectstaple",
        "extra",
        "fingerprint",
        "hpkp",
        "level",
        "logentry",
        "logger",
        "measurements",
        "message",
        "modules",
        "name",
        "op",
        "platform",
        "project",
        "release",
        "request",
        "sdk",
        "server_name",
        "spans",
        "stacktrace",
        "status",
        "tags",
        "threads",
        "transaction",
        "type",
        "user",
        "event_id",
        "trace_id",
        "span_id",
        "data",
        "attributes",
    ]
)
_PARTS: Final = {
    "request": frozenset(
        [
            "url",
            "query_string",
            "headers",
            "cookies",
            "data",
            "env",
            "method",
            "fragment",
            "body_size",
            "api_target",
            "inferred_content_type",
        ]
    ),
    "user": frozenset(["id", "email", "username", "ip_address", "name", "geo", "data", "segment"]),
    "contexts": frozenset(
        [
            "app",
            "browser",
            "device",
            "os",
            "runtime",
            "trace",
            "culture",
            "gpu",
            "response",
            "state",
            "cloud_resource",
            "feedback",
            "profile",
            "otel",
        ]
    ),
    "logentry": frozenset(["message", "formatted", "params"]),
}
"""Sections whose parts are named by their second-level key."""

_SOURCE: Final = frozenset((b"context_line", b"pre_context", b"post_context"))
_WITH_FRAMES: Final = frozenset(("exception", "threads", "stacktrace"))
_FRAME: Final = frozenset((b"filename", b"abs_path", b"function", b"module", b"package"))
_LEAVES: Final = {
    "exception": frozenset((b"value", b"type")),
    "breadcrumbs": frozenset((b"message", b"category")),
    "spans": frozenset((b"description", b"op")),
    "threads": frozenset((b"name",)),
}
"""Sections whose parts are named by the key that holds the finding."""


class Sections:
    """The top-level members of one JSON object, and where each begins."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._members = _members(text)
        self._inner: dict[int, _Members] = {}

    def section_at(self, offset: int) -> str:
        """Return the top-level key that ``offset`` is under."""
        return self._members.name(self._members.index_at(offset))

    def _part_at(self, offset: int, index: int) -> str:
        """Return the second-level key that ``offset`` is under, in the member at ``index``; empty in no object."""
        if index not in self._inner:
            self._inner[index] = _members(self._members.values[index])
        inner = self._inner[index]
        return inner.name(inner.index_at(offset - self._members.starts[index]))

    def field_at(self, offset: int, owner: bytes | None) -> str:
        """Return the name of the place of ``offset``; ``owner`` is the key that directly holds it, if known."""
        index = self._members.index_at(offset)
        section = self._members.name(index)
        if section not in _SECTIONS:
            return "other"
        if section in _PARTS:
            part = self._part_at(offset, index)
            return f"{section}.{part}" if part in _PARTS[section] else section
        start = self._members.starts[index]
        if section in _WITH_FRAMES:
            if owner in _SOURCE:
                return f"{section}.source"
            if owner in _FRAME:
                return f"{section}.frames"
            if _under(self._text, b'"vars"', start, offset):
                return f"{section}.vars"
        if section in _LEAVES:
            if owner in _LEAVES[section]:
                return f"{section}.{owner.decode()}" if owner else section
            if _under(self._text, b'"data"', start, offset):
                return f"{section}.data"
        return section


def _under(text: bytes, key: bytes, start: int, offset: int) -> bool:
    """Whether the last ``key`` before ``offset`` opens an object that is still open there, braces in text aside."""
    found = text.rfind(key, start, offset)
    return found >= 0 and text.count(b"{", found, offset) > text.count(b"}", found, offset)


class _Members:
    """The members of one object: the keys, the values, and where in the object's text the values begin."""

    __slots__ = ("_names", "starts", "values")

    def __init__(self, names: list[str], values: list[bytes], starts: list[int]) -> None:
        self._names = names
        self.values = values
        self.starts = starts

    def index_at(self, offset: int) -> int:
        """Return the index of the member that ``offset`` is in, or -1."""
        return bisect_right(self.starts, offset) - 1

    def name(self, index: int) -> str:
        """Return the key of the member at ``index``; an empty one for -1."""
        return self._names[index] if index >= 0 else ""


def _members(text: bytes) -> _Members:
    """Return the members of the object that ``text`` is; none for anything else."""
    at = skip_space(text, 0)
    if text[at : at + 1] != b"{":
        return _Members([], [], [])
    members = _MEMBERS.decode(text)
    values: list[bytes] = []
    starts: list[int] = []
    for name, raw in members.items():
        key = b'"%b":' % name.encode()
        start = at + 1 + len(key)
        if text[at + 1 : start] != key or text[start] <= 0x20:
            return _members_with_spaces(text, members)
        value = bytes(raw)
        values.append(value)
        starts.append(start)
        at = start + len(value)
        if text[at] not in (0x2C, 0x7D):
            return _members_with_spaces(text, members)
    return _Members(list(members), values, starts)


def _members_with_spaces(text: bytes, members: dict[str, msgspec.Raw]) -> _Members:
    """Do the same where there is white space between tokens, or a key is escaped or repeated."""
    names: list[str] = []
    values: list[bytes] = []
    starts: list[int] = []
    at = skip_space(text, skip_space(text, 0) + 1)
    while text[at : at + 1] == b'"':
        end_of_key = string_stop(text, at + 1)
        name = text[at + 1 : end_of_key].decode("utf-8", "replace")
        start = skip_space(text, skip_space(text, end_of_key + 1) + 1)
        stop = _stop_of(text, start, bytes(members.get(name, b"")))
        names.append(name)
        values.append(text[start:stop])
        starts.append(start)
        at = skip_space(text, stop)
        if text[at] != 0x2C:
            break
        at = skip_space(text, at + 1)
    return _Members(names, values, starts)


def _stop_of(text: bytes, start: int, value: bytes) -> int:
    """Return where the value at ``start`` ends; ``value`` is the last one of its key, so mostly this one."""
    stop = start + len(value)
    if value and text.startswith(value, start) and text[skip_space(text, stop)] in (0x2C, 0x7D):
        return stop
    return leaves(text, start)[1] if text[start] in b'"[{-0123456789' else start + 4 + (text[start] == 0x66)
