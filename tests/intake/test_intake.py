"""Intake: order, bounds, rebalances and failures, with deliveries that the test lets through one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from pipeline.intake.batching import BatchLimits
from pipeline.intake.fencing import Fenced
from pipeline.intake.intake import TICK_S, Deliver, Intake, IntakeLimits
from pipeline.intake.sequence import ASTRAY_S, Restored
from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Boundaries, Fetch, RawBatch, RecordBatch, Source
from pipeline.runtime.metrics import Metrics


def fetch(generation: int, first: int, last: int, end: int = 1_000) -> Fetch:
    """Return a fetch of record batches of one record each."""
    batches = [RecordBatch(offset, offset, 1, 1, b"1") for offset in range(first, last + 1)]
    return Fetch(first, last + 1, end, generation, batches)


@dataclass
class Deliveries:
    """Stands for what an intake calls: deliveries that end when they are told to, a ledger, and a note of it all."""

    ledger: list[Boundaries] = field(default_factory=list)
    started: list[tuple[int, int]] = field(default_factory=list)
    finished: list[tuple[int, int]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    gates: dict[tuple[int, int], asyncio.Future[None]] = field(default_factory=dict)
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    open_gates: bool = False
    now: float = 0.0
    committed: dict[int, int] = field(default_factory=dict)
    log_begin: int = 0
    life: str = "life"
    seeks: list[tuple[int, int]] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.reading.set()

    async def restore(self, _topic: str, partition: int) -> Restored:
        from_offset = self.committed.get(partition, 0)
        found = [boundaries for boundaries in self.ledger if boundaries.last >= from_offset]
        await self.reading.wait()
        return Restored(Source("errors", self.life, partition), from_offset, found)

    async def offsets(self, _topic: str, partition: int) -> LogOffsets:
        return LogOffsets(self.committed.get(partition), self.log_begin, 1_000)

    async def seek_to(self, _topic: str, partition: int, offset: int) -> None:
        self.seeks.append((partition, offset))

    async def start_over(self, _topic: str, partition: int, offset: int) -> None:
        self.seeks.append((partition, offset))
        self.positions.pop(partition, None)

    def position(self, _topic: str, partition: int) -> int | None:
        return self.positions.get(partition)

    def done(self, _topic: str, partition: int, next_offset: int) -> None:
        self.finished.append((partition, next_offset))

    async def deliver(self, batch: RawBatch, processed: asyncio.Future[None]) -> None:
        key = (batch.boundaries.first, batch.boundaries.last)
        self.started.append(key)
        self.ledger.append(batch.boundaries)
        processed.set_result(None)
        if not self.open_gates:
            await self.gates.setdefault(key, asyncio.get_running_loop().create_future())

    def let(self, first: int, last: int, error: Exception | None = None) -> None:
        gate = self.gates.setdefault((first, last), asyncio.get_running_loop().create_future())
        if error:
            gate.set_exception(error)
        else:
            gate.set_result(None)

    def intake(
        self, *, records: int = 2, most_in_flight: int = 2, most_in_stages: int = 1, deliver: Deliver | None = None
    ) -> Intake:
        return Intake(
            "errors",
            limits=IntakeLimits(BatchLimits(records, 1_000_000, 1_000_000, 0.5), most_in_flight, most_in_stages),
            consumer=self,
            deliver=deliver or self.deliver,
            failed=self.failures.append,
            metrics=self.metrics,
            clock=lambda: self.now,
        )


def run(test: Callable[[Deliveries], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test(Deliveries())

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  what changes it has no event to wait for
        await asyncio.sleep(TICK_S / 5)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_progress_is_reported_in_order_though_deliveries_end_out_of_order() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 3))
        await settle()
        to.let(2, 3)
        await settle()
        assert to.finished == []
        to.let(0, 1)
        await intake.drain()
        assert to.finished == [(0, 4)]

    run(test)


def test_a_fetch_waits_for_room_and_no_more_than_allowed_is_in_flight() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake()
        taking = asyncio.create_task(intake.take(0, fetch(1, 0, 7)))
        await settle()
        assert to.started == [(0, 1), (2, 3)]
        assert intake.in_flight == 2
        assert not taking.done()
        to.let(0, 1)
        await settle()
        assert to.started[2:] == [(4, 5)]
        to.open_gates = True
        to.let(2, 3)
        to.let(4, 5)
        await taking
        await intake.drain()
        assert to.finished[-1] == (0, 8)

    run(test)


def test_a_batch_that_is_due_grows_for_as_long_as_there_is_no_room_for_it() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake(records=10, most_in_flight=1)
        await intake.take(0, fetch(1, 0, 9))
        await intake.take(0, fetch(1, 10, 11))
        cutting = asyncio.create_task(intake.cut_due())
        to.now = 1.0
        await asyncio.sleep(TICK_S * 3)
        await intake.take(0, fetch(1, 12, 13))
        to.let(0, 9)
        await until(lambda: len(to.started) == 2)
        assert to.started[1] == (10, 13)
        to.let(10, 13)
        await intake.drain()
        cutting.cancel()

    run(test)


def test_only_when_the_stages_are_free_is_the_next_batch_cut_and_it_is_the_largest() -> None:
    async def test(to: Deliveries) -> None:
        stages: list[asyncio.Future[None]] = []

        async def deliver(batch: RawBatch, processed: asyncio.Future[None]) -> None:
            to.started.append((batch.source.partition, len(batch.record_batches)))
            stages.append(processed)
            await asyncio.wait([processed])

        intake = to.intake(records=20, most_in_flight=4, deliver=deliver)
        cutting = asyncio.create_task(intake.cut_due())
        await intake.take(0, fetch(1, 0, 4))
        await until(lambda: to.started == [(0, 5)])
        await intake.take(1, fetch(1, 0, 5))
        await intake.take(2, fetch(1, 0, 9))
        await intake.take(1, fetch(1, 6, 7))
        await asyncio.sleep(TICK_S * 3)
        assert to.started == [(0, 5)]
        stages[0].set_result(None)
        await until(lambda: to.started == [(0, 5), (2, 10)])
        await asyncio.sleep(TICK_S * 3)
        stages[1].set_result(None)
        await until(lambda: to.started == [(0, 5), (2, 10), (1, 8)])
        stages[2].set_result(None)
        await intake.drain()
        cutting.cancel()

    run(test)


def test_as_many_batches_are_cut_as_there_are_processes_of_the_stages() -> None:
    async def test(to: Deliveries) -> None:
        async def deliver(batch: RawBatch, processed: asyncio.Future[None]) -> None:
            to.started.append((batch.source.partition, len(batch.record_batches)))
            await asyncio.wait([processed])

        intake = to.intake(records=20, most_in_flight=4, most_in_stages=2, deliver=deliver)
        cutting = asyncio.create_task(intake.cut_due())
        for partition in range(3):
            await intake.take(partition, fetch(1, 0, 5 + partition))
        await until(lambda: len(to.started) == 2)
        await asyncio.sleep(TICK_S * 3)
        assert to.started == [(2, 8), (1, 7)]
        cutting.cancel()
        await intake.release([1, 2], grace_s=0.0)

    run(test)


def test_a_batch_that_is_due_does_not_overtake_the_fetch_that_is_being_taken() -> None:
    """Otherwise its offset would be committed before those in front of it, and their counts be taken for repeats."""

    async def test(to: Deliveries) -> None:
        intake = to.intake(most_in_flight=1)
        cutting = asyncio.create_task(intake.cut_due())
        taking = asyncio.create_task(intake.take(0, fetch(1, 0, 6)))
        await settle()
        to.now = 10.0
        await asyncio.sleep(3 * TICK_S)
        to.open_gates = True
        to.let(0, 1)
        await taking
        await until(lambda: to.finished[-1:] == [(0, 7)])
        assert to.started == [(0, 1), (2, 3), (4, 5), (6, 6)]
        assert [offset for _, offset in to.finished] == [2, 4, 6, 7]
        cutting.cancel()

    run(test)


def test_records_that_wait_are_cut_after_the_linger() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        cutting = asyncio.create_task(intake.cut_due())
        await intake.take(3, fetch(1, 0, 0))
        assert to.started == []
        to.now = 0.5
        await until(lambda: bool(to.finished))
        assert to.finished == [(3, 1)]
        cutting.cancel()

    run(test)


def test_begun_batches_are_formed_again_when_a_partition_is_assigned() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        to.ledger = [Boundaries(0, 4), Boundaries(5, 5)]
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 7))
        await intake.drain()
        assert to.started == [(0, 4), (5, 5), (6, 7)]

    run(test)


def test_a_new_generation_reads_again_after_what_was_in_flight() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 1))
        await settle()
        again = asyncio.create_task(intake.take(0, fetch(2, 0, 1)))
        await settle()
        assert to.started == [(0, 1)]
        to.open_gates = True
        to.let(0, 1)
        await again
        await intake.drain()
        assert to.started == [(0, 1), (0, 1)]

    run(test)


def test_nothing_is_begun_of_a_partition_that_was_given_away_while_its_fetch_waited_for_room() -> None:
    """The next worker has read the ledger by then, and would form other batches of the same offsets."""

    async def test(to: Deliveries) -> None:
        intake = to.intake(most_in_flight=1)
        taking = asyncio.create_task(intake.take(0, fetch(1, 0, 5)))
        await settle()
        releasing = asyncio.create_task(intake.release([0], grace_s=10))
        await settle()
        to.open_gates = True
        to.let(0, 1)
        await releasing
        await taking
        await intake.drain()
        assert to.started == [(0, 1)]
        assert to.finished == [(0, 2)]

    run(test)


def test_nothing_is_begun_of_a_partition_that_was_given_away_while_the_ledger_was_read() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        to.reading.clear()
        intake = to.intake()
        taking = asyncio.create_task(intake.take(0, fetch(1, 0, 3)))
        await settle()
        await intake.release([0], grace_s=10)
        to.reading.set()
        await taking
        await intake.drain()
        assert to.started == []
        await intake.take(0, fetch(2, 0, 1))
        await intake.drain()
        assert to.started == [(0, 1)]

    run(test)


def test_what_is_not_done_in_time_is_given_up_with_its_partition() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake()
        to.committed = {1: 10}
        await intake.take(0, fetch(1, 0, 1))
        await intake.take(1, fetch(1, 10, 11))
        await settle()
        await intake.release([0], grace_s=0.01)
        await settle()
        assert intake.in_flight == 1
        assert to.finished == []
        to.gates.pop((0, 1))
        await intake.take(0, fetch(2, 0, 1))
        await settle()
        assert intake.in_flight == 2

    run(test)


def test_a_delivery_that_is_overtaken_is_no_failure_and_commits_nothing_from_there_on() -> None:
    """Another worker has the partition: it will deliver the batch."""

    async def test(to: Deliveries) -> None:
        first = asyncio.Event()

        async def deliver(batch: RawBatch, processed: asyncio.Future[None]) -> None:
            to.started.append((batch.boundaries.first, batch.generation))
            if batch.boundaries.first == 0:
                await first.wait()
                raise Fenced

        intake = to.intake(deliver=deliver)
        await intake.take(0, fetch(3, 0, 3))
        await settle()
        assert to.started == [(0, 3), (2, 3)]
        first.set()
        await intake.drain()
        assert to.finished == []
        assert to.failures == []

    run(test)


def test_a_delivery_that_fails_commits_nothing_from_there_on() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 3))
        await settle()
        to.let(0, 1, RuntimeError("unforeseen"))
        to.let(2, 3)
        await intake.drain()
        assert [str(failure) for failure in to.failures] == ["unforeseen"]
        assert to.finished == []

    run(test)


def test_a_fetch_that_begins_behind_the_expected_offset_is_refused_and_the_partition_read_again() -> None:
    """Whoever dropped the records in between: none of them may be passed over."""

    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 1))
        await intake.take(0, fetch(1, 4, 5))
        await intake.take(0, fetch(1, 6, 7))
        assert to.seeks == [(0, 2), (0, 2)]
        await intake.take(0, fetch(1, 2, 7))
        await intake.drain()
        assert to.started == [(0, 1), (2, 3), (4, 5), (6, 7)]
        assert to.metrics.exposition().count(b'aftershock_out_of_sequence_total{topic="errors"} 2.0') == 1

    run(test)


def test_the_first_fetch_of_an_assignment_has_to_begin_where_it_was_committed() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        to.committed = {3: 1355}
        intake = to.intake()
        await intake.take(3, fetch(1, 2161, 2170, end=9_999))
        await intake.take(3, fetch(1, 1355, 1356, end=9_999))
        await intake.drain()
        assert to.seeks == [(3, 1355)]
        assert to.started == [(1355, 1356)]

    run(test)


def test_a_fetch_that_begins_before_the_expected_offset_adds_what_is_new_in_it() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 1))
        await intake.take(0, fetch(1, 0, 1))
        await intake.take(0, fetch(1, 1, 3))
        await intake.drain()
        assert to.started == [(0, 1), (2, 3)]
        assert to.seeks == []

    run(test)


def test_records_that_expired_before_they_were_read_are_counted_and_passed_over() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 1))
        to.log_begin = 10
        await intake.take(0, fetch(1, 10, 11))
        await intake.drain()
        assert to.started == [(0, 1), (10, 11)]
        assert to.seeks == []
        assert b'aftershock_expired_offsets_total{topic="errors"} 8.0' in to.metrics.exposition()

    run(test)


def test_records_at_the_end_that_were_read_and_lost_are_read_again_though_none_follows() -> None:
    async def test(to: Deliveries) -> None:
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 1))
        to.positions = {0: 7}
        for to.now in (1.0, 1.0 + ASTRAY_S - 0.1):
            await intake.look_after(1)
        assert to.seeks == []
        to.now = 1.0 + ASTRAY_S
        await intake.look_after(1)
        assert to.seeks == [(0, 2)]
        to.positions = {0: 2}
        to.now += 2 * ASTRAY_S
        await intake.look_after(1)
        assert to.seeks == [(0, 2)]

    run(test)


def test_a_fetch_of_an_old_generation_is_nobodys_any_more() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        await intake.open(0, 2)
        await intake.take(0, fetch(1, 0, 1))
        await intake.drain()
        assert to.started == []

    run(test)


def test_a_log_that_ends_before_what_was_read_of_it_is_looked_at_anew() -> None:
    """The topic was made again: what is expected of the old one says nothing about it."""

    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 9, end=10))
        await intake.drain()
        to.ledger.clear()
        to.started.clear()
        await intake.take(0, fetch(1, 0, 3, end=4))
        await intake.drain()
        assert to.started == [(0, 1), (2, 3)]

    run(test)


def test_a_topic_that_was_made_again_while_it_is_read_is_read_from_its_beginning() -> None:
    async def test(to: Deliveries) -> None:
        to.open_gates = True
        intake = to.intake()
        await intake.take(0, fetch(1, 0, 1))
        await intake.renew("life")
        assert to.seeks == []
        await intake.drain()
        to.life = "another life"
        to.ledger.clear()
        await intake.renew("another life")
        assert to.seeks == [(0, 0)]
        await intake.take(0, fetch(1, 0, 1))
        await intake.drain()
        assert to.started == [(0, 1), (0, 1)]

    run(test)
