"""A load of gzip envelopes over HTTP, as SDKs send them: prepared beforehand, over connections that are kept open."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

CONNECTIONS = 64
EVENT = Path(__file__).parents[1] / "schemas" / "examples" / "errors" / "python-flask-get.json"


@dataclass
class Load:
    """What a load came to: answers by status, and the latency of each in seconds."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def accepted(self) -> float:
        """Answers with 200 a second."""
        return self.statuses[200] / self.seconds

    def quantile_ms(self, part: float) -> float:
        """Return a quantile of the latencies in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def gzip_envelopes(count: int) -> list[bytes]:
    """Return envelopes with one 9 KB error each, every one with an id of its own."""
    event = json.loads(EVENT.read_bytes())
    return [gzip_envelope(event, uuid.uuid4().hex) for _ in range(count)]


def gzip_envelope(event: dict[str, Any], event_id: str) -> bytes:
    """Return an envelope with the event, under this id and with the time that it is now."""
    payload = json.dumps({**event, "event_id": event_id, "timestamp": time.time()}).encode()
    header = json.dumps({"event_id": event_id}).encode()
    item = b'{"type":"event","length":%d}' % len(payload)
    return gzip.compress(b"\n".join((header, item, payload)), 6)


def requests(envelopes: list[bytes], path: str, key: str) -> list[bytes]:
    """Return each envelope as a whole HTTP request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-sentry-envelope\r\n"
        f"Content-Encoding: gzip\r\nX-Sentry-Auth: Sentry sentry_key={key}, sentry_version=7\r\nContent-Length: "
    ).encode()
    return [head + b"%d\r\n\r\n" % len(body) + body for body in envelopes]


def new_requests(count: int, key: str) -> list[bytes]:
    """Return so many requests with one envelope each, none of them like another."""
    return requests(gzip_envelopes(count), "/api/1/envelope/", key)


def send(port: int, sent: list[bytes], rate: float | None = None) -> Load:
    """Send requests over 64 connections; see :func:`run`."""
    return asyncio.run(run(port, sent, connections=CONNECTIONS, rate=rate))


def statuses(loads: Iterable[Load]) -> dict[str, int]:
    """Return the answers of several loads, by status."""
    total: Counter[int] = sum((load.statuses for load in loads), Counter())
    return {str(status): count for status, count in total.items()}


async def run(port: int, sent: list[bytes], *, connections: int, rate: float | None = None) -> Load:
    """Send requests; as fast as answers come, or so many a second.

    Args:
        port: the port on the loopback.
        sent: whole HTTP requests, each sent once.
        connections: how many connections are open.
        rate: requests a second over all connections. A latency then counts from when the request was due, so that a
            server that stalls cannot hide it.
    """
    load = Load()
    turns = iter(range(len(sent)))
    begun = time.perf_counter()
    loop = asyncio.get_running_loop()
    clients = [_Client(port, sent, turns, load, rate, begun, loop.create_future()) for _ in range(connections)]
    await asyncio.gather(*(client.connect() for client in clients))
    await asyncio.gather(*(client.over for client in clients))
    load.seconds = time.perf_counter() - begun
    return load


class _Client(asyncio.Protocol):
    """One connection, opened again where the server ends it: a request leaves when the one before is answered.

    Without streams and tasks, which would cost the machine about as much as the server that is measured.
    """

    def __init__(
        self,
        port: int,
        sent: list[bytes],
        turns: Iterator[int],
        load: Load,
        rate: float | None,
        begun: float,
        over: asyncio.Future[None],
    ) -> None:
        self.over = over
        self._port = port
        self._sent = sent
        self._turns = turns
        self._load = load
        self._rate = rate
        self._begun = begun
        self._due = 0.0
        self._awaits = False
        self._received = b""
        self._transport: asyncio.Transport | None = None

    async def connect(self) -> None:
        """Open the connection."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Note the answer when it is whole, and go on."""
        self._received += data
        found = whole_answer(self._received)
        if found is None:
            return
        status, close = found
        self._load.latencies.append(time.perf_counter() - self._due)
        self._load.statuses[status] += 1
        self._received = b""
        self._awaits = False
        if not close:
            self._next()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Open it again, unless everything is sent; a request without an answer fails the run."""
        if self.over.done():
            return
        if self._awaits:
            self.over.set_exception(exc or ConnectionError("the server closed the connection without an answer"))
            return
        opening = asyncio.ensure_future(self.connect())
        opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Future[None]) -> None:
        if error := opening.exception():
            self.over.set_exception(error)

    def _next(self) -> None:
        turn = next(self._turns, None)
        if turn is None:
            self.over.set_result(None)
            if self._transport is not None:
                self._transport.close()
            return
        now = time.perf_counter()
        due = now if self._rate is None else self._begun + turn / self._rate
        if due > now:
            asyncio.get_running_loop().call_later(due - now, self._send, turn, due)
        else:
            self._send(turn, due)

    def _send(self, turn: int, due: float) -> None:
        self._due = due
        self._awaits = True
        if self._transport is not None:
            self._transport.write(self._sent[turn])


def whole_answer(received: bytes) -> tuple[int, bool] | None:
    """Return an answer's status and whether the connection ends with it; ``None`` while it is not whole."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    head = head.lower()
    _, _, rest = head.partition(b"content-length:")
    if rest:
        whole = len(body) >= int(rest.partition(b"\r\n")[0])
    else:
        whole = b"transfer-encoding: chunked" not in head or body.endswith(b"0\r\n\r\n")
    return (int(head[9:12]), b"connection: close" in head) if whole else None


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read one answer from a stream; return the same."""
    received = b""
    while True:
        more = await reader.read(65536)
        if not more:
            raise asyncio.IncompleteReadError(received, None)
        received += more
        found = whole_answer(received)
        if found is not None:
            return found
