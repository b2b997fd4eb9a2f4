"""What the worker and the process of the stages say to each other: msgpack, structs as arrays, one after the other.

Of one batch at a time: :class:`Begin`, its record batches in :class:`Take`, each answered by any number of
:class:`Lines`, and :class:`End`, answered by the lines that are left and by :class:`Ended`. A batch that is to come
``apart`` is answered by :class:`Apart` in place of lines.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.dead_letter import DeadLetter
from schemas.issue_change import IssueChange


class Setup(Struct, tag=0, array_like=True):
    """The first message to the stages, answered by :class:`Ready`.

    ``settings`` are all of them, pickled: some hold what only their own classes can make again. ``log_level`` is that
    of the worker's log.
    """

    settings: bytes
    log_level: str


class Change(Struct, tag=1, array_like=True):
    """The latest change of an issue, ``None`` where all of it was taken back; not answered."""

    project: str
    fingerprint: str
    change: IssueChange | None


class Begin(Struct, tag=2, array_like=True):
    """A batch begins; not answered.

    ``topic`` has no prefix; ``first`` and ``last`` are the batch's boundaries, ``start`` is the offset of the first
    record that is wanted. ``apart`` asks for each row by itself, of all events.
    """

    topic: str
    incarnation: str
    partition: int
    first: int
    last: int
    start: int
    apart: bool = False


class Take(Struct, tag=3, array_like=True):
    """Record batches that hold the batch's next records, and maybe others, which are passed over."""

    record_batches: list[bytes]


class End(Struct, tag=4, array_like=True):
    """The batch has no more records."""


Request = Setup | Change | Begin | Take | End


class Ready(Struct, tag=0, array_like=True):
    """The stages are compiled for the settings. ``wrong`` says what has to be mended in them, where they cannot be."""

    wrong: str = ""


class Lines(Struct, tag=1, array_like=True):
    """Rows for each table, one after the other as JSON arrays, each with a line break behind it."""

    lines: dict[str, bytes]


class Apart(Struct, tag=2, array_like=True):
    """Rows for each table, each by itself, with the offset of its event."""

    rows: dict[str, list[tuple[int, bytes]]]


class Ended(Struct, tag=3, array_like=True):
    """What else has become of the batch.

    * ``records``: how many there were.
    * ``counts``: the message for each counts partition.
    * ``dead``: the letters of those that were refused; each names the offset.
    * ``filtered``: how many events each filter setting dropped, and sampling.
    * ``downsampled``: how many events have no row of their own because others stand for them.
    * ``seconds``: how long each stage took.
    """

    records: int
    counts: dict[int, bytes]
    dead: list[DeadLetter]
    filtered: dict[str, int]
    downsampled: int
    seconds: dict[str, float]


Answer = Ready | Lines | Apart | Ended
