"""The consumer of counts: alerts, then the state, then progress; each alert once; nothing of a revoked partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from pipeline.counts.consumer import CountsConsumer
from pipeline.counts.reactions import Reaction
from pipeline.counts.windows import Windows
from pipeline.issues.states import IssueStates
from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Fetch, RecordBatch
from pipeline.records.record_batches import described
from pipeline.runtime.metrics import Metrics
from schemas.alert import Alert
from schemas.counts import CountsBatch, encode_counts
from schemas.issue_change import IssueChange
from tests.occurrences import NOON, Occurrence, counted, rules_of
from tests.records import Message, packed

RULES = rules_of(
    {"name": "burst", "kind": "count", "threshold": 3, "window": "60s"}, {"name": "back", "kind": "regressed"}
)


def batch(number: int, events: int = 3, **fields: Any) -> CountsBatch:
    """Return what the source's batch of this number adds: so many events of one issue."""
    made = counted(RULES, *(Occurrence(event_id=f"{number}-{event}", **fields) for event in range(events)))
    made.first, made.last = number * 10, number * 10 + 9
    return made


def messages(*batches: CountsBatch, first: int = 0) -> list[RecordBatch]:
    """Return a fetch with these messages, two in a record batch."""
    made = [Message(encode_counts(one), first + index) for index, one in enumerate(batches)]
    return fetched(*(made[at : at + 2] for at in range(0, len(made), 2)))


def fetched(*record_batches: Sequence[Message]) -> list[RecordBatch]:
    return [described(packed(*messages)) for messages in record_batches]


def fetch(generation: int, record_batches: list[RecordBatch]) -> Fetch:
    next_offset = record_batches[-1].last + 1
    return Fetch(record_batches[0].first, next_offset, next_offset, generation, record_batches)


