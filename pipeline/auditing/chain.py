"""Chain: how the batches of one partition follow each other in the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, field

from pipeline.intake.batching import standing
from pipeline.records.record import Boundaries


class Entry(Struct, frozen=True):
    """A batch in the ledger: its boundaries, the latest generation in which it was begun, and when that was."""

    boundaries: Boundaries
    generation: int
    begun_at: datetime


class Hole(Struct, frozen=True):
    """Offsets in no batch, and when the batches before and after were begun (``None`` where there is none)."""

    first: int
    last: int
    before: datetime | None
    after: datetime | None


class Overlap(Struct, frozen=True):
    """Two batches of one generation that share offsets."""

    one: Boundaries
    other: Boundaries

    @property
    def first(self) -> int:
        """The first offset that is in both."""
        return max(self.one.first, self.other.first)

    @property
    def last(self) -> int:
        """The last offset that is in both."""
        return min(self.one.last, self.other.last)


class Chain(Struct):
    """What the ledger says of a partition up to its committed offset.

    Attributes:
        start: the first offset that was looked at.
        batches: how many batches there are.
        holes: ranges that are in no batch.
        overlaps: batches that share offsets.
        unanswered: batches that were the last of a generation, or are followed by a hole. If the worker died with such
            a batch in the ledger and not stored, the next generation had to begin it again, and did not.
    """

    start: int
    batches: int = 0
    holes: list[Hole] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    unanswered: list[Entry] = field(default_factory=list)


def follow(entries: Sequence[Entry], start: int, committed: int) -> Chain:
    """Follow a partition's batches from an offset up to the committed one.

    Args:
        entries: the batches in the order of their offsets, those of one pair of boundaries as one.
        start: where the first batch has to begin, at the latest.
        committed: the committed offset; batches from there on may be under way.
    """
    by_boundaries = {entry.boundaries: entry for entry in entries}
    stand = [by_boundaries[one] for one in standing((entry.boundaries, entry.generation) for entry in entries)]
    found = Chain(start)
    cursor = start
    previous: Entry | None = None
    for entry in stand:
        boundaries = entry.boundaries
        if boundaries.last < start:
            continue
        if boundaries.first >= committed:
            break
        if boundaries.first > cursor:
            found.holes.append(Hole(cursor, boundaries.first - 1, _time(previous), entry.begun_at))
        if previous is not None:
            if previous.boundaries.last >= boundaries.first:
                found.overlaps.append(Overlap(previous.boundaries, boundaries))
            if boundaries.first > cursor or entry.generation > previous.generation:
                found.unanswered.append(previous)
        found.batches += 1
        cursor = max(cursor, boundaries.last + 1)
        if previous is None or boundaries.last >= previous.boundaries.last:
            previous = entry
    if cursor < committed:
        following = next((entry for entry in stand if entry.boundaries.first >= committed), None)
        found.holes.append(Hole(cursor, committed - 1, _time(previous), _time(following)))
        if previous is not None:
            found.unanswered.append(previous)
    return found


def _time(entry: Entry | None) -> datetime | None:
    return entry.begun_at if entry is not None else None
