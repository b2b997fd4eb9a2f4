"""Delivery of one batch, exactly once. Only when everything is acknowledged may its offsets be committed.

The order is what makes crashes harmless: the batch is written to the ledger; then its rows go to ClickHouse and
its counts and dead letters to Kafka, all of them marked with the batch's boundaries. Whatever had arrived already
is recognised by that mark when the batch is delivered again. What ClickHouse recognises and does not have all the same,
because it was killed, is added then: see :mod:`pipeline.store.repeated_inserts`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

from pipeline.edges.clickhouse import RequestRejected
from pipeline.edges.kafka import Send
from pipeline.edges.retry import until_available
from pipeline.intake.ledger import Ledger
from pipeline.records.record import RawBatch, Source
from pipeline.runtime.metrics import Metrics
from pipeline.stages.messages import Ended
from pipeline.store.batch_inserts import BatchInserts
from pipeline.store.dead_letter_queue import DeadLetterQueue, Refusal, with_records
from pipeline.store.inserts import GivenUp, Inserts
from pipeline.store.sifting import ApartRow, Sifting
from pipeline.store.turns import Turn, Turns
from schemas.topics import COUNTS

log = logging.getLogger(__name__)


class Stages(Protocol):
    """What takes batches through the pure stages; see :class:`pipeline.stages.pool.StagePool`."""

    async def process(self, batch: RawBatch, taken: asyncio.Future[None], rows: Callable[[str, bytes], None]) -> Ended:
        """Return what has become of a batch; ``rows`` is called in a thread, by and by, each time for one table.

        ``taken`` is set when another batch may come.
        """

    async def rows_apart(self, batch: RawBatch, table: str) -> list[ApartRow]:
        """Return each row that all of a batch's events make in a table."""


class Delivery:
    """Delivers batches of one topic.

    Args:
        stages: the pure stages.
        inserts: inserts their rows.
        held: returns when a generation's partitions are known to be this worker's; raises where they are not.
        ledger: where batches are written down before anything of them is sent.
        send: sends counts and dead letters.
        metrics: what is counted on the way.
    """

    def __init__(
        self,
        stages: Stages,
        inserts: BatchInserts,
        *,
        held: Callable[[int], Awaitable[None]],
        ledger: Ledger,
        send: Send,
        metrics: Metrics,
    ) -> None:
        self._stages = stages
        self._inserts = inserts
        self._sifting = Sifting(stages, inserts)
        self._dead_letters = DeadLetterQueue(inserts, send, metrics)
        self._held = held
        self._ledger = ledger
        self._send = send
        self._metrics = metrics
        self._turns: Turns[tuple[Source, int]] = Turns()

    async def deliver(self, batch: RawBatch, taken: asyncio.Future[None]) -> None:
        """Deliver one batch; returns when all of it is acknowledged, however long that takes.

        Batches of a partition are handed over in their order, and send their counts in it: the consumer of ``counts``
        knows by the last offset alone what it has applied.

        Args:
            batch: what to deliver.
            taken: set when the stages have all of the batch, so that they may be handed another one.
        """
        with self._turns.take((batch.source, batch.generation)) as turn:
            await self._deliver(batch, taken, turn)

    async def _deliver(self, batch: RawBatch, taken: asyncio.Future[None], turn: Turn) -> None:
        started = time.perf_counter()
        begun = asyncio.create_task(self._begin(batch))
        try:
            inserts, ended = await self._through(batch, taken, begun)
        finally:
            begun.cancel()
        refusals = with_records(batch, ended.dead)
        _, refused = await asyncio.gather(
            self._send_counts(ended.counts, turn), self._stored(batch, inserts, taken, begun)
        )
        refusals += refused
        if refusals:
            await self._dead_letters.put(batch, refusals)
        self._account(batch, ended, len(refusals), time.perf_counter() - started)

    async def _begin(self, batch: RawBatch) -> None:
        """Write the batch down while its partition is held: then whoever has it next finds the batch in the ledger."""
        await self._held(batch.generation)
        await self._inserts.until_done(lambda: self._ledger.begin(batch.source, batch.boundaries, batch.generation))
        await self._held(batch.generation)

    async def _through(
        self, batch: RawBatch, taken: asyncio.Future[None], begun: asyncio.Future[None]
    ) -> tuple[Inserts, Ended]:
        """Take a batch through the stages, and send its rows to ClickHouse meanwhile, once it is written down."""

        async def insert(table: str, rows: Iterator[bytes]) -> None:
            await asyncio.wait((begun,))
            if begun.cancelled() or begun.exception() is not None:
                raise GivenUp
            await self._inserts.insert(batch, table, rows)
            self._sifting.accepted(table)

        inserts = Inserts(insert)
        try:
            ended = await self._stages.process(batch, taken, inserts.take)
            await begun
        except BaseException:
            inserts.give_up()
            raise
        return inserts, ended

    async def _stored(
        self, batch: RawBatch, inserts: Inserts, taken: asyncio.Future[None], begun: asyncio.Future[None]
    ) -> list[Refusal]:
        """Return when all rows are stored, however often that takes; and the events that ClickHouse refuses."""
        running: Inserts | None = inserts

        async def once() -> dict[str, BaseException]:
            nonlocal running
            if running is None:
                await self._inserts.ping()
                running, _ = await self._through(batch, taken, begun)
            ending, running = running, None
            return await ending.end()

        refusals: list[Refusal] = []
        for table, error in (await until_available(once, self._inserts.retried)).items():
            if not isinstance(error, RequestRejected):
                raise error
            refusals += await self._sifting.sift(batch, table)
        return refusals

    async def _send_counts(self, counts: dict[int, bytes], turn: Turn) -> None:
        await turn.comes()
        await asyncio.gather(
            *(self._sent(COUNTS.name, message, partition=partition) for partition, message in counts.items())
        )
        turn.is_over()

    async def _sent(self, topic: str, value: bytes, **options: Any) -> None:
        retried = self._metrics.retries.labels("kafka").inc
        await until_available(lambda: _awaited(self._send(topic, value, **options)), retried)

    def _account(self, batch: RawBatch, ended: Ended, dead: int, seconds: float) -> None:
        topic = batch.source.topic
        filtered, downsampled = sum(ended.filtered.values()), ended.downsampled
        events = self._metrics.events
        # Where ClickHouse refused a row, all were stored whole after all: then this is too low, but never below zero.
        events.labels(topic, "stored").inc(max(ended.records - dead - filtered - downsampled, 0))
        if downsampled:
            events.labels(topic, "counted").inc(downsampled)
        if dead:
            events.labels(topic, "dead_letter").inc(dead)
            log.warning("%d events of %s became dead letters: see `aftershock dead-letters list`", dead, topic)
        if filtered:
            events.labels(topic, "filtered").inc(filtered)
        for stage, spent in ended.seconds.items():
            self._metrics.stage_seconds.labels(stage).inc(spent)
        self._metrics.batches.labels(topic).inc()
        self._metrics.batch_seconds.labels(topic).observe(seconds)


async def _awaited(work: Awaitable[None]) -> None:
    await work
