"""A batch on its way through the stages, as the process of the stages keeps it: records in, encoded rows out. Pure.

Rows are encoded as soon as it is settled that they are stored, while they are still in the processor's cache; as Python
objects they take several times the memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec.json import Encoder

from pipeline.records.record import Batch, Boundaries, Record, Source
from pipeline.stages.messages import Apart, Ended, Lines
from pipeline.tables.downsampling import Downsampler
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import ERRORS_TABLE, Row
from schemas.counts import encode_counts
from schemas.dead_letter import DeadLetter

_ENCODER = Encoder()


class Processing(Protocol):
    """A batch that is processed little by little; see :class:`pipeline.stages.transform.Processing`."""

    outcome: BatchResult

    def take(self, records: Sequence[Record]) -> object:
        """Take the next records."""

    def end(self) -> BatchResult:
        """Return what has become of all of them."""


Begin = Callable[[Source, Boundaries], Processing]
"""Begins a batch of one topic."""


def collected(process: Callable[[Batch], BatchResult]) -> Begin:
    """Return how a batch begins that is processed when all of its records are there."""
    return lambda source, boundaries: _Gathered(process, source, boundaries)


class _Gathered:
    def __init__(self, process: Callable[[Batch], BatchResult], source: Source, boundaries: Boundaries) -> None:
        self._process = process
        self._source = source
        self._boundaries = boundaries
        self._records: list[Record] = []
        self.outcome = BatchResult()

    def take(self, records: Sequence[Record]) -> None:
        self._records += records

    def end(self) -> BatchResult:
        self.outcome = self._process(Batch(self._source, self._boundaries, self._records))
        return self.outcome


class StagedBatch:
    """A batch whose rows are downsampled and come as lines.

    Args:
        processing: takes the records through the stages.
        downsampler: finds rows of errors for which others can stand.
    """

    def __init__(self, processing: Processing, downsampler: Downsampler) -> None:
        self._processing = processing
        self._downsampling = downsampler.begin()
        self._records = 0
        self._refused: list[DeadLetter] = []
        self._seconds = {"downsample": 0.0, "encode": 0.0}

    def take(self, records: Sequence[Record]) -> Lines:
        """Take the next records; return the rows that are settled by now."""
        self._processing.take(records)
        self._records += len(records)
        return self._settled()

    def refuse(self, letter: DeadLetter) -> None:
        """Take what holds records that cannot be taken out of it."""
        self._refused.append(letter)
        self._records += 1

    def end(self) -> list[Lines | Ended]:
        """Return the rows that are left, and what else has become of the batch."""
        outcome = self._processing.end()
        settled = self._settled()
        started = time.perf_counter()
        kept, downsampled = self._downsampling.end(outcome.counts.values())
        self._seconds["downsample"] += time.perf_counter() - started
        left = Lines(self._encoded({ERRORS_TABLE: kept}))
        counts = {partition: encode_counts(message) for partition, message in outcome.counts.items()}
        letters = [letter for _, letter in outcome.dead] + self._refused
        seconds = {**outcome.seconds, **self._seconds}
        return [settled, left, Ended(self._records, counts, letters, outcome.filtered, downsampled, seconds)]

    def _settled(self) -> Lines:
        started = time.perf_counter()
        rows = self._processing.outcome.rows
        found = (
            {**rows, ERRORS_TABLE: self._downsampling.settle(rows[ERRORS_TABLE])} if rows.get(ERRORS_TABLE) else rows
        )
        self._seconds["downsample"] += time.perf_counter() - started
        lines = self._encoded(found)
        for taken in rows.values():
            taken.clear()
        return Lines(lines)

    def _encoded(self, rows: Mapping[str, list[Row]]) -> dict[str, bytes]:
        started = time.perf_counter()
        lines = {table: _ENCODER.encode_lines(found) for table, found in rows.items() if found}
        self._seconds["encode"] += time.perf_counter() - started
        return lines


class ApartBatch:
    """A batch of which every row comes by itself, to find the one that ClickHouse does not take.

    Args:
        processing: takes the records through the stages.
        columns: the columns of each table's rows; ``kafka_offset`` is among them.
    """

    def __init__(self, processing: Processing, columns: Mapping[str, tuple[str, ...]]) -> None:
        self._processing = processing
        self._columns = columns

    def take(self, records: Sequence[Record]) -> Apart:
        """Take the next records; return the rows that were made of them."""
        self._processing.take(records)
        return self._apart()

    def refuse(self, letter: DeadLetter) -> None:
        """Do nothing: it makes no row."""

    def end(self) -> list[Apart | Ended]:
        """Return the rows that are left."""
        self._processing.end()
        return [self._apart(), Ended(0, {}, [], {}, 0, {})]

    def _apart(self) -> Apart:
        rows = self._processing.outcome.rows
        apart = {
            table: [(row[self._columns[table].index("kafka_offset")], _ENCODER.encode_lines([row])) for row in found]
            for table, found in rows.items()
            if found
        }
        for taken in rows.values():
            taken.clear()
        return Apart(apart)
