"""A TCP proxy that misbehaves on command.

``python proxy.py NAME=LISTEN:TARGET...`` (ports of the loopback); commands are lines on standard input:

* ``hold NAME``: forward nothing more in either direction, new connections included, until released
* ``release NAME``: go on
* ``reset NAME``: reset both sides of every connection
* ``drop NAME``: reset the clients' side only; what the server is doing it finishes, unheard
* ``lose NAME N``: of the next N answers, which the server has given after its work, the client gets a reset instead
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

_LINGER = struct.pack("ii", 1, 0)
_CHUNK = 1 << 16
_HOST = "127.0.0.1"


class Route:
    """One port that is listened on, and the connections through it, as pairs of a client's and the server's side."""

    def __init__(self, name: str, listen: int, target: int) -> None:
        self.name, self.listen, self.target = name, listen, target
        self.lose = 0
        self.pairs: set[tuple[StreamWriter, StreamWriter]] = set()
        self._open = asyncio.Event()
        self._open.set()

    def obey(self, word: str, arguments: list[str]) -> None:
        """Do what a command says."""
        if word == "hold":
            self._open.clear()
        elif word == "release":
            self._open.set()
        elif word == "lose":
            self.lose = int(arguments[0])
        elif word in ("reset", "drop"):
            for client, server in list(self.pairs):
                abort(client)
                if word == "reset":
                    abort(server)

    async def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection of a client."""
        await self._open.wait()
        try:
            server_reader, server_writer = await asyncio.open_connection(_HOST, self.target)
        except OSError:
            abort(writer)
            return
        pair = (writer, server_writer)
        self.pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(reader, server_writer, pair, answer=False),
                self._pump(server_reader, writer, pair, answer=True),
            )
        finally:
            self.pairs.discard(pair)
            for one in pair:
                one.close()

    async def _pump(
        self, reader: StreamReader, writer: StreamWriter, pair: tuple[StreamWriter, StreamWriter], *, answer: bool
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                if answer and self.lose > 0:
                    self.lose -= 1
                    abort(pair[0])
                    print("lost an answer on", self.name, len(data), flush=True)
                    while await reader.read(_CHUNK):
                        pass
                    return
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            if answer or pair[0].transport.is_closing():
                # The client has gone: let the server finish what it does.
                return
            abort(writer)
        finally:
            if answer:
                pair[0].close()


def abort(writer: StreamWriter) -> None:
    """Reset a connection instead of closing it."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


async def main(arguments: list[str]) -> None:
    """Listen until standard input ends."""
    routes: dict[str, Route] = {}
    for argument in arguments:
        name, ports = argument.split("=")
        listen, target = map(int, ports.split(":"))
        routes[name] = Route(name, listen, target)
        await asyncio.start_server(routes[name].accept, _HOST, listen, backlog=512)
    print("ready", flush=True)
    commands = StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        word, name, *rest = line.decode().split()
        routes[name].obey(word, rest)
        print(line.decode().strip(), len(routes[name].pairs), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
