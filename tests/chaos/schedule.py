"""The schedule: faults as generators that yield how many seconds to wait, all run by one thread.

Processes must be started by the main thread, which is also the one that supervises them; so nothing here is a thread.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator

Steps = Iterator[float]
"""What is done step by step; each step yields how many seconds to wait before the next one."""

TICK_S = 0.03


class Schedule:
    """Steps that wait for their time.

    Args:
        each_tick: called about thirty times a second while somebody waits.
        clock: seconds since 1970.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        each_tick: Callable[[float], None],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._each_tick = each_tick
        self._clock = clock
        self._sleep = sleep
        self._waiting: list[tuple[float, int, Steps]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, steps: Steps, after: float = 0.0) -> None:
        """Have steps begin after so many seconds."""
        self._count += 1
        heapq.heappush(self._waiting, (self._clock() + after, self._count, steps))

    def tick(self) -> None:
        """Do all steps that are due, one each, and what is done each tick."""
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, steps = heapq.heappop(self._waiting)
            wait = next(steps, None)
            if wait is not None:
                self.add(steps, wait)
        self._each_tick(now)
        self._sleep(TICK_S)

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Go on until a condition holds; return whether it does within so many seconds."""
        deadline = self._clock() + seconds
        while not condition():
            if self._clock() > deadline:
                return False
            self.tick()
        return True

    def pause(self, seconds: float) -> None:
        """Go on for so many seconds."""
        self.until(lambda: False, seconds)
