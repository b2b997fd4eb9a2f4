"""Process: a batch of records through the pure stages, to rows, counts and dead letters.

The order is decode, filter, identity, scrub, fingerprint, rows, count::

    Record(value=b'{"event_id": "9f…", "exception": …}')
      decode       Decoded(event=Event(…), payload=b'{…}')
      filter       drops what nobody wants to see
      scrub        the same with "mail to [email]"
      fingerprint  Grouped(fingerprint="5be1…", title="ValueError: …")
      rows         ("shop", "production", 1764000000000, …)
      count        PartialCount(fingerprint="5be1…", panes=[(1764000000, 2)])

There is no I/O here: the same records give the same outcome, whether they come from Kafka, from a file or from
history. A record that a stage cannot process becomes a dead letter; the rest of the batch is not affected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pipeline.counts.batch_counts import Counter
from pipeline.errors import Refused
from pipeline.fingerprint import Grouped, Grouping
from pipeline.inbound import Inbound, Verdict
from pipeline.inbound.settings import Kind
from pipeline.issues.states import IssueStates
from pipeline.payload import normalize
from pipeline.payload.decode import Decoded, decode, decode_again
from pipeline.payload.identity import user_hash
from pipeline.payload.kinds import is_span
from pipeline.records.record import TOGETHER, Batch, Boundaries, Origin, Record, Source, header
from pipeline.scrub import Scrubber
from pipeline.tables.dead_letters import dead_letter, failure, origin_of
from pipeline.tables.outcomes import DISCARDED
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import ERRORS_TABLE, SPANS_TABLE, Counted, counted, error_row, span_rows
from schemas.event import Event

UNDECODED = Decoded(Event(), b"")
"""What an item holds before the first stage."""


class Item(Struct, gc=False):
    """One record on its way through the stages, which fill it in one after the other."""

    record: Record
    origin: Origin
    decoded: Decoded
    scrubbed: dict[str, int] = {}
    grouped: Grouped | None = None
    occurrence: Counted | None = None


class Transform:
    """The pure stages, compiled once for a configuration.

    Args:
        scrubber: replaces personal data and secrets.
        grouping: finds the issue an event belongs to.
        counter: counts events for the alert rules.
        inbound: drops events, and weighs those that stand for others.
        states: which issues were deleted for good: their events are dropped.
        hash_key: the key of :func:`pipeline.payload.identity.user_hash`.
        topic_prefix: what stands before the topics' names, to be taken off in what is stored.
        now_ms: the clock for the time in dead letters, and for records whose timestamp is astray.
    """

    def __init__(
        self,
        scrubber: Scrubber,
        grouping: Grouping,
        counter: Counter,
        inbound: Inbound,
        *,
        states: IssueStates | None = None,
        hash_key: bytes = b"",
        topic_prefix: str = "",
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._scrubber = scrubber
        self._grouping = grouping
        self._counter = counter
        self._inbound = inbound
        self._states = states if states is not None else IssueStates()
        self._hash_key = hash_key
        self._prefix = topic_prefix
        self._now_ms = now_ms

    def process(self, batch: Batch) -> BatchResult:
        """Return what has become of each record; never raises for anything that is in them."""
        processing = self.begin(batch.source, batch.boundaries)
        for start in range(0, len(batch.records), TOGETHER):
            processing.take(batch.records[start : start + TOGETHER])
        return processing.end()

    def begin(self, source: Source, boundaries: Boundaries) -> Processing:
        """Begin a batch whose records come little by little."""
        return Processing(self, source, boundaries)

    def follow(self, batch: Batch) -> tuple[BatchResult, list[Item]]:
        """Process a batch, and return the records that were stored too, as the last stage saw them."""
        processing = self.begin(batch.source, batch.boundaries)
        items = processing.take(batch.records)
        return processing.end(), items

    def through(self, records: Sequence[Record], outcome: BatchResult) -> list[Item]:
        """Take records through the stages, up to their rows; return those that were stored."""
        now_ms = self._now_ms()
        items = [Item(record, origin_of(record, now_ms, self._prefix), UNDECODED) for record in records]
        items = self._stage("decode", self._decode, items, outcome)
        if self._inbound.active:
            items = self._stage("filter", lambda item: self._keep(item, outcome), items, outcome)
        items = self._stage("scrub", self._scrub, items, outcome)
        items = self._stage("fingerprint", self._group, items, outcome)
        if self._states.discarding:
            items = self._stage("discard", lambda item: self._keep_issue(item, outcome), items, outcome)
        return self._stage("rows", lambda item: self._add_rows(item, outcome), items, outcome)

    def _stage(
        self, stage: str, step: Callable[[Item], Item | None], items: list[Item], outcome: BatchResult
    ) -> list[Item]:
        """Run one stage over the records; what it refuses goes to the dead letters, ``None`` leaves the batch."""
        started = time.perf_counter()
        passed: list[Item] = []
        for item in items:
            try:
                done = step(item)
            except Refused as refused:
                letter = dead_letter(item.origin, refused.stage, refused.reason, self._now_ms())
                outcome.dead.append((item.record, letter))
            except Exception as error:  # noqa: BLE001  one event must never stop its partition
                letter = dead_letter(item.origin, stage, failure(error), self._now_ms())
                outcome.dead.append((item.record, letter))
            else:
                if done is not None:
                    passed.append(done)
        outcome.seconds[stage] = outcome.seconds.get(stage, 0.0) + time.perf_counter() - started
        return passed

    def _decode(self, item: Item) -> Item:
        item.decoded = decode(item.record.value)
        event, origin = item.decoded.event, item.origin
        project = origin.project or normalize.text(event.project) or normalize.DEFAULT_PROJECT
        item.origin = replace(origin, project=project, user_hash=user_hash(event.user, project, self._hash_key))
        return item

    def _keep(self, item: Item, outcome: BatchResult) -> Item | None:
        verdict = self._judge(item)
        if verdict.dropped:
            outcome.drop(item.origin.project, kind_of(item.decoded.event, item.origin.topic), verdict.dropped)
            return None
        if verdict.weight != 1:
            item.origin = replace(item.origin, weight=verdict.weight)
        return item

    def _judge(self, item: Item) -> Verdict:
        """Filter and sample; what a gateway has sampled already keeps the weight that it was given there."""
        event, project = item.decoded.event, item.origin.project
        kind = kind_of(event, item.origin.topic)
        if header(item.record, "weight"):
            return Verdict(self._inbound.drops(event, kind, project) or "")
        return self._inbound.judge(event, kind, project)

    def _scrub(self, item: Item) -> Item:
        decoded = item.decoded
        result = self._scrubber.scrub(decoded.payload, item.origin.project, decoded.event.environment or "")
        if result.payload is not decoded.payload:
            item.decoded = Decoded(decode_again(result.payload), result.payload, decoded.mended)
            item.scrubbed = {f"{kind} {field}": count for (kind, field), count in result.findings.items()}
        return item

    def _group(self, item: Item) -> Item:
        if not is_span(item.decoded.event, item.origin.topic):
            item.grouped = self._grouping.group(item.decoded.event, item.origin.project)
        return item

    def _keep_issue(self, item: Item, outcome: BatchResult) -> Item | None:
        if item.grouped is None or not self._states.discards(item.origin.project, item.grouped.fingerprint):
            return item
        outcome.drop(item.origin.project, "error", DISCARDED)
        return None

    def _add_rows(self, item: Item, outcome: BatchResult) -> Item:
        if item.grouped is None:
            outcome.rows[SPANS_TABLE].extend(span_rows(item.decoded, item.origin, item.scrubbed))
        else:
            row = error_row(item.decoded, item.grouped, item.origin, item.scrubbed)
            outcome.rows[ERRORS_TABLE].append(row)
            item.occurrence = counted(row)
        return item

    def count(self, occurrences: list[Counted], source: Source, boundaries: Boundaries, outcome: BatchResult) -> None:
        """Add what a whole batch adds to the windows."""
        started = time.perf_counter()
        outcome.counts = self._counter.count(occurrences, source, boundaries.first, boundaries.last)
        outcome.seconds["count"] = time.perf_counter() - started

    def tell_dropped(self, last: Record, outcome: BatchResult) -> None:
        """Add the rows that say what was dropped of a batch; ``last`` is its last record."""
        outcome.tell_dropped(origin_of(last, self._now_ms(), self._prefix))


class Processing:
    """One batch on its way through the stages.

    Args:
        processor: the stages.
        source: the partition that the batch is of.
        boundaries: its first and its last offset.

    Attributes:
        outcome: what has become of the records so far. Whoever takes rows out of it takes them out of the result.
    """

    def __init__(self, processor: Transform, source: Source, boundaries: Boundaries) -> None:
        self._processor = processor
        self._source = source
        self._boundaries = boundaries
        self._occurrences: list[Counted] = []
        self._last: Record | None = None
        self.outcome = BatchResult(rows={ERRORS_TABLE: [], SPANS_TABLE: []})

    def take(self, records: Sequence[Record]) -> list[Item]:
        """Take the next records through the stages; return those that are stored, as the last stage saw them."""
        items = self._processor.through(records, self.outcome)
        self._occurrences += (item.occurrence for item in items if item.occurrence is not None)
        if records:
            self._last = records[-1]
        return items

    def end(self) -> BatchResult:
        """Add what is said of the batch as a whole, and return what has become of it."""
        self._processor.count(self._occurrences, self._source, self._boundaries, self.outcome)
        if self.outcome.dropped and self._last is not None:
            self._processor.tell_dropped(self._last, self.outcome)
        return self.outcome


def kind_of(event: Event, topic: str) -> Kind:
    """Return what filters take an event for.

    Raises:
        Refused: the type is one that this version does not process.
    """
    if not is_span(event, topic):
        return "error"
    return "transaction" if event.type == "transaction" else "span"
