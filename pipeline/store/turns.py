"""Turns: work that goes on side by side, and does one step of it in the order in which it was begun."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Turn:
    """A place in the order. It comes when the one before it is over."""

    def __init__(self, previous: asyncio.Future[None] | None) -> None:
        self._previous = previous
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def comes(self) -> None:
        """Return when it has come.

        Raises:
            CancelledError: the work before it was given up, so this is given up as well.
        """
        if self._previous is not None:
            await self._previous

    def is_over(self) -> None:
        """Let the next one come."""
        self.over.set_result(None)


class Turns(Generic[K]):
    """Turns under several keys, each of which has an order of its own."""

    def __init__(self) -> None:
        self._last: dict[K, asyncio.Future[None]] = {}

    @contextmanager
    def take(self, key: K) -> Iterator[Turn]:
        """Yield the next turn under a key. If it is not over at the end, those that wait for it are given up."""
        turn = Turn(self._last.get(key))
        self._last[key] = turn.over
        try:
            yield turn
        finally:
            turn.over.cancel()
            if self._last.get(key) is turn.over:
                del self._last[key]
