"""A load of gzip envelopes over HTTP, as SDKs send them: prepared beforehand, over connections that are kept open."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for turn in turns:
            due = time.perf_counter()
            if rate is not None:
                due = begun + turn / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(sent[turn])
            status, close = await answer(reader)
            load.latencies.append(time.perf_counter() - due)
            load.statuses[status] += 1
            if close:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    load.seconds = time.perf_counter() - begun
    return load


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read one answer; return its status, and whether the connection ends with it."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = head.partition(b"content-length:")
    if rest:
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    elif b"transfer-encoding: chunked" in head:
        await reader.readuntil(b"0\r\n\r\n")
    return int(head[9:12]), b"connection: close" in head
