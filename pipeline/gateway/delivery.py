"""Delivery: straight to Kafka while it is there, by way of the spool while it is away; never lost, never twice.

While Kafka acknowledges, messages go to it directly. The first one that is not acknowledged in time ends that: the
producer is given up, and this message and all that follow go to the spool. When Kafka answers again, the spool is
worked off in its order, and only when it is empty messages go directly again.

A message that was not acknowledged may have arrived all the same, and so may one that was worked off just before a
crash. So before the spool is worked off, what Kafka has since its oldest message is read, and what is there already
is left out: same topic, same key, same bytes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence

from pipeline.errors import Unavailable
from pipeline.gateway.items import Message
from pipeline.gateway.rejection import Rejected
from pipeline.gateway.sink import Sink, identity
from pipeline.gateway.spool import Record, Spool

log = logging.getLogger(__name__)

AGAIN_S = 1.0
MARGIN_MS = 60_000
"""How much older than the spool's oldest message one on Kafka may be and still be the same: more than any timeout."""

SETTLE_S = 1.0
"""What a broker that comes back may still write of a connection that is gone."""


class Delivery:
    """Delivers the messages of one process.

    Args:
        sink: Kafka.
        spool: the disk.
    """

    def __init__(self, sink: Sink, spool: Spool) -> None:
        self._sink = sink
        self._spool = spool
        self._direct = False
        self._broken = True
        self._away = asyncio.Event()
        self._recovering: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, work off what an earlier process left, and go on for ever."""
        self._recovering = asyncio.create_task(self._run())

    @property
    def ready(self) -> bool:
        """Whether messages go straight to Kafka."""
        return self._direct

    @property
    def has_room(self) -> bool:
        """Whether messages can be taken while Kafka is away."""
        return self._spool.has_room

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait on disk."""
        return self._spool.bytes

    async def send(self, messages: Sequence[Message]) -> None:
        """Return when Kafka has acknowledged the messages, or when they are safe on disk.

        Raises:
            Unavailable: Kafka is away and the spool is full.
            Rejected: Kafka does not take a message for what it is.
        """
        if not messages:
            return
        taken_ms = int(time.time() * 1000)
        if self._direct:
            try:
                await self._sink.send(messages)
            except Unavailable as error:
                log.warning("%s: messages are kept on disk until it does", error)
                self._broken = True
                self._lose_kafka()
            else:
                return
        await self._spool.append(messages, taken_ms)
        # Kafka may have come back while this was written: then this has to be worked off as well.
        if not self._spool.empty:
            self._lose_kafka()

    async def stop(self) -> None:
        """Wait for what is on its way to Kafka; what is on disk stays there."""
        if self._recovering is not None:
            self._recovering.cancel()
            await asyncio.gather(self._recovering, return_exceptions=True)
        await self._sink.stop()
        self._spool.close()

    def _lose_kafka(self) -> None:
        self._direct = False
        self._away.set()

    async def _run(self) -> None:
        while True:
            self._away.clear()
            try:
                if self._broken:
                    await self._sink.abandon()
                    await self._sink.connect()
                    self._broken = False
                await self._work_off()
            except Unavailable as error:
                self._broken = True
                log.warning("%s: trying again", error)
                await asyncio.sleep(AGAIN_S)
                continue
            await self._away.wait()

    async def _work_off(self) -> None:
        """Send everything that is in the spool, and let messages go directly from then on."""
        there: Counter[bytes] | None = None
        while True:
            records, position = await self._spool.read()
            if not records:
                if self._spool.empty:
                    break
                # A write that began just now is read in the next turn.
                if self._spool.writing:
                    continue
                raise Unavailable("the spool cannot be read")
            if there is None:
                await asyncio.sleep(SETTLE_S)
                there = await self._sink.since(records[0].taken_ms - MARGIN_MS)
            try:
                await self._sink.send(_missing(records, there), patient=True)
            except Rejected as rejected:
                # It would be refused for ever, and everything behind it would wait.
                log.error("a message from the spool is lost: %s", rejected.reason)
            await self._spool.done(position)
        # Nothing is awaited between the look at the spool and this, so nothing can come between.
        self._spool.begin_anew()
        if there is not None:
            log.info("the spool is worked off")
        self._away.clear()
        self._direct = True


def _missing(records: Sequence[Record], there: Counter[bytes]) -> list[Message]:
    """Return the messages that Kafka has not; each that it has stands for one of the same only."""
    missing: list[Message] = []
    for record in records:
        named = identity(record.message.topic, record.message.key, record.message.value)
        if there[named] > 0:
            there[named] -= 1
        else:
            missing.append(record.message)
    return missing
