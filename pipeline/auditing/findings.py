"""What an audit finds, each as a struct that is written as a JSON object with a ``kind``.

``bad`` says whether something is lost or counted twice by it, which is what the exit code tells.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

HoleVerdict = Literal["lost", "expired", "nothing there", "stored", "unclear"]
"""What has become of the records of a hole.

* ``lost``: Kafka has records there, and no table has a row of them.
* ``expired``: Kafka has deleted them, so nobody can read them again or say how many they were.
* ``nothing there``: Kafka has no record there (compaction or transaction markers).
* ``stored``: every record has its rows; only the line in the ledger is missing.
* ``unclear``: some records have rows and others have none.
"""


class Finding(Struct, frozen=True, tag_field="kind"):
    """Base of all findings."""

    @property
    def bad(self) -> bool:
        """Whether something is lost or counted twice."""
        return True


class HoleFound(Finding, frozen=True, tag="hole"):
    """A range of offsets below the committed one that is in no batch.

    ``records`` is how many Kafka has there, ``stored`` how many of them have rows, ``before`` and ``after`` when the
    batches beside it were begun.
    """

    topic: str
    partition: int
    first: int
    last: int
    verdict: HoleVerdict
    records: int
    stored: int = 0
    before: datetime | None = None
    after: datetime | None = None

    @property
    def bad(self) -> bool:
        """Whether records are lost, or may be."""
        return self.verdict not in ("nothing there", "stored")


class NotStored(Finding, frozen=True, tag="not stored"):
    """A batch that was begun and never begun again by the next generation, and of which no table has a row."""

    topic: str
    partition: int
    first: int
    last: int
    records: int
    begun_at: datetime


class Unfinished(Finding, frozen=True, tag="unfinished repair"):
    """A range whose repair was begun and not ended."""

    topic: str
    partition: int
    first: int
    last: int
    begun_at: datetime


class OverlapFound(Finding, frozen=True, tag="overlap"):
    """Offsets that are in two batches of one generation; ``batches`` has the boundaries of both."""

    topic: str
    partition: int
    first: int
    last: int
    batches: list[tuple[int, int]]


class Doubled(Finding, frozen=True, tag="doubled"):
    """Offsets of a partition whose rows are in a table more than once.

    ``offsets`` is how many there are, between ``first`` and ``last``; ``rows`` how many rows are too many.
    """

    table: str
    topic: str
    partition: int
    first: int
    last: int
    offsets: int
    rows: int


class Difference(Finding, frozen=True, tag="difference"):
    """An aggregate that does not add up to what its source has, on a day of the events, in UTC.

    ``day`` is the week's Monday where the aggregate knows no days, and empty where it knows no time. ``erased``: rows
    of the source were erased since, and what was counted of them stays, so more than the source has is no fault.
    """

    table: str
    source: str
    day: str
    project: str
    expected: float
    found: float
    release: str = ""
    erased: bool = False

    @property
    def bad(self) -> bool:
        """Whether it is more than what erasures explain."""
        return self.found < self.expected or not self.erased


class Repaired(Finding, frozen=True, tag="repaired"):
    """A range that was read from Kafka again and stored."""

    topic: str
    partition: int
    first: int
    last: int
    records: int

    @property
    def bad(self) -> bool:
        """Nothing is lost of it any more."""
        return False


class Summary(Finding, frozen=True, tag="summary"):
    """How much was looked at, and whether nothing is lost or counted twice."""

    partitions: int
    batches: int
    offsets: int
    clean: bool

    @property
    def bad(self) -> bool:
        """Whether anything is."""
        return not self.clean
