"""Names the place of a finding: the event's top-level section, and the part of it where that says more.

Names come from fixed lists, so that counts by field stay few and never hold an event's own text.
"""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from pipeline.scrub.jsontext import leaves, skip_space, string_stop

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])

_SECTIONS = frozenset(
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
_PARTS = {
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

_SOURCE = frozenset((b"context_line", b"pre_context", b"post_context"))
_FRAME = frozenset((b"filename", b"abs_path", b"function", b"module", b"package"))
_LEAVES = {
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
        self._starts, self._stops, self._names = _members(text, skip_space(text, 0), len(text))
        self._inner: dict[int, tuple[list[int], list[int], list[str]]] = {}

    def section_at(self, offset: int) -> str:
        """Return the top-level key that ``offset`` is under."""
        index = bisect_right(self._starts, offset) - 1
        return self._names[index] if index >= 0 else ""

    def part_at(self, offset: int) -> str:
        """Return the second-level key that ``offset`` is under; empty when the section is no object."""
        index = bisect_right(self._starts, offset) - 1
        if index < 0:
            return ""
        start = self._starts[index]
        if start not in self._inner:
            self._inner[start] = _members(self._text, start, self._stops[index])
        starts, _, names = self._inner[start]
        inner = bisect_right(starts, offset) - 1
        return names[inner] if inner >= 0 else ""

    def field_at(self, offset: int, owner: bytes | None) -> str:
        """Return the name of the place of ``offset``; ``owner`` is the key that directly holds it, if known."""
        section = self.section_at(offset)
        if section not in _SECTIONS:
            return "other"
        if section in _PARTS:
            part = self.part_at(offset)
            return f"{section}.{part}" if part in _PARTS[section] else section
        if section in ("exception", "threads", "stacktrace"):
            if owner in _SOURCE:
                return f"{section}.source"
            if owner in _FRAME:
                return f"{section}.frames"
            start = self._starts[bisect_right(self._starts, offset) - 1]
            if _under(self._text, b'"vars"', start, offset):
                return f"{section}.vars"
        if section in _LEAVES:
            if owner in _LEAVES[section]:
                return f"{section}.{owner.decode()}" if owner else section
            start = self._starts[bisect_right(self._starts, offset) - 1]
            if _under(self._text, b'"data"', start, offset):
                return f"{section}.data"
        return section


def _under(text: bytes, key: bytes, start: int, offset: int) -> bool:
    """Whether the last ``key`` before ``offset`` opens an object that is still open there, braces in text aside."""
    found = text.rfind(key, start, offset)
    return found >= 0 and text.count(b"{", found, offset) > text.count(b"}", found, offset)


def _members(text: bytes, start: int, stop: int) -> tuple[list[int], list[int], list[str]]:
    """Return where the values of the object at ``start`` begin and end, and their keys; empty for anything else."""
    starts: list[int] = []
    stops: list[int] = []
    names: list[str] = []
    if text[start : start + 1] != b"{":
        return starts, stops, names
    members = _MEMBERS.decode(memoryview(text)[start:stop])
    at = start + 1
    for name, raw in members.items():
        key = name.encode()
        at += len(key) + 3
        if text[at - 1] != 0x3A or text[at - 2] != 0x22 or text[at - 2 - len(key) : at - 2] != key:
            return _members_with_spaces(text, start)
        starts.append(at)
        at += len(bytes(raw))
        stops.append(at)
        names.append(name)
        if text[at] not in b",}":
            return _members_with_spaces(text, start)
        at += 1
    return starts, stops, names


def _members_with_spaces(text: bytes, start: int) -> tuple[list[int], list[int], list[str]]:
    """Do the same where there is white space between tokens, or a key is escaped or repeated: value by value."""
    starts: list[int] = []
    stops: list[int] = []
    names: list[str] = []
    at = skip_space(text, start + 1)
    while text[at : at + 1] == b'"':
        end_of_key = string_stop(text, at + 1)
        names.append(text[at + 1 : end_of_key].decode("utf-8", "replace"))
        at = skip_space(text, skip_space(text, end_of_key + 1) + 1)
        starts.append(at)
        at = leaves(text, at)[1] if text[at] in b'"[{-0123456789' else at + 4 + (text[at] == 0x66)
        stops.append(at)
        at = skip_space(text, at)
        if text[at] != 0x2C:
            break
        at = skip_space(text, at + 1)
    return starts, stops, names
