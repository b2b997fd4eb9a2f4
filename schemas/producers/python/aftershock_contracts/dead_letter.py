# Written by `python -m schemas.export` from schemas/dead_letter.py: edit that one.
"""The dead-letter contract, version 1: the original bytes as the value, and where they came from as headers.

A dead letter may hold personal data that was never scrubbed. That is why it stays on its own topic with a short
retention, and why ClickHouse's ``dead_letters`` table has the headers and the size, never the bytes.

The topic also says which letters were replayed: see :class:`Replay`.
"""

from __future__ import annotations

from collections.abc import Sequence

import xxhash
from msgspec import Struct

SCHEMA_VERSION = 1
REPLAYED_FROM = "replayed-from"
"""The header of a message that was replayed: :func:`letter_id` of the dead letter it was."""


class DeadLetter(Struct, frozen=True):
    """The headers of a message on the ``dead-letters`` topic; every header is UTF-8 text.

    Attributes:
        topic: the topic the message was read from, without prefix.
        partition: its partition.
        offset: its offset.
        stage: the stage that refused it: ``decode``, ``filter``, ``scrub``, ``fingerprint``, ``discard``, ``rows``;
            ``store`` where ClickHouse did.
        reason: which field was wrong and what to do about it; holds nothing of the message itself.
        time: when it was refused, in milliseconds since 1970 (UTC).
        project: the project, where it was known.
        version: the version of this contract.
        weight: how many events it stands for, as its header ``weight`` said.
    """

    topic: str
    partition: int
    offset: int
    stage: str
    reason: str
    time: int
    project: str = ""
    version: int = SCHEMA_VERSION
    weight: float = 1

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers, one for each attribute; ``weight`` only where it is not 1."""
        names = (name for name in self.__struct_fields__ if name != "weight" or self.weight != 1)
        return [(name, str(getattr(self, name)).encode()) for name in names]

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[str, bytes | None]]) -> DeadLetter:
        """Read the headers of a message back; headers of other names are ignored, missing ones are empty.

        Raises:
            ValueError: a numeric header is not a number.
        """
        found = {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
        return cls(
            topic=found.get("topic", ""),
            partition=int(found.get("partition", -1)),
            offset=int(found.get("offset", -1)),
            stage=found.get("stage", ""),
            reason=found.get("reason", ""),
            time=int(found.get("time", 0)),
            project=found.get("project", ""),
            version=int(found.get("version", SCHEMA_VERSION)),
            weight=float(found.get("weight", 1)),
        )


def letter_id(letter: DeadLetter, value: bytes) -> str:
    """Return what a dead letter is known by: ``topic/partition/offset`` of the original, and a hash of its bytes.

    A worker that crashes may bury the same message twice; both letters have the same id. The hash keeps them apart
    from the letters of a topic that was deleted and made again, whose offsets start over.
    """
    return f"{letter.topic}/{letter.partition}/{letter.offset}:{xxhash.xxh3_64_hexdigest(value)}"


class Replay(Struct, frozen=True):
    """A message without a value on the ``dead-letters`` topic, under the letter's id as key: it is being replayed.

    It is written before the letter is sent (``claimed``) and again when Kafka has acknowledged that (``sent``). Of
    several claims the first in the log holds, so of two replays at the same time one sends the letter.

    Attributes:
        replayed: the letter's :func:`letter_id`.
        replay: the run that claims it; 32 hexadecimal digits.
        state: ``claimed`` or ``sent``.
    """

    replayed: str
    replay: str
    state: str

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers, one for each attribute."""
        return [(name, getattr(self, name).encode()) for name in self.__struct_fields__]

    @classmethod
    def from_headers(cls, headers: Sequence[tuple[str, bytes | None]]) -> Replay | None:
        """Read the headers of a message back; ``None`` when it is a dead letter."""
        found = {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
        if "replayed" not in found:
            return None
        return cls(found["replayed"], found.get("replay", ""), found.get("state", ""))
