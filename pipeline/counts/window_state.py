"""What of the windows outlives a worker: entries of a compacted table, as bytes.

Four kinds of entry, told apart by the first element of their key: the window of one group for one rule, the
environments in which an issue is known, what an issue did after people changed it, and how far each source has been
applied. Keys and values are msgpack
arrays. A value starts with :data:`STATE_VERSION`; a field is added only at the end, with a default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from pipeline.alerts.evidence import Subject
from pipeline.errors import Misconfigured
from schemas.counts import Count

STATE_VERSION = 1

WINDOW = "w"
KNOWN = "k"
REACTION = "r"
SOURCE = "s"


class Episode(Struct, array_like=True, gc=False):
    """A time during which a group's count is at or above its rule's threshold.

    * ``started``: end of the first window that reached the threshold; names the episode. Epoch seconds.
    * ``last``: end of the last window that was seen to reach it while the episode was silent. Epoch seconds.
    * ``status``: ``silent`` while only windows of the past have reached it, or while the issue is ignored; ``firing``
      once that was said, ``resolved`` when it has been decided to be over and that is still to be said.
    * ``resolved_at``: when that was decided, epoch seconds; 0 before.
    """

    started: int
    last: int
    status: Literal["silent", "firing", "resolved"]
    subject: Subject
    window_s: int
    resolved_at: float = 0.0


class WindowEntry(Struct, array_like=True, gc=False):
    """The window of one group for one rule.

    * ``definition``: the rule's definition that it was counted under.
    * ``asof``: the offset of the counts partition up to which messages have been applied to it; -1 for none.
    * ``panes``: (start in epoch seconds, weighted count).
    * ``quiet_until``: no window that ends at or before this fires; epoch seconds.
    * ``incarnation``: of the counts topic that ``asof`` belongs to.
    """

    version: int
    definition: str
    asof: int
    panes: list[tuple[int, Count]]
    quiet_until: float
    episode: Episode | None
    incarnation: str = ""


class KnownEntry(Struct, array_like=True, gc=False):
    """The environments in which an issue has been seen."""

    version: int
    environments: list[str]


ReactionKind = Literal["", "regressed", "unignored", "returned"]


class ReactionEntry(Struct, array_like=True):
    """What an issue did after a change.

    * ``change``: the change's id. ``kind``: how it came back; empty while it has not.
    * ``asof``: the offset of the counts partition, in the life ``incarnation`` of its topic, that it was applied up to.
    * ``at_ms``, ``release``: of an event that brought it back; ``environments``: where it has come back.
    * ``count``, ``users``: of an issue that is ignored until some number: its events and users since.
    """

    version: int
    change: str
    kind: ReactionKind = ""
    asof: int = -1
    at_ms: int = 0
    release: str = ""
    environments: list[str] = []
    count: Count = 0
    users: list[int] = []
    incarnation: str = ""


class SourceEntry(Struct, array_like=True, gc=False):
    """The last offset of a source whose batch has been applied."""

    version: int
    last: int


Key = tuple[str, ...]
"""(:data:`WINDOW`, rule, project, environment, fingerprint), (:data:`KNOWN`, project, fingerprint),
(:data:`REACTION`, project, fingerprint) or (:data:`SOURCE`, topic, incarnation, partition)."""

_Entry = TypeVar("_Entry", WindowEntry, KnownEntry, ReactionEntry, SourceEntry)

_encoder = msgspec.msgpack.Encoder()
_keys = msgspec.msgpack.Decoder(tuple[str, ...])
_LENGTHS = {WINDOW: 5, KNOWN: 3, REACTION: 3, SOURCE: 4}


def encode(value: Key | WindowEntry | KnownEntry | ReactionEntry | SourceEntry) -> bytes:
    """Return the bytes of a key or of a value."""
    return _encoder.encode(value)


def decode_key(data: bytes) -> Key:
    """Return a key; raises :class:`Misconfigured` when it is not one."""
    try:
        key = _keys.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Misconfigured(_REMEDY) from None
    if not key or _LENGTHS.get(key[0]) != len(key) or (key[0] == SOURCE and not key[3].isdecimal()):
        raise Misconfigured(_REMEDY)
    return key


def is_progress(key: bytes) -> bool:
    """Return whether an entry says how far a source has been applied: to be written after all others."""
    return decode_key(key)[0] == SOURCE


def decode_value(data: bytes, kind: type[_Entry]) -> _Entry:
    """Return a value; raises :class:`Misconfigured` when it is not of this kind and of :data:`STATE_VERSION`."""
    try:
        value = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Misconfigured(_REMEDY) from None
    if value.version != STATE_VERSION:
        raise Misconfigured(_REMEDY)
    return value


class Changelog:
    """What stands of a partition's changelog, whose entries are put in as they are read, in order.

    As a rule the later entry of a key stands. But a worker that was overtaken may still write what it had counted
    after its successor has: then what has been applied further does.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[bytes, tuple[object, int]]] = {}

    def put(self, key: bytes, value: bytes | None) -> None:
        """Take the next entry; raises :class:`Misconfigured` for what this version cannot read."""
        if not value:
            self._entries.pop(key, None)
            return
        reached = _reached(decode_key(key)[0], value)
        kept = self._entries.get(key)
        if kept is None or kept[1][0] != reached[0] or kept[1][1] <= reached[1]:
            self._entries[key] = value, reached

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Return keys and values."""
        return ((key, value) for key, (value, _) in self._entries.items())


def _reached(kind: str, value: bytes) -> tuple[object, int]:
    """Return in what a value's progress is counted, and how far it is."""
    if kind == WINDOW:
        window = decode_value(value, WindowEntry)
        return (window.definition, window.incarnation), window.asof
    if kind == REACTION:
        reaction = decode_value(value, ReactionEntry)
        return (reaction.change, reaction.incarnation), reaction.asof
    if kind == SOURCE:
        return (), decode_value(value, SourceEntry).last
    return (), len(decode_value(value, KnownEntry).environments)


_REMEDY = (
    f"topic windows: holds an entry that is not of state version {STATE_VERSION}: run the version of aftershock that "
    "wrote it, or delete the topic windows and run `aftershock migrate`, to begin with empty windows"
)
