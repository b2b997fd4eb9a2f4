"""Names the place of a finding: the event's top-level section, and the part of it where that says more.

Names come from fixed lists, so that counts by field stay few and never hold an event's own text.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from pipeline.scrub.outline import members_of

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
        self._members = _Members(text, 0, len(text))
        self._inner: dict[int, _Members] = {}

    def section_at(self, offset: int) -> str:
        """Return the top-level key that ``offset`` is under."""
        return self._members.name(self._members.index_at(offset))

    def _part_at(self, offset: int, index: int) -> str:
        """Return the second-level key that ``offset`` is under, in the member at ``index``; empty in no object."""
        if index not in self._inner:
            members = self._members
            self._inner[index] = _Members(self._text, members.starts[index], members.stops[index])
        inner = self._inner[index]
        return inner.name(inner.index_at(offset))

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
    """The members of one object in a text: the keys, and where the values begin and end."""

    __slots__ = ("_names", "starts", "stops")

    def __init__(self, text: bytes, start: int, stop: int) -> None:
        self._names, self.starts, self.stops = members_of(text, start, stop)

    def index_at(self, offset: int) -> int:
        """Return the index of the member that ``offset`` is in, or -1."""
        return bisect_right(self.starts, offset) - 1

    def name(self, index: int) -> str:
        """Return the key of the member at ``index``; an empty one for -1."""
        return self._names[index] if index >= 0 else ""
