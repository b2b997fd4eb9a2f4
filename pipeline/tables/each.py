"""Each: a batch, record by record, to rows; for topics whose messages are neither grouped nor counted. Pure.

What cannot be made rows of becomes a dead letter; the rest of the batch is not affected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from pipeline.errors import Refused
from pipeline.inbound import Inbound
from pipeline.inbound.facts import Facts
from pipeline.records.record import Batch, Origin, Record, header
from pipeline.tables.dead_letters import dead_letter, failure, origin_of
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import Row
from schemas.event import Event

MakeRows = Callable[[Record, Origin], Iterable[tuple[str, Row]]]
"""Returns the rows of a record, each with its table.

Raises :class:`Refused` for what cannot be stored, :class:`Dropped` for what a setting keeps out.
"""


class Dropped(Exception):
    """A record that filters or sampling keep out: whose, of which kind, and ``setting``, what keeps it out."""

    def __init__(self, facts: Facts, setting: str) -> None:
        super().__init__(setting)
        self.project = facts.project
        self.kind = facts.kind
        self.setting = setting


def let_in(inbound: Inbound, facts: Facts, record: Record, origin: Origin) -> int | float:
    """Return how many like it a record stands for; what a gateway has sampled already keeps its weight.

    Raises:
        Dropped: it is kept out.
    """
    if not inbound.active:
        return origin.weight
    dropped_by = inbound.filter_of(facts.project, facts.environment).drops(Event(), facts)
    if dropped_by:
        raise Dropped(facts, dropped_by)
    if header(record, "weight") or not facts.identity:
        return origin.weight
    verdict = inbound.sample(facts)
    if verdict.dropped:
        raise Dropped(facts, verdict.dropped)
    return verdict.weight


class Each:
    """Makes rows of the records of one topic.

    Args:
        tables: the tables that rows go to.
        make_rows: makes a record's rows.
        topic_prefix: what stands before the topics' names, to be taken off in what is stored.
        now_ms: the clock for the time in dead letters, and for records whose timestamp is astray.
    """

    def __init__(
        self,
        tables: Sequence[str],
        make_rows: MakeRows,
        *,
        topic_prefix: str = "",
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._tables = tables
        self._make_rows = make_rows
        self._prefix = topic_prefix
        self._now_ms = now_ms

    def process(self, batch: Batch) -> BatchResult:
        """Return what has become of each record; never raises for anything that is in them."""
        outcome = BatchResult(rows={table: [] for table in self._tables})
        for record in batch.records:
            origin = origin_of(record, self._now_ms(), self._prefix)
            try:
                made = list(self._make_rows(record, origin))
            except Dropped as dropped:
                outcome.drop(dropped.project, dropped.kind, dropped.setting)
            except Refused as refused:
                outcome.dead.append((record, dead_letter(origin, refused.stage, refused.reason, self._now_ms())))
            except Exception as error:  # noqa: BLE001  one message must never stop its partition
                outcome.dead.append((record, dead_letter(origin, "rows", failure(error), self._now_ms())))
            else:
                for table, row in made:
                    outcome.rows[table].append(row)
        if outcome.dropped:
            outcome.tell_dropped(origin_of(batch.records[-1], self._now_ms(), self._prefix))
        return outcome
