"""A flood of what is small on the wire and large in memory."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter

from installation import Installation

from benchmarks.envelopes import answer
from benchmarks.processes import peak_megabytes
from deploy.local.gateway import LOCAL_KEY, Gateway
from deploy.local.ports import LOOPBACK

MOST_MB = 200
EVENTS = 300
MESSAGE = "x" * 1_000_000


def request(number: int) -> bytes:
    """Return a request of 1 KB with an event of 1 MB."""
    event_id = f"{number:032x}"
    payload = json.dumps({"event_id": event_id, "message": MESSAGE}).encode()
    body = gzip.compress(b'{"event_id":"%s"}\n{"type":"event"}\n%s' % (event_id.encode(), payload), 1)
    head = f"POST /api/1/envelope/?sentry_key={LOCAL_KEY} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def statuses(port: int, requests: list[bytes]) -> list[int]:
    """Send all of them at once, each on a connection of its own."""

    async def one(sent: bytes) -> int:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(sent)
        status, _ = await answer(reader)
        writer.close()
        return status

    return await asyncio.gather(*(one(sent) for sent in requests))


def test_memory_stays_bounded_and_only_what_was_answered_with_200_is_on_the_topic(
    gateway: Gateway, installation: Installation
) -> None:
    found = asyncio.run(statuses(gateway.port, [request(number) for number in range(EVENTS)]))
    assert gateway.process.pid is not None
    assert peak_megabytes(gateway.process.pid) < MOST_MB
    counted = Counter(found)
    assert counted.keys() == {200, 429}
    taken = [f"{number:032x}" for number, status in enumerate(found) if status == 200]
    assert sorted(record.key.decode() for record in installation.consume("errors")) == taken
    # Nothing of it is held any more.
    assert asyncio.run(statuses(gateway.port, [request(EVENTS)])) == [200]
