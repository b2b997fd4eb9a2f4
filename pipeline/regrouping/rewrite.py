"""Rewrite: the stored events of a week grouped anew, in the place of what was there, while queries and workers go on.

A copy of the week is built beside it, and the aggregates of the copy by views of its own. Then the partitions of the
copy take the place of the old ones. Nobody may insert between the last look at the old rows and that moment, so the
intake is held for it: a constraint on ``errors`` that no row satisfies. Workers take it for a server that is away and
try again; queries do not notice. The steps:

1. Hold. Clone the week into ``regroup_source`` (hard links), and let a view copy what is inserted from now on into
   ``regroup_tail``. Release. Every row is now in exactly one of the two.
2. Group the source, write down the changes, and insert its rows with the changes into ``regroup_errors``.
3. Hold. Where the tail is long, make it the source, release, and go on with 2. Where it is short, do the same with
   the hold on; compare the copy with the week row by row, and carry over what the aggregates know of events that are
   erased or expired. Write down that swapping begins, swap every table, write down that it is done. Release.

Whoever dies before swapping begins leaves tables that are dropped by the next run, and whoever dies while swapping
leaves the hold and the copy, so that the next run swaps again, which changes nothing where it was done. The hold does
not end by itself: with it nothing can be lost, without it a copy that is late could take rows away.

Deduplication tokens belong to tables and outlive the swap, so a batch that is sent again adds nothing still. A
repeated batch does reach a tail that has not seen it; what is in the copy already is therefore left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from msgspec.json import Encoder

from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Unavailable
from pipeline.fingerprint import Grouping
from pipeline.regrouping import history
from pipeline.regrouping.comparison import Comparison
from pipeline.regrouping.replay import GROUPING_COLUMNS, KEY_COLUMNS, regrouped
from pipeline.regrouping.tables import CHANGES, COPY, MOVES, SOURCE, Tables
from pipeline.tables.rows import ERRORS_TABLE

SHORT_TAIL = 2000
"""So many rows are grouped while the intake is held: about half a second."""
LONGEST_WAIT_S = 60.0
MOST_ATTEMPTS = 4
PAUSE_S = 3.0
"""Longer with each attempt: a worker that is to send a batch again waits for up to ten seconds before it does."""
UNSETTLED = "rows came or went in the week while it was grouped anew: run the same again"

_encode_lines = Encoder().encode_lines
_KEY = ", ".join(KEY_COLUMNS)
_HASH = f"count() AS rows, sum(cityHash64({_KEY})) AS keys"


class Moved(Exception):
    """The week is not what its copy was made from."""


class Rewriter:
    """Groups weeks anew, one after the other.

    Args:
        clickhouse: where they are.
        grouping: the rules to be.
        project: the only project whose events may change; empty for all.
    """

    def __init__(self, clickhouse: ClickHouse, grouping: Grouping, project: str = "") -> None:
        self._clickhouse = clickhouse
        self._grouping = grouping
        self._project = project
        self._tables = Tables(clickhouse)

    def recover(self) -> bool:
        """Finish or clear away what an earlier run has left behind; return whether there was anything.

        Raises:
            Unavailable: ClickHouse cannot be reached.
        """
        unfinished = self._tables.unfinished()
        for monday in unfinished:
            self._swap(monday)
        left = bool(unfinished) or self._tables.left_over()
        self._tables.drop()
        self._tables.release()
        return left

    def rewrite(self, monday: date) -> int:
        """Group a week anew; return how many of its rows have changed.

        Raises:
            Unavailable: ClickHouse cannot be reached, or the week does not come to rest; run the same again.
        """
        for attempt in range(MOST_ATTEMPTS):
            time.sleep(attempt * PAUSE_S)
            try:
                return self._rewrite(monday)
            except Moved:
                continue
            finally:
                # Where swapping has begun and not ended, the next run needs everything as it is.
                if not self._tables.unfinished():
                    self._tables.drop()
                    self._tables.release()
        raise Unavailable(UNSETTLED)

    def _rewrite(self, monday: date) -> int:
        self._tables.create()
        comparison = Comparison()
        with self._held():
            self._tables.clone(ERRORS_TABLE, SOURCE, monday)
            self._tables.watch(monday)
        changed = self._copy(monday, comparison)
        if not changed:
            return 0
        rounds = 1
        while True:
            with self._held():
                waiting = self._tables.take_tail(monday)
                if waiting <= SHORT_TAIL * rounds:
                    changed += self._copy(monday, comparison)
                    self._finish(monday, comparison)
                    return changed
            changed += self._copy(monday, comparison)
            rounds += 1

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the intake; it is released again unless swapping has begun and has not come to its end."""
        self._tables.hold()
        try:
            begun = self._tables.inserts()
            self._wait("inserts that had begun", lambda: bool(begun & self._tables.inserts()))
            yield
        finally:
            if not self._tables.unfinished():
                self._tables.release()

    def _wait(self, what: str, goes_on: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST_WAIT_S
        while goes_on():
            if time.monotonic() > deadline:
                raise Unavailable(f"waited {LONGEST_WAIT_S:.0f} s for {what}: run the same again")
            time.sleep(0.02)

    def _copy(self, monday: date, comparison: Comparison) -> int:
        """Group the rows of the source, and insert them into the copy; return how many have changed."""
        self._tables.truncate(CHANGES)
        changed = 0
        for events in history.read_week(self._clickhouse, monday, self._project, SOURCE):
            changes: list[tuple[Any, ...]] = []
            for stored in events:
                found = regrouped(self._grouping, stored)
                if found is None:
                    continue
                comparison.add(found[0])
                if found[0].relabelled:
                    changes.append((*stored.key, *found[1]))
            if changes:
                columns = (*KEY_COLUMNS, *GROUPING_COLUMNS)
                self._clickhouse.insert(CHANGES, columns, _encode_lines(changes), "")
                changed += len(changes)
        self._tables.insert_copy()
        return changed

    def _finish(self, monday: date, comparison: Comparison) -> None:
        """Compare, carry over and swap; the intake is held."""
        self._wait("erasures that had begun", self._tables.mutating)
        if self._fingerprint_of(ERRORS_TABLE, monday) != self._fingerprint_of(COPY, monday):
            raise Moved
        aggregates = self._tables.aggregates()
        for aggregate in aggregates:
            if self._tables.is_behind(aggregate, monday):
                # A batch has arrived in errors and not in the views; its worker sends it again when it can.
                raise Moved
        moves = [(*issue, new) for issue, new in comparison.mapping().items() if issue[1] != new]
        if moves:
            self._clickhouse.insert(MOVES, ("project", "old", "new"), _encode_lines(moves), "")
        for aggregate in aggregates:
            self._tables.carry_over(aggregate, monday)
        self._tables.note_known(monday)
        self._tables.note(monday, "swapping")
        self._swap(monday)

    def _fingerprint_of(self, table: str, monday: date) -> dict[str, Any]:
        sql = f"SELECT {_HASH} FROM {table} WHERE toMonday(timestamp) = {{monday:Date}}"  # noqa: S608 - our own names
        return self._clickhouse.rows(sql, {"monday": monday})[0]

    def _swap(self, monday: date) -> None:
        """Put the copies in the place of the week; again, where that was begun before."""
        names = [(COPY, ERRORS_TABLE)]
        names += [(one.copy, one.name) for one in self._tables.aggregates() if self._tables.is_kept(one, monday)]
        for copy, original in names:
            self._tables.clone(copy, original, monday)
        self._tables.note(monday, "done")
