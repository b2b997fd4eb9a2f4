"""The spool: messages that wait on disk while Kafka is away, in their order, until it has them.

One directory a process, with two files. ``messages`` is only appended to: records of four bytes length, four bytes
CRC-32, and the message; a record that a crash left unfinished is cut off when the file is opened. ``done`` holds the
position up to which Kafka has them. When it has them all, both begin anew.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from pipeline.errors import Misconfigured, Unavailable
from pipeline.gateway.items import Message
from schemas.topics import MAX_EVENT_BYTES

MOST_PROCESSES = 1024
READ_BYTES = 4 * 1024 * 1024

_FRAME = struct.Struct(">II")
_POSITION = struct.Struct(">Q")


class Record(NamedTuple):
    """A message, and when it was taken, in milliseconds since 1970."""

    taken_ms: int
    message: Message


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)


class Spool:
    """The spool of one process.

    Args:
        directory: holds a numbered directory for each process; this one takes the first that no other has.
        most_bytes: how large ``messages`` may become.

    Raises:
        Misconfigured: the directory cannot be used.
    """

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        try:
            self._lock = _first_free(directory)
            self._messages = _open(self._lock.place / "messages")
            self._done = _open(self._lock.place / "done")
        except OSError as error:
            raise Misconfigured(
                f"{directory}: the spool cannot be kept there ({error.strerror}): set another gateway.spool"
            ) from None
        self.position = min(_read_position(self._done), os.fstat(self._messages).st_size)
        self._end = _valid_end(self._messages, self.position)
        os.ftruncate(self._messages, self._end)
        # Of a spool that was begun anew just before a crash the file may still tell the old place.
        _write_position(self._done, self.position)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._written: asyncio.Future[None] | None = None
        self._writer: asyncio.Task[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether Kafka has everything."""
        return self.position == self._end and self._writer is None

    @property
    def writing(self) -> bool:
        """Whether messages are just being written."""
        return self._writer is not None

    @property
    def has_room(self) -> bool:
        """Whether there is room for the largest event."""
        return self._end + self._waiting_bytes + MAX_EVENT_BYTES <= self._most_bytes

    @property
    def bytes(self) -> int:
        """How many bytes wait on disk."""
        return self._end - self.position

    async def append(self, messages: Sequence[Message], taken_ms: int) -> None:
        """Add messages; returns when they are on disk for good. Calls that come at once are written at once.

        Raises:
            Unavailable: there is no room, or the disk does not take them; none of the messages was kept.
        """
        framed = b"".join(_frame(Record(taken_ms, message)) for message in messages)
        if self._end + self._waiting_bytes + len(framed) > self._most_bytes:
            raise Unavailable("the spool is full")
        self._waiting.append(framed)
        self._waiting_bytes += len(framed)
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        try:
            await asyncio.shield(written)
        except OSError as error:
            raise Unavailable(f"the spool cannot be written ({error.strerror})") from None

    async def read(self) -> tuple[list[Record], int]:
        """Return the oldest messages that wait, and the position behind them; none when none wait."""
        if self._writer is not None:
            await self._writer
        return await asyncio.to_thread(_read, self._messages, self.position, self._end)

    async def done(self, position: int) -> None:
        """Remember that Kafka has the messages before a position."""
        self.position = position
        await asyncio.to_thread(_write_position, self._done, position)

    def begin_anew(self) -> None:
        """Give the room on disk back; only when :attr:`empty`."""
        assert self.empty
        os.ftruncate(self._messages, 0)
        _write_position(self._done, 0)
        self.position = self._end = 0

    def close(self) -> None:
        """Let another process have the directory."""
        for descriptor in (self._messages, self._done, self._lock.descriptor):
            os.close(descriptor)

    async def _write(self) -> None:
        """Write what waits, and what has come meanwhile, until nothing waits."""
        while self._waiting:
            data, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
            written, self._written = self._written, None
            assert written is not None
            try:
                await asyncio.to_thread(_append, self._messages, self._end, data)
            except OSError as error:
                written.set_exception(error)
            else:
                self._end += len(data)
                written.set_result(None)
        self._writer = None


class _Lock(NamedTuple):
    place: Path
    descriptor: int


def _first_free(directory: Path) -> _Lock:
    for number in range(1, MOST_PROCESSES + 1):
        place = directory / str(number)
        place.mkdir(parents=True, exist_ok=True)
        descriptor = _open(place / "lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return _Lock(place, descriptor)
    raise OSError(0, f"{MOST_PROCESSES} processes have theirs there")


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _frame(record: Record) -> bytes:
    data = _ENCODER.encode(record)
    return _FRAME.pack(len(data), zlib.crc32(data)) + data


def _append(descriptor: int, at: int, data: bytes) -> None:
    """Write all of it at a place and make it durable; what an earlier failure left there is written over."""
    view = memoryview(data)
    while view:
        size = os.pwrite(descriptor, view, at)
        view, at = view[size:], at + size
    os.fsync(descriptor)


def _read(descriptor: int, start: int, end: int) -> tuple[list[Record], int]:
    """Return the records in the next few megabytes, at least one if there is one, and where they end."""
    data = os.pread(descriptor, min(READ_BYTES, end - start), start)
    if len(data) >= _FRAME.size:
        needed = _FRAME.size + _FRAME.unpack_from(data)[0]
        if needed > len(data):
            data = os.pread(descriptor, needed, start)
    records: list[Record] = []
    at = 0
    while (stop := _frame_end(data, at)) is not None:
        records.append(_DECODER.decode(data[at + _FRAME.size : stop]))
        at = stop
    return records, start + at


def _frame_end(data: bytes, at: int) -> int | None:
    """Return where the record at a place ends; ``None`` when it is not whole."""
    if at + _FRAME.size > len(data):
        return None
    size, checksum = _FRAME.unpack_from(data, at)
    stop = at + _FRAME.size + size
    if stop > len(data) or zlib.crc32(data[at + _FRAME.size : stop]) != checksum:
        return None
    return int(stop)


def _valid_end(descriptor: int, start: int) -> int:
    """Return where the last whole record ends."""
    size = os.fstat(descriptor).st_size
    while start < size:
        records, end = _read(descriptor, start, size)
        if not records:
            break
        start = end
    return start


def _read_position(descriptor: int) -> int:
    data = os.pread(descriptor, _POSITION.size, 0)
    return int(_POSITION.unpack(data)[0]) if len(data) == _POSITION.size else 0


def _write_position(descriptor: int, position: int) -> None:
    os.pwrite(descriptor, _POSITION.pack(position), 0)
    os.fsync(descriptor)
