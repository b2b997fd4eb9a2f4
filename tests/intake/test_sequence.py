"""In no order of polls, drops, seeks, revocations and crashes does an intake pass over a record, or store one twice."""

from __future__ import annotations

import asyncio
from collections import deque

from hypothesis import event, given
from hypothesis import strategies as st

from pipeline.intake.batching import BatchLimits
from pipeline.intake.fencing import Fenced
from pipeline.intake.intake import Intake, IntakeLimits
from pipeline.intake.sequence import ASTRAY_S, Restored, first_to_read
from pipeline.records.offsets import LogOffsets
from pipeline.records.record import Boundaries, Fetch, RawBatch, RecordBatch, Source
from pipeline.runtime.metrics import Metrics

SOURCE = Source("errors", "life", 0)
LIMITS = BatchLimits(records=4, bytes=1_000_000, decompressed_bytes=1_000_000, linger_s=0.0)


class Installation:
    """One partition in Kafka, a consumer whose positions may go astray, a ledger, and the table that rows are in.

    Args:
        log: the offsets that hold a record; between them there may be others that hold none.
    """

    def __init__(self, log: list[int]) -> None:
        self.log = log
        self.end = log[-1] + 1 if log else 0
        self.committed: int | None = None
        self.generation = 1
        self.read_position = 0
        self.pipe: deque[Fetch] = deque()
        self.ledger: list[Boundaries] = []
        self.stored: dict[Boundaries, list[int]] = {}
        self.running: list[asyncio.Future[bool]] = []
        self.hold_deliveries = True
        self.now = 0.0
        self.failures: list[BaseException] = []
        self.intake = self.new_intake()

    def new_intake(self) -> Intake:
        return Intake(
            "errors",
            limits=IntakeLimits(LIMITS, 3, 3),
            consumer=self,
            deliver=self.deliver,
            failed=self.failures.append,
            metrics=Metrics(),
            clock=lambda: self.now,
        )

    # What an intake asks for

    async def offsets(self, _topic: str, _partition: int) -> LogOffsets:
        return LogOffsets(self.committed, 0, self.end)

    async def seek_to(self, _topic: str, _partition: int, offset: int) -> None:
        self.read_position = offset

    async def start_over(self, _topic: str, _partition: int, offset: int) -> None:
        self.read_position = offset

    def position(self, _topic: str, _partition: int) -> int | None:
        return self.read_position

    async def restore(self, _topic: str, _partition: int) -> Restored:
        from_offset = first_to_read(await self.offsets("errors", 0), None)
        begun = [boundaries for boundaries in self.ledger if boundaries.last >= from_offset]
        return Restored(SOURCE, from_offset, begun)

    async def deliver(self, batch: RawBatch, taken: asyncio.Future[None]) -> None:
        if batch.generation != self.generation:
            raise Fenced
        self.ledger.append(batch.boundaries)
        taken.set_result(None)
        arrived: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.running.append(arrived)
        if self.hold_deliveries:
            await arrived
        held = {offset for one in batch.record_batches for offset in range(one.first, one.last + 1)}
        rows = [offset for offset in self.log if offset in held and batch.start <= offset <= batch.boundaries.last]
        # A repeated insert with the same token adds nothing.
        assert self.stored.setdefault(batch.boundaries, rows) == rows

    def done(self, _topic: str, _partition: int, next_offset: int) -> None:
        self.committed = max(self.committed or 0, next_offset)

    # What happens to it

    def poll(self, number: int) -> None:
        """Hand over so many offsets from the position on, and move it."""
        start = self.read_position
        next_offset = min(start + number, self.end)
        if next_offset > start:
            batches = [RecordBatch(at, at, 1, 1, b"1") for at in self.log if start <= at < next_offset]
            self.pipe.append(Fetch(start, next_offset, self.end, self.generation, batches))
            self.read_position = next_offset

    async def rebalance(self, *, position_is_set_back: bool, worker_is_another: bool) -> None:
        if worker_is_another:
            for arrived in self.running:
                arrived.cancel()
            self.intake = self.new_intake()
            self.pipe.clear()
        else:
            await self.intake.release([0], grace_s=0.0)
        self.generation += 1
        if position_is_set_back:
            self.read_position = self.committed or 0

    async def settle(self) -> None:
        for _ in range(12):
            await asyncio.sleep(0)


