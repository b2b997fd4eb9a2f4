"""Messages over a socket: each has its length before it, as four bytes."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

Received = TypeVar("Received")

LENGTH_BYTES = 4
BUFFER_BYTES = 4 << 20
"""What is asked of the kernel; it gives as much of it as net.core.wmem_max allows."""


class Channel(Generic[Received]):
    """One end of a connection. One thread may send while another one receives.

    Args:
        connection: a connected stream socket.
        receives: the type of what comes from the other end.
    """

    def __init__(self, connection: socket.socket, receives: Any) -> None:
        self._connection = connection
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Received] = msgspec.msgpack.Decoder(receives)
        self._written = bytearray(LENGTH_BYTES)
        self._read = bytearray(LENGTH_BYTES)

    def send(self, message: Any) -> None:
        """Send one message.

        Raises:
            OSError: the other end is gone.
        """
        # Both buffers are kept: new ones would be filled with zeros, a megabyte each time.
        self._encoder.encode_into(message, self._written, LENGTH_BYTES)
        self._written[:LENGTH_BYTES] = (len(self._written) - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "little")
        self._connection.sendall(self._written)

    def receive(self) -> Received | None:
        """Return the next message; ``None`` when the other end is gone."""
        if not self._fill(LENGTH_BYTES):
            return None
        length = int.from_bytes(self._read[:LENGTH_BYTES], "little")
        if length > len(self._read):
            self._read = bytearray(length)
        if not self._fill(length):
            return None
        return self._decoder.decode(memoryview(self._read)[:length])

    def close(self) -> None:
        """Close this end; who waits at either end sees that the other one is gone."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _fill(self, length: int) -> bool:
        """Read so many bytes into the buffer; say whether they came."""
        view, have = memoryview(self._read), 0
        while have < length:
            try:
                count = self._connection.recv_into(view[have:length])
            except ConnectionError:
                return False
            if count == 0:
                return False
            have += count
        return True
