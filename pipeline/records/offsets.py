"""The offsets of a partition: where its log begins and ends, and what a consumer group has committed of it."""

from __future__ import annotations

from typing import NamedTuple


class LogOffsets(NamedTuple):
    """A partition's offsets: what the group has committed (``None``: nothing yet), where the log begins and ends."""

    committed: int | None
    begin: int
    end: int