@dataclass
class Around:
    """Stands for what counting calls: the alert topic, the table and the progress, and the order of it all."""

    table: dict[bytes, bytes] = field(default_factory=dict)
    on_topic: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    now: float = float(NOON)
    sending: asyncio.Event = field(default_factory=asyncio.Event)
    opening: asyncio.Event = field(default_factory=asyncio.Event)
    refuse_writes: bool = False
    committed: int = 0
    fenced: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    states: IssueStates = field(default_factory=IssueStates)
    stored: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sending.set()
        self.opening.set()

    async def first_to_read(self, _topic: str, _partition: int) -> int:
        return self.committed

    async def offsets(self, _topic: str, _partition: int) -> LogOffsets:
        return LogOffsets(self.committed, 0, 1_000)

    async def seek_to(self, _topic: str, partition: int, offset: int) -> None:
        self.log.append(f"sought {partition} {offset}")

    async def start_over(self, _topic: str, partition: int, offset: int) -> None:
        raise AssertionError(f"{partition} {offset}")

    def position(self, _topic: str, _partition: int) -> int | None:
        return None

    def done(self, _topic: str, partition: int, next_offset: int) -> None:
        self.log.append(f"done {partition} {next_offset}")

    def holds(self, _generation: int) -> bool:
        return not self.fenced

    async def open(self, partition: int) -> Windows:
        await self.opening.wait()
        windows = Windows(RULES, partition, partitions=1, allowed_lateness_s=60, states=self.states)
        windows.load(list(self.table.items()))
        return windows

    async def send(self, alert: Alert) -> None:
        self.log.append("sending")
        await self.sending.wait()
        self.on_topic.append(alert.id)
        self.log.append(f"sent {alert.state}")

    async def write(self, _partition: int, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        if self.refuse_writes:
            raise ConnectionError("the changelog is away")
        for key, value in changes:
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value
        self.log.append("wrote")

    async def latest_ids(self) -> Iterable[str]:
        return list(self.on_topic)

    async def first_seen(self, releases: set[tuple[str, str]]) -> list[tuple[str, str, int]]:
        self.log.append(f"asked for {', '.join(sorted(release for _, release in releases))}")
        return [(project, release, self.stored[release]) for project, release in releases if release in self.stored]

    async def note(self, reactions: Sequence[Reaction]) -> None:
        self.log += [f"stored {reaction.kind}" for reaction in reactions]

    async def flush(self, counting: CountsConsumer) -> None:
        """Have everything written that has changed: it is due, and messages are waiting."""
        self.now += 2.0
        await counting.tick(lambda _partition: True)

    def counting(self) -> CountsConsumer:
        return CountsConsumer(
            consumer=self,
            windows=self,
            alerts=self,
            reactions=self,
            metrics=self.metrics,
            flush_interval_s=2.0,
            clock=lambda: self.now,
        )


def run(test: Callable[[Around], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test(Around())

    asyncio.run(bounded())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_alerts_are_acknowledged_before_the_state_is_written_and_that_before_progress() -> None:
    async def test(around: Around) -> None:
        around.sending.clear()
        counting = around.counting()
        await counting.open(0, 1)
        around.now += 5
        taking = asyncio.create_task(counting.take(0, fetch(1, messages(batch(0)))))
        await settle()
        assert around.log == ["sending"]
        around.sending.set()
        await taking
        assert around.log == ["sending", "sent firing", "wrote", "done 0 1"]

    run(test)


def test_state_and_progress_are_written_only_so_often() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(0, fetch(1, messages(batch(0, 1))))
        await counting.take(0, fetch(1, messages(batch(1, 1), first=1)))
        assert around.log == []
        around.now += 2
        await counting.tick(lambda _partition: False)
        assert around.log == ["wrote", "done 0 2"]

    run(test)


def test_nothing_is_written_while_the_partition_may_be_another_workers() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(0, fetch(1, messages(batch(0, 1))))
        around.fenced = True
        around.now += 5
        await counting.tick(lambda _partition: False)
        assert around.log == []
        around.fenced = False
        await counting.tick(lambda _partition: False)
        assert around.log == ["wrote", "done 0 1"]

    run(test)


def test_progress_is_not_reported_when_the_state_could_not_be_written() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(0, fetch(1, messages(batch(0, 1))))
        around.refuse_writes = True
        try:
            await around.flush(counting)
        except ConnectionError:
            around.log.append("failed")
        assert around.log == ["failed"]

    run(test)


def test_an_alert_that_was_sent_before_a_crash_is_not_sent_again() -> None:
    """The alert was acknowledged; the state that knows of it was not written."""

    async def test(around: Around) -> None:
        await around.counting().take(0, fetch(1, messages(batch(0))))
        assert len(around.on_topic) == 1
        assert around.table == {}
        second = around.counting()
        await second.take(0, fetch(2, messages(batch(0))))
        await around.flush(second)
        assert len(around.on_topic) == 1
        assert around.log[-1] == "done 0 1"

    run(test)


def test_a_repeated_message_counts_once() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(0, fetch(1, messages(batch(0, 1), batch(0, 1), batch(0, 1))))
        await around.flush(counting)
        assert around.on_topic == []
        assert around.log == ["wrote", "done 0 3"]

    run(test)


def test_messages_that_were_applied_are_not_applied_again_in_the_same_generation() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        twice = messages(batch(0, 1), batch(1, 1))
        await counting.take(0, fetch(1, twice))
        await counting.take(0, fetch(1, twice))
        assert counting.next_offset(0) == 2

    run(test)


def test_a_message_that_is_no_counts_message_is_passed_over() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(
            0, fetch(1, [*fetched([Message(b"\xff", 0), Message(b"", 1)]), *messages(batch(0), first=2)])
        )
        await around.flush(counting)
        assert around.log == ["sending", "sent firing", "wrote", "done 0 3"]

    run(test)


def test_a_record_batch_that_cannot_be_read_is_passed_over() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        good, bad = messages(batch(0)), packed(Message(b"1" * 100, 1), Message(b"2" * 100, 2))
        torn = RecordBatch(1, 2, 2, len(bad), bad[:61] + bytes(len(bad) - 61))
        await counting.take(0, fetch(1, [*good, torn, *messages(batch(1), first=3)]))
        assert counting.next_offset(0) == 4
        assert around.on_topic

    run(test)


def test_nothing_is_written_of_a_partition_that_was_given_away_while_an_alert_was_sent() -> None:
    """Its next worker has read the table by then; a late write would undo what that one writes."""

    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.open(0, 1)
        around.now += 5
        around.sending.clear()
        taking = asyncio.create_task(counting.take(0, fetch(1, messages(batch(0)))))
        await settle()
        releasing = asyncio.create_task(counting.release([0], grace_s=10))
        await settle()
        assert not releasing.done()
        around.sending.set()
        await asyncio.gather(taking, releasing)
        await around.flush(counting)
        assert around.log == ["sending", "sent firing"]
        assert around.table == {}
        assert counting.next_offset(0) is None

    run(test)


def test_giving_away_waits_no_longer_than_it_may() -> None:
    async def test(around: Around) -> None:
        around.sending.clear()
        counting = around.counting()
        taking = asyncio.create_task(counting.take(0, fetch(1, messages(batch(0)))))
        await settle()
        await counting.release([0], grace_s=0.01)
        assert counting.next_offset(0) is None
        taking.cancel()

    run(test)


def test_a_partition_that_was_given_away_while_its_windows_were_opened_is_not_watched() -> None:
    async def test(around: Around) -> None:
        around.opening.clear()
        counting = around.counting()
        taking = asyncio.create_task(counting.take(0, fetch(1, messages(batch(0)))))
        await settle()
        releasing = asyncio.create_task(counting.release([0], grace_s=10))
        await settle()
        around.opening.set()
        await asyncio.gather(taking, releasing)
        await around.flush(counting)
        assert around.log == []
        assert counting.next_offset(0) is None

    run(test)


def test_a_new_generation_starts_from_what_was_written() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(0, fetch(1, messages(batch(0, 2))))
        await counting.take(0, fetch(2, messages(batch(0, 2))))
        assert around.on_topic == []
        await counting.take(0, fetch(2, messages(batch(1, 1), first=1)))
        assert len(around.on_topic) == 1

    run(test)


def test_what_an_issue_did_is_stored_before_the_state_that_knows_of_it() -> None:
    async def test(around: Around) -> None:
        resolve(around.states, after_release="0aaa")
        counting = around.counting()
        for number in range(2):
            await counting.take(0, fetch(1, messages(batch(number, 1, release="9f1c"), first=number)))
        around.now += 5
        await counting.tick(lambda _partition: False)
        assert around.log == ["asked for 0aaa, 9f1c", "sending", "sent firing", "stored regressed", "wrote", "done 0 2"]

    run(test)


def test_a_release_that_was_there_before_brings_nothing_back() -> None:
    async def test(around: Around) -> None:
        around.stored = {"9f1c": NOON * 1000 - 9000, "0aaa": NOON * 1000 - 5000}
        resolve(around.states, after_release="0aaa")
        counting = around.counting()
        for number in range(2):
            await counting.take(0, fetch(1, messages(batch(number, 1, release="9f1c"), first=number)))
        assert around.log == ["asked for 0aaa, 9f1c"]

    run(test)


def resolve(states: IssueStates, **fields: Any) -> None:
    project, fingerprint = "shop", "aa" * 16
    at = datetime.fromtimestamp(NOON - 1, UTC)
    change = IssueChange(project=project, fingerprint=fingerprint, id="1", changed_at=at, status="resolved", **fields)
    states.put(project, fingerprint, change)


def test_a_fetch_that_does_not_follow_on_is_refused_and_read_again() -> None:
    """Counts that were read and lost on the way would be missing from their windows for good."""

    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.take(0, fetch(1, messages(batch(0, 1))))
        await counting.take(0, fetch(1, messages(batch(2, 1), first=2)))
        assert around.log == ["sought 0 1"]
        await counting.take(0, fetch(1, messages(batch(1, 1), batch(2, 1), first=1)))
        await around.flush(counting)
        assert around.log[1:] == ["sending", "sent firing", "wrote", "done 0 3"]

    run(test)


def test_what_the_windows_have_done_is_in_the_metrics() -> None:
    async def test(around: Around) -> None:
        counting = around.counting()
        await counting.open(0, 1)
        await counting.take(0, fetch(1, messages(batch(0), batch(1), batch(1))))
        late = batch(2, timestamp_ms=(NOON - 3_600) * 1000)
        unknown = batch(3)
        unknown.groups = [replace(group, rule="of another worker") for group in unknown.groups]
        await counting.take(0, fetch(1, messages(late, unknown, first=3)))
        assert metric(around, "aftershock_counts_messages_total", outcome="applied") == 4
        assert metric(around, "aftershock_counts_messages_total", outcome="duplicate") == 1
        assert metric(around, "aftershock_window_drops_total", reason="late") == 1
        assert metric(around, "aftershock_window_drops_total", reason="unknown_rule") == 1
        assert metric(around, "aftershock_window_groups", partition="0") == 1
        await counting.release([0], 1.0)
        assert metric(around, "aftershock_window_groups", partition="0") is None
        await counting.release([0], 1.0)

    run(test)


def metric(around: Around, name: str, **labels: str) -> float | None:
    return around.metrics.registry.get_sample_value(name, labels)
