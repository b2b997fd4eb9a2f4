"""Downsampling: of a noisy issue, some events are stored whole and stand for the others. Pure; every sum stays exact.

Of each issue and minute (of event time) the first events are stored whole. Beyond that one in so many is, and its row
stands for those that are not: it has their weights in ``sample_weight``, their users in ``other_users``, and what was
replaced in them in ``scrubbed``. So every sum over the rows is what it would be if all were stored.

The others are given only to a row of the same batch and of the same *cell*: project, environment, minute, issue,
release, level and handled or not, which is what the aggregates and the documented queries group by. Whatever was
counted of earlier batches, the sums of a cell are those of the batch's events; so it does no harm that a worker which
does a batch again, after a crash, may choose other rows. Of each cell the first and the last event in time are stored,
so that the first and last times are exact too, and the events whose ids go along with the counts, so that alerts point
to what is there.

Events are counted by process of the stages: with several of them, in one worker or in several, each stores the first
ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from pipeline.payload.globs import Test, compile_globs
from pipeline.tables.rows import ERROR_COLUMNS, Row
from pipeline.tables.storage import StorageSettings
from schemas.counts import CountsBatch

MINUTE_MS = 60_000
MOST_REMEMBERED = 50_000
"""So many issues and minutes are remembered for certain, and at most twice as many: 10 MB. An issue that was forgotten
has its first events stored whole once more."""

_PROJECT, _ENVIRONMENT, _TIMESTAMP, _EVENT_ID, _FINGERPRINT, _WEIGHT, _USER, _OTHERS, _SCRUBBED = map(
    ERROR_COLUMNS.index,
    (
        "project",
        "environment",
        "timestamp",
        "event_id",
        "fingerprint",
        "sample_weight",
        "user_hash",
        "other_users",
        "scrubbed",
    ),
)
_same = itemgetter(*map(ERROR_COLUMNS.index, ("project", "environment", "fingerprint", "release", "level", "handled")))


class _Limit(NamedTuple):
    whole: int
    then_one_in: int


class Downsampler:
    """Downsamples the batches of a worker; it remembers how many events there were, and is not thread-safe.

    Args:
        settings: how many are stored.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._limit = _Limit(settings.whole_per_issue_and_minute, settings.then_one_in)
        self._places: list[tuple[Test, _Limit]] = [
            (
                compile_globs([place.project]),
                _Limit(
                    place.whole_per_issue_and_minute or settings.whole_per_issue_and_minute,
                    place.then_one_in or settings.then_one_in,
                ),
            )
            for place in settings.places
        ]
        limits = (self._limit, *(limit for _, limit in self._places))
        self._least = min(limit.whole for limit in limits)
        self.active = any(limit.then_one_in > 1 for limit in limits)
        # By the hash of project, issue and minute: 64 bits, so two of them share a count once in a blue moon.
        self._seen: dict[int, int] = {}
        self._seen_before: dict[int, int] = {}

    def begin(self) -> DownsampledBatch:
        """Begin a batch. One at a time: it is numbered behind the one before it."""
        return DownsampledBatch(self)

    def number(self, rows: list[Row]) -> dict[int, int]:
        """Count rows; return those that may be left out, with how many there were of their issue and minute by then."""
        late: dict[int, int] = {}
        seen, least = self._seen, self._least
        for at, row in enumerate(rows):
            key = hash((row[_PROJECT], row[_FINGERPRINT], row[_TIMESTAMP] // MINUTE_MS))
            number = seen.get(key)
            if number is None:
                number = self._seen_before.get(key, 0)
            number += 1
            seen[key] = number
            if number > least:
                late[at] = number
        if len(seen) > MOST_REMEMBERED:
            self._seen_before, self._seen = seen, {}
        return late

    def stores(self, row: Row, number: int) -> bool:
        """Say whether a row is stored in any case: among the first ones of its issue and minute, or one in so many."""
        limit = self._limit_of(row[_PROJECT])
        beyond = number - limit.whole - 1
        return beyond < 0 or beyond % limit.then_one_in == 0

    def _limit_of(self, project: str) -> _Limit:
        return next((limit for fits, limit in self._places if fits(project)), self._limit)


class DownsampledBatch:
    """Thins one batch, whose rows come little by little.

    Args:
        downsampler: knows how many events there were before.
    """

    def __init__(self, downsampler: Downsampler) -> None:
        self._downsampler = downsampler
        self._late: list[Row] = []
        self._numbers: list[int] = []

    def settle(self, rows: list[Row]) -> list[Row]:
        """Take the batch's next rows; return those that are stored as they are, and keep the others."""
        late = self._downsampler.number(rows) if self._downsampler.active else {}
        if not late:
            return rows
        self._late += (rows[at] for at in late)
        self._numbers += late.values()
        return [row for at, row in enumerate(rows) if at not in late]

    def end(self, counts: Iterable[CountsBatch]) -> tuple[list[Row], int]:
        """Return what is stored of the rows that were kept, and how many others those stand for.

        ``counts`` are the batch's: the events that they name are stored.
        """
        rows = self._late
        stays = {at for at, number in enumerate(self._numbers) if self._downsampler.stores(rows[at], number)}
        if len(stays) == len(rows):
            return rows, 0
        named = _named(counts)
        stands_for: dict[int, list[int]] = {}
        for cell in _cells(rows):
            stored = _extremes(rows, cell) | {at for at in cell if at in stays or rows[at][_EVENT_ID] in named}
            _share_out(cell, stored, stands_for)
        gone = {other for others in stands_for.values() for other in others}
        left_out = [
            _for_all(row, [rows[other] for other in stands_for[at]]) if at in stands_for else row
            for at, row in enumerate(rows)
            if at not in gone
        ]
        return left_out, len(gone)


def _named(counts: Iterable[CountsBatch]) -> set[str]:
    return {event_id for batch in counts for group in batch.groups for event_id in group.event_ids}


def _cells(rows: list[Row]) -> Iterable[list[int]]:
    cells: dict[tuple[object, ...], list[int]] = {}
    for at, row in enumerate(rows):
        cells.setdefault((row[_TIMESTAMP] // MINUTE_MS, _same(row)), []).append(at)
    return cells.values()


def _extremes(rows: list[Row], cell: list[int]) -> set[int]:
    """Return the first and the last row of a cell in time."""
    return {min(cell, key=lambda at: rows[at][_TIMESTAMP]), max(cell, key=lambda at: rows[at][_TIMESTAMP])}


def _share_out(cell: list[int], stored: set[int], stands_for: dict[int, list[int]]) -> None:
    """Give each row that is not stored to the stored one before it, or to the first one."""
    carrier = next(at for at in cell if at in stored)
    for at in cell:
        if at in stored:
            carrier = at
        else:
            stands_for.setdefault(carrier, []).append(at)


def _for_all(row: Row, others: list[Row]) -> Row:
    """Return a row that stands for others too."""
    users = {other[_USER] for other in others} - {0, row[_USER]}
    scrubbed = dict(row[_SCRUBBED])
    for other in others:
        for place, count in other[_SCRUBBED].items():
            scrubbed[place] = scrubbed.get(place, 0) + count
    changed = list(row)
    changed[_WEIGHT] = row[_WEIGHT] + sum(other[_WEIGHT] for other in others)
    changed[_OTHERS] = sorted(users)
    changed[_SCRUBBED] = scrubbed
    return tuple(changed)
