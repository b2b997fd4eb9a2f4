"""The worker's side of the process of the stages: starts it, hands batches over, and takes in what comes of them."""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pipeline.config.settings import Settings
from pipeline.errors import AftershockError, Misconfigured
from pipeline.records.record import RawBatch, RecordBatch
from pipeline.stages import messages
from pipeline.stages.channel import Channel
from schemas.issue_change import IssueChange

Result = TypeVar("Result")

TOGETHER_BYTES = 128 * 1024
"""So many bytes of record batches are handed over at a time, and one record batch more at most: they are opened one by
one, but each message wakes the other process."""
END_S = 10.0
"""How long the process may take to end when it was told to: a few records of the worst kind."""

_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from pipeline.stages.child import main; main(int(sys.argv[1]))"
"""The modules are looked for where this process found them, whatever directory it works in."""


class StagesEnded(AftershockError):
    """The process of the stages has ended; the worker ends too, and what it had not committed is done again."""


class StageProcess:
    """The process of the stages of one worker.

    Args:
        settings: all settings.
    """

    def __init__(self, settings: Settings) -> None:
        ours, theirs = socket.socketpair()
        self._channel: Channel[messages.Answer] = Channel(ours, messages.Answer)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(number), *sys.path], stdin=subprocess.DEVNULL, pass_fds=(number,)
            )
        # Each does one thing at a time, in order, and none is given up in the middle.
        self._sender = ThreadPoolExecutor(1, "to-stages")
        self._receiver = ThreadPoolExecutor(1, "from-stages")
        level = logging.getLevelName(logging.getLogger().getEffectiveLevel()).lower()
        self._send(messages.Setup(pickle.dumps(settings), level))

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when it is there.

        Raises:
            Misconfigured: the stages cannot be compiled for the settings.
            StagesEnded: it ended.
        """
        answer = self._received()
        if isinstance(answer, messages.Ready) and answer.wrong:
            raise Misconfigured(answer.wrong)

    def note(self, project: str, fingerprint: str, change: IssueChange | None) -> None:
        """Tell the stages of an issue's latest change, before any batch that is handed over from now on."""
        self._sender.submit(self._send, messages.Change(project, fingerprint, change))

    async def process(
        self, batch: RawBatch, taken: asyncio.Future[None], rows: Callable[[str, bytes], None]
    ) -> messages.Ended:
        """Take a batch through the stages.

        Args:
            batch: what is handed over.
            taken: set when the stages have them all: then they can be handed another batch.
            rows: called, in a thread, with a table's name and rows for it, as lines, whenever there are some; the
                stages go on when it returns.

        Raises:
            StagesEnded: the process ended.
        """
        sent, received = self._exchange(batch, lambda: self._lines(rows), apart=False)
        await asyncio.shield(sent)
        if not taken.done():
            taken.set_result(None)
        return await asyncio.shield(received)

    async def rows_apart(self, batch: RawBatch, table: str) -> list[tuple[int, bytes]]:
        """Return each row that all of a batch's events make in a table, with its event's offset.

        Raises:
            StagesEnded: the process ended.
        """
        sent, received = self._exchange(batch, lambda: self._apart(table), apart=True)
        await asyncio.shield(sent)
        return await asyncio.shield(received)

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        self._sender.shutdown(cancel_futures=True)
        self._channel.close()
        self._receiver.shutdown(cancel_futures=True)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _exchange(
        self, batch: RawBatch, receive: Callable[[], Result], *, apart: bool
    ) -> tuple[asyncio.Future[None], asyncio.Future[Result]]:
        loop = asyncio.get_running_loop()
        sent = loop.run_in_executor(self._sender, self._send_batch, batch, apart)
        received = loop.run_in_executor(self._receiver, receive)
        for half in (sent, received):
            # Who gave the batch up, or has heard of the process's end already, does not ask how the other half ended.
            half.add_done_callback(_looked_at)
        return sent, received

    def _send_batch(self, batch: RawBatch, apart: bool) -> None:
        source, boundaries = batch.source, batch.boundaries
        self._send(messages.Begin(*source, boundaries.first, boundaries.last, batch.start, apart))
        for record_batches in _pieces(batch.record_batches):
            self._send(messages.Take(record_batches))
        self._send(messages.End())

    def _lines(self, rows: Callable[[str, bytes], object]) -> messages.Ended:
        while not isinstance(answer := self._received(), messages.Ended):
            if isinstance(answer, messages.Lines):
                for table, found in answer.lines.items():
                    rows(table, found)
        return answer

    def _apart(self, table: str) -> list[tuple[int, bytes]]:
        rows: list[tuple[int, bytes]] = []
        while not isinstance(answer := self._received(), messages.Ended):
            if isinstance(answer, messages.Apart):
                rows += answer.rows.get(table, ())
        return rows

    def _send(self, message: messages.Request) -> None:
        try:
            self._channel.send(message)
        except OSError:
            raise self._ended() from None

    def _received(self) -> messages.Answer:
        answer = self._channel.receive()
        if answer is None:
            raise self._ended()
        return answer

    def _ended(self) -> StagesEnded:
        try:
            code: int | str = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            code = "none yet"
        return StagesEnded(
            f"a process of the stages has ended (exit code {code}): the worker ends as well; start it again, and see "
            "its log for what was the matter"
        )


def _looked_at(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


def _pieces(record_batches: Iterable[RecordBatch]) -> Iterator[list[bytes]]:
    """Yield record batches in pieces that are worth a message."""
    piece: list[bytes] = []
    size = 0
    for record_batch in record_batches:
        piece.append(record_batch.data)
        size += len(record_batch.data)
        if size >= TOGETHER_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
