"""What has become of a batch: rows, counts, dead letters and drops. Pure."""

from __future__ import annotations

from collections import Counter as Tally

from msgspec import Struct

from pipeline.inbound.settings import Kind
from pipeline.records.record import Origin, Record
from pipeline.tables.outcomes import OUTCOMES_TABLE, dropped_rows
from pipeline.tables.rows import Row
from schemas.counts import CountsBatch
from schemas.dead_letter import DeadLetter


class BatchResult(Struct):
    """What has become of a batch.

    Attributes:
        rows: the rows of each table.
        counts: what the batch adds to the windows, by counts partition.
        dead: the records that were refused, with their headers.
        dropped: how many events were dropped, by project, kind, and what dropped them: see
            :data:`pipeline.tables.outcomes.Dropped`.
        seconds: how long each stage took, for all of the batch.
    """

    rows: dict[str, list[Row]] = {}
    counts: dict[int, CountsBatch] = {}
    dead: list[tuple[Record, DeadLetter]] = []
    dropped: dict[tuple[str, Kind, str], int] = {}
    seconds: dict[str, float] = {}

    def drop(self, project: str, kind: Kind, setting: str) -> None:
        """Count an event that a filter setting, sampling or a discarded issue has dropped."""
        key = (project, kind, setting)
        self.dropped[key] = self.dropped.get(key, 0) + 1

    def tell_dropped(self, last: Origin) -> None:
        """Add the rows that say what was dropped; ``last`` is the origin of the batch's last record."""
        self.rows[OUTCOMES_TABLE] = dropped_rows(self.dropped, last)

    @property
    def filtered(self) -> dict[str, int]:
        """How many events each filter setting dropped, and sampling."""
        found: Tally[str] = Tally()
        for (_project, _kind, setting), quantity in self.dropped.items():
            found[setting] += quantity
        return dict(found)
