"""The dead-letter contract, version 1: the original bytes as the value, and where they came from as headers.

A dead letter may hold personal data that was never scrubbed. That is why it stays on its own topic with a short
retention, and why ClickHouse's ``dead_letters`` table has the headers and the size, never the bytes.
"""

from __future__ import annotations

from msgspec import Struct

SCHEMA_VERSION = 1


class DeadLetter(Struct, frozen=True):
    """The headers of a message on the ``dead-letters`` topic; every header is UTF-8 text.

    Attributes:
        topic: the topic the message was read from, without prefix.
        partition: its partition.
        offset: its offset.
        stage: the stage that refused it: ``decode``, ``filter``, ``scrub``, ``fingerprint``, ``store``.
        reason: which field was wrong and what to do about it; holds nothing of the message itself.
        time: when it was refused, in milliseconds since 1970 (UTC).
        project: the project, where it was known.
        version: the version of this contract.
    """

    topic: str
    partition: int
    offset: int
    stage: str
    reason: str
    time: int
    project: str = ""
    version: int = SCHEMA_VERSION

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers, one for each attribute."""
        return [(name, str(getattr(self, name)).encode()) for name in self.__struct_fields__]

    @classmethod
    def from_headers(cls, headers: list[tuple[str, bytes]]) -> DeadLetter:
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
        )
