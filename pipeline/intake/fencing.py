"""Fencing: whether the partitions that a worker was given are still its own, as the group's coordinator has confirmed.

Kafka gives a worker's partitions to another one when it has not heard of it for the session timeout, and the worker
learns of it only afterwards: it may have been paused, or cut off. So a batch counts as begun only if it is written into
the ledger while the membership holds. Whoever has the partition next reads the ledger after that, finds every such
batch, and forms it again under the same token; of other batches nothing reaches ClickHouse.

The time runs from the moment that a request was *sent* which the coordinator then confirmed, so it is over here before
it is over there. docs/architecture.md tells the whole crash protocol.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

LOOK_S = 0.05
NO_GENERATION = -1


class Fenced(asyncio.CancelledError):
    """The partition is another worker's: as if the work had been cancelled, which it is about to be."""


def elapsed() -> float:
    """Return seconds on a clock that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Membership:
    """This worker's membership of the consumer group. Confirmed in one thread, asked in another.

    Args:
        session_timeout_s: how long the coordinator waits for a member.
        clock: seconds on a clock that never stands still.
    """

    def __init__(self, session_timeout_s: float, clock: Callable[[], float] = elapsed) -> None:
        self._session_timeout_s = session_timeout_s
        self.clock = clock
        self._confirmed = (NO_GENERATION, 0.0)

    def confirm(self, generation: int, sent_at: float) -> None:
        """Note that the coordinator counts this worker to a generation, as it answered to a request sent then."""
        self._confirmed = (generation, sent_at)

    def end(self) -> None:
        """Note that the worker has left the group, or was put out of it."""
        self._confirmed = (NO_GENERATION, 0.0)

    def holds(self, generation: int) -> bool:
        """Return whether no other worker can have the partitions of this generation yet."""
        confirmed, sent_at = self._confirmed
        return generation == confirmed and self.clock() < sent_at + self._session_timeout_s

    async def held(self, generation: int) -> None:
        """Return when the membership holds: at once, as a rule, or when the coordinator has confirmed it again.

        Raises:
            Fenced: the generation is over.
        """
        waiting = False
        while not self.holds(generation):
            if self._confirmed[0] != generation:
                raise Fenced
            if not waiting:
                waiting = True
                log.warning("Kafka has not confirmed for %s s whose partitions these are", self._session_timeout_s)
            await asyncio.sleep(LOOK_S)