ACTIONS = st.one_of(
    st.tuples(st.just("poll"), st.integers(1, 9)),
    st.tuples(st.just("take"), st.just(0)),
    st.tuples(st.just("drop"), st.just(0)),
    st.tuples(st.just("jump"), st.integers(0, 60)),
    st.tuples(st.just("arrive"), st.integers(0, 5)),
    st.tuples(st.just("revoked"), st.integers(0, 1)),
    st.tuples(st.just("crashed"), st.integers(0, 1)),
)


class Play:
    """An installation, the agent that feeds its intake, and what happens to them."""

    def __init__(self, log: list[int]) -> None:
        self.to = Installation(log)
        self.taking: asyncio.Task[None] | None = None
        self.cutting = asyncio.create_task(self.to.intake.cut_due())

    async def act(self, kind: str, number: int) -> None:
        """Do one of :data:`ACTIONS`."""
        to = self.to
        if kind == "poll":
            to.poll(number)
        elif kind == "take":
            self.take()
        elif kind == "drop" and to.pipe:
            to.pipe.popleft()
        elif kind == "jump":
            to.read_position = min(number, to.end)
        elif kind == "arrive" and to.running:
            self.arrive(to.running[number % len(to.running)])
        elif kind in ("revoked", "crashed"):
            await self.rebalance(position_is_set_back=bool(number), crashed=kind == "crashed")
        await to.settle()

    def take(self) -> None:
        """Have the agent take the next fetch, if it is not at one: it takes one after the other."""
        if self.to.pipe and (self.taking is None or self.taking.done()):
            self.taking = asyncio.create_task(self.to.intake.take(0, self.to.pipe.popleft()))

    def arrive(self, arrived: asyncio.Future[bool]) -> None:
        if not arrived.done():
            arrived.set_result(True)

    async def rebalance(self, *, position_is_set_back: bool, crashed: bool) -> None:
        self.cutting.cancel()
        if crashed and self.taking is not None:
            self.taking.cancel()
            self.taking = None
        await self.to.rebalance(position_is_set_back=position_is_set_back, worker_is_another=crashed)
        self.cutting = asyncio.create_task(self.to.intake.cut_due())

    async def come_to_rest(self) -> None:
        """Let nothing go wrong any more until all is done: whatever is astray by now has to be found."""
        to = self.to
        to.hold_deliveries = False
        for _ in range(200):
            for arrived in to.running:
                self.arrive(arrived)
            await to.intake.open(0, to.generation)
            to.poll(50)
            self.take()
            await to.settle()
            to.intake._room.set()
            to.now += ASTRAY_S
            if not to.pipe and (self.taking is None or self.taking.done()):
                await to.intake.look_after(to.generation)
            if (to.committed or 0) >= to.end and not to.intake.in_flight:
                break
        self.cutting.cancel()


async def play(log: list[int], actions: list[tuple[str, int]]) -> Installation:
    async with asyncio.timeout(20):
        going_on = Play(log)
        for kind, number in actions:
            await going_on.act(kind, number)
        await going_on.come_to_rest()
        return going_on.to


@given(log=st.sets(st.integers(0, 50), max_size=40), actions=st.lists(ACTIONS, max_size=40))
def test_every_record_is_stored_once_whatever_happens_to_the_consumers_positions(
    log: set[int], actions: list[tuple[str, int]]
) -> None:
    to = asyncio.run(play(sorted(log), actions))
    event(f"{sum(kind in ('revoked', 'crashed') for kind, _ in actions)} rebalances")
    assert to.failures == []
    assert (to.committed or 0) == to.end
    assert sorted(offset for rows in to.stored.values() for offset in rows) == to.log
    expected = 0
    for boundaries in sorted(set(to.ledger)):
        assert boundaries.first == expected, f"a hole or an overlap in the ledger: {sorted(set(to.ledger))}"
        expected = boundaries.last + 1
