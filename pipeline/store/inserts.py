"""The inserts of one batch, one per table, streamed to ClickHouse while the stages still make rows.

Rows that were sent are not kept. Backpressure: at most :data:`MOST_WAITING` bytes wait to be read by ClickHouse; then
the stages wait. When an insert fails, the batch goes through the stages again: its records are held until it is done,
and its token makes ClickHouse drop what had arrived.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from queue import SimpleQueue

from pipeline.errors import Unavailable

Insert = Callable[[str, Iterator[bytes]], Awaitable[None]]
"""Inserts into a table what comes, once; the iterator is read in a thread. Raises what ClickHouse says."""

MOST_WAITING = 4 << 20
"""So many bytes of a batch's rows wait for ClickHouse at most: what the stages make while a batch is written down."""
LOOK_S = 0.5
"""How often whoever waits looks whether there is anybody to wait for."""


class GivenUp(Exception):
    """Raised to whoever reads pieces when no more of them will come: so the insert is not ended, but broken off."""


class Room:
    """Byte-counting semaphore between the stages' thread, which fills it, and the inserts' threads, which drain it.

    Args:
        most: how many bytes may wait; one piece may exceed it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._bounded = True
        self._changed = threading.Condition()

    def take(self, size: int, alive: Callable[[], bool]) -> None:
        """Acquire bytes, and return when there is room for them.

        Raises:
            GivenUp: nobody is ``alive`` any more who would take those that wait.
        """
        with self._changed:
            while self._bounded and self._waiting >= self._most:
                if not alive():
                    raise GivenUp
                self._changed.wait(LOOK_S)
            self._waiting += size

    def free(self, size: int) -> None:
        """Release bytes that were read."""
        with self._changed:
            self._waiting -= size
            self._changed.notify()

    def unbind(self) -> None:
        """Lift the bound: nobody waits any more."""
        with self._changed:
            self._bounded = False
            self._changed.notify()


class Pieces:
    """Rows of one table that come piece by piece, and are read in another thread.

    Args:
        room: is told when a piece was taken.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._given_up = False

    def put(self, piece: bytes) -> None:
        """Add a piece, unless it was given up."""
        if not self._given_up:
            self._queue.put(piece)

    def end(self) -> None:
        """Say that all of them are there."""
        self._queue.put(None)

    def give_up(self) -> None:
        """Have the reader stop with :class:`GivenUp`, and nobody wait for it."""
        self._given_up = True
        self._room.unbind()
        self._queue.put(None)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces as they come.

        Raises:
            GivenUp: they were given up.
        """
        while (piece := self._queue.get()) is not None:
            self._room.free(len(piece))
            yield piece
        if self._given_up:
            raise GivenUp


class Inserts:
    """The inserts of one batch.

    Args:
        insert: does one.
    """

    def __init__(self, insert: Insert) -> None:
        self._insert = insert
        self._loop = asyncio.get_running_loop()
        self._room = Room(MOST_WAITING)
        self._pieces: dict[str, Pieces] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._given_up = False

    def take(self, table: str, rows: bytes) -> None:
        """Send rows of a table on; its insert begins with the first of them. To be called in another thread.

        Raises:
            GivenUp: the event loop has ended.
        """
        self._room.take(len(rows), self._loop.is_running)
        self._loop.call_soon_threadsafe(self._put, table, rows)

    def _put(self, table: str, rows: bytes) -> None:
        if self._given_up:
            return
        if table not in self._pieces:
            self._pieces[table] = Pieces(self._room)
            self._tasks[table] = asyncio.create_task(self._run(table, self._pieces[table]))
        self._pieces[table].put(rows)

    async def end(self) -> dict[str, BaseException]:
        """Return the errors of those that failed, by table, when all are done.

        Raises:
            Unavailable: ClickHouse did not take one of them now.
        """
        for pieces in self._pieces.values():
            pieces.end()
        ends = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        failed = {table: end for table, end in zip(self._tasks, ends, strict=True) if end is not None}
        for error in failed.values():
            if isinstance(error, Unavailable):
                raise error
        return failed

    def give_up(self) -> None:
        """Break off what is not done; nobody is going to ask how it ended."""
        self._given_up = True
        self._room.unbind()
        for task in self._tasks.values():
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        for pieces in self._pieces.values():
            pieces.give_up()

    async def _run(self, table: str, pieces: Pieces) -> None:
        try:
            await self._insert(table, iter(pieces))
        except BaseException:
            pieces.give_up()
            raise
