"""Regroup: a stored event through grouping again, and which of its columns that changes. Pure.

Grouping sees scrubbed events, and what is stored is the scrubbed event: so the same rules give the same columns.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Struct

from pipeline.errors import Refused
from pipeline.fingerprint import Grouped, Grouping
from pipeline.payload.decode import decode_again
from pipeline.regrouping.comparison import Replayed
from pipeline.tables.rows import LARGEST_LINE

KEY_COLUMNS = ("kafka_topic", "kafka_partition", "kafka_offset", "event_id")
"""What tells stored events apart; the id too, because offsets start over when a topic is made anew."""
GROUPING_COLUMNS = (
    "fingerprint",
    "grouping_version",
    "grouping_rule",
    "grouping_components",
    "title",
    "culprit",
    "frames_function",
    "frames_module",
    "frames_file",
    "frames_line",
    "frames_in_app",
)
"""The columns of ``errors`` that grouping decides."""
READ_COLUMNS = (*KEY_COLUMNS, *GROUPING_COLUMNS, "project", "sample_weight", "payload")


class Labels(NamedTuple):
    """The values of :data:`GROUPING_COLUMNS`, in their order."""

    fingerprint: str
    version: str
    rule: str
    components: list[str]
    title: str
    culprit: str
    frames_function: list[str]
    frames_module: list[str]
    frames_file: list[str]
    frames_line: list[int]
    frames_in_app: list[bool]


class Stored(Struct, array_like=True, gc=False):
    """A row of ``errors`` as far as it is read for grouping: :data:`READ_COLUMNS`, in their order."""

    kafka_topic: str
    kafka_partition: int
    kafka_offset: int
    event_id: str
    fingerprint: str
    version: str
    rule: str
    components: list[str]
    title: str
    culprit: str
    frames_function: list[str]
    frames_module: list[str]
    frames_file: list[str]
    frames_line: list[int]
    frames_in_app: list[bool]
    project: str
    sample_weight: float
    payload: str

    @property
    def key(self) -> tuple[str, int, int, str]:
        """The values of :data:`KEY_COLUMNS`."""
        return self.kafka_topic, self.kafka_partition, self.kafka_offset, self.event_id

    @property
    def labels(self) -> Labels:
        """The values of :data:`GROUPING_COLUMNS` as they are stored."""
        return Labels(
            self.fingerprint,
            self.version,
            self.rule,
            self.components,
            self.title,
            self.culprit,
            self.frames_function,
            self.frames_module,
            self.frames_file,
            self.frames_line,
            self.frames_in_app,
        )


read_stored = msgspec.json.Decoder(Stored).decode
"""Reads a line of ``JSONCompactEachRow``."""


def labels_of(grouped: Grouped) -> Labels:
    """Return what grouping says, as ``errors`` stores it."""
    frames = grouped.frames
    return Labels(
        grouped.fingerprint,
        grouped.version,
        grouped.rule,
        grouped.components,
        grouped.title,
        grouped.culprit,
        frames.function,
        frames.module,
        frames.file,
        [line if 0 <= line <= LARGEST_LINE else 0 for line in frames.line],
        frames.in_app,
    )


def regrouped(grouping: Grouping, stored: Stored) -> tuple[Replayed, Labels] | None:
    """Return what would become of a stored event; ``None`` when its payload cannot be read, so that it stays."""
    try:
        event = decode_again(stored.payload.encode())
    except (msgspec.DecodeError, Refused, RecursionError):
        return None
    new = labels_of(grouping.group(event, stored.project))
    replayed = Replayed(
        stored.project,
        stored.fingerprint,
        new.fingerprint,
        stored.title,
        new.title,
        stored.event_id,
        stored.sample_weight,
        relabelled=new != stored.labels,
    )
    return replayed, new
