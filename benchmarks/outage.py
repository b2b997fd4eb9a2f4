"""Whether everything that was answered with 200 is in ClickHouse, once, whatever ends meanwhile.

``python -m benchmarks.outage`` starts Apache Kafka, ClickHouse, a worker and a gateway, and keeps sending events at a
steady rate, each with an id of its own and none of them twice. Meanwhile

1. the gateway is told to end (SIGTERM), and is started again;
2. Kafka is killed (SIGKILL) and stays away for ``--seconds``; in the middle of that the gateway is killed and started
   again on the same spool, and once more shortly after Kafka is back;
3. the same with a Kafka that is frozen (SIGSTOP): its connections stay open, and what was sent to it may arrive later.

At the end the ids that were answered with 200 are compared with the rows. An event without an answer, because the
gateway was killed before it gave one, may be there once or not at all. Exit code 1 says that an event is missing or
there twice, or that a gateway used too much memory. Needs Linux and Java 17.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

from benchmarks.envelopes import EVENT, answer, gzip_envelope, requests
from benchmarks.processes import peak_megabytes
from benchmarks.servers import Place, servers
from benchmarks.targets import Target
from deploy.local.component import Component
from deploy.local.gateway import LOCAL_KEY, Gateway
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.worker import Worker

How = Literal["kill", "freeze"]

RATE = 300.0
CONNECTIONS = 32
ANSWER_S = 30.0
RECONNECT_S = 0.1
CALM_S = 2.0
"""How long everything runs undisturbed between two disturbances."""

BACK_S = 1.5
"""How long after Kafka is back the gateway is killed again: most likely while it works off its spool."""

PATIENCE_S = 180.0
SETTLE_S = 3.0
"""How long duplicates get to show up after the last row that was waited for."""

MOST_MB = 200.0


@dataclass
class Answers:
    """The status that each event was answered with, by its id; 0 for no answer."""

    statuses: dict[str, int] = field(default_factory=dict)
    slowest_s: float = 0.0

    def with_status(self, status: int) -> set[str]:
        """Return the ids that were answered so."""
        return {event_id for event_id, found in dict(self.statuses).items() if found == status}


class Load(threading.Thread):
    """Sends events to a port of the loopback at a steady rate, whatever happens there, until it is ended."""

    def __init__(self, port: int, rate: float) -> None:
        super().__init__(daemon=True)
        self.answers = Answers()
        self._port = port
        self._pause_s = CONNECTIONS / rate
        self._event = json.loads(EVENT.read_bytes())
        self._ended = threading.Event()

    def run(self) -> None:
        """Send, on several connections at a time."""
        asyncio.run(self._send())

    def end(self) -> None:
        """Send no more, and return when everything that was sent is answered."""
        self._ended.set()
        self.join(2 * ANSWER_S)
        assert not self.is_alive(), "the client did not end"

    async def _send(self) -> None:
        await asyncio.gather(*(self._connection(number) for number in range(CONNECTIONS)))

    async def _connection(self, number: int) -> None:
        await asyncio.sleep(self._pause_s * number / CONNECTIONS)
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._ended.is_set():
            if streams is not None and streams[0].at_eof():
                # What the server has closed meanwhile is not used again.
                streams[1].close()
                streams = None
            if streams is None:
                streams = await self._connected()
                continue
            begun = time.monotonic()
            event_id = uuid.uuid4().hex
            (request,) = requests([gzip_envelope(self._event, event_id)], "/api/1/envelope/", LOCAL_KEY)
            status, close = await self._exchange(streams, request)
            taken = time.monotonic() - begun
            self.answers.statuses[event_id] = status
            self.answers.slowest_s = max(self.answers.slowest_s, taken)
            if close:
                streams[1].close()
                streams = None
            await asyncio.sleep(max(0.0, self._pause_s - taken))
        if streams is not None:
            streams[1].close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            return await asyncio.open_connection(LOOPBACK, self._port)
        except OSError:
            await asyncio.sleep(RECONNECT_S)
            return None

    async def _exchange(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes
    ) -> tuple[int, bool]:
        """Send a request; return the answer's status, and whether the connection is of no use any more."""
        try:
            streams[1].write(request)
            async with asyncio.timeout(ANSWER_S):
                return await answer(streams[0])
        except (OSError, EOFError, TimeoutError):
            return 0, True


@dataclass
class Outcome:
    """What has become of the events.

    Attributes:
        seconds: how long Kafka was away, each time.
        statuses: how many events were answered with which status; 0 for none.
        rows: how many rows there are.
        lost: ids that were answered with 200 and are not there.
        doubled: ids that are there more than once.
        unasked: ids that are there although they were refused.
        unanswered_at_end: how many got no answer when the gateway was told to end.
        slowest_s: the longest that an answer took.
        gateway_mb: the most memory that a gateway used.
    """

    seconds: float
    statuses: dict[int, int]
    rows: int
    lost: list[str]
    doubled: list[str]
    unasked: list[str]
    unanswered_at_end: int
    slowest_s: float
    gateway_mb: float

    @property
    def exact(self) -> bool:
        """Whether everything that was answered with 200 is there, once, and nothing is there that was refused."""
        return not (self.lost or self.doubled or self.unasked)


class Trial:
    """One run of it.

    Args:
        place: topics and tables.
        rate: events a second.
    """

    def __init__(self, place: Place, rate: float) -> None:
        self._place = place
        self._broker = place.servers.broker
        directory = place.servers.directory
        self.gateway = Gateway(
            port=free_port(), environment=place.environment, data=directory / "data", log=directory / "gateway.log"
        )
        self._load = Load(self.gateway.port, rate)
        self._peak_mb = 0.0
        self._unanswered_at_end = 0

    def run(self, seconds: float, hows: Iterable[How]) -> Outcome:
        """Disturb everything in turn, and compare.

        Args:
            seconds: how long Kafka is away.
            hows: what is done to Kafka, one after the other.
        """
        log = self._place.servers.directory / "worker.log"
        with self.gateway:
            self._load.start()
            with Worker(1, web_port=free_port(), environment=self._place.environment, log=log):
                time.sleep(CALM_S)
                self._end_gateway(self.gateway.stop)
                self.gateway.start()
                time.sleep(CALM_S)
                self._unanswered_at_end = len(self._load.answers.with_status(0))
                for how in hows:
                    self._outage(how, seconds)
                    time.sleep(CALM_S)
                self._load.end()
                self._end_gateway(lambda: None)
                rows = self._rows(self._load.answers.with_status(200))
        return self._outcome(seconds, rows)

    def _outage(self, how: How, seconds: float) -> None:
        _take_away(self._broker, how)
        time.sleep(seconds / 2)
        self._end_gateway(self.gateway.kill)
        self.gateway.launch()
        time.sleep(seconds / 2)
        _bring_back(self._broker, how)
        time.sleep(BACK_S)
        self._end_gateway(self.gateway.kill)
        self.gateway.start()

    def _end_gateway(self, end: Callable[[], None]) -> None:
        pid = self.gateway.process.pid
        assert pid is not None
        self._peak_mb = max(self._peak_mb, peak_megabytes(pid))
        end()

    def _rows(self, wanted: set[str]) -> Counter[str]:
        """Return how often each id is there, once all that are wanted are, or will not come any more."""
        until = time.monotonic() + PATIENCE_S
        while not wanted <= set(self._ids()) and time.monotonic() < until:
            time.sleep(0.5)
        time.sleep(SETTLE_S)
        return Counter(self._ids())

    def _ids(self) -> list[str]:
        return self._place.ask("SELECT replaceAll(toString(event_id), '-', '') FROM errors").split()

    def _outcome(self, seconds: float, rows: Counter[str]) -> Outcome:
        answers = self._load.answers
        possible = answers.with_status(200) | answers.with_status(0)
        return Outcome(
            seconds=seconds,
            statuses=dict(Counter(answers.statuses.values())),
            rows=rows.total(),
            lost=sorted(answers.with_status(200) - rows.keys()),
            doubled=sorted(event_id for event_id, count in rows.items() if count > 1),
            unasked=sorted(rows.keys() - possible),
            unanswered_at_end=self._unanswered_at_end,
            slowest_s=round(answers.slowest_s, 2),
            gateway_mb=round(self._peak_mb, 1),
        )


def _take_away(broker: Component, how: How) -> None:
    if how == "kill":
        broker.kill()
    else:
        _signal(broker, signal.SIGSTOP)


def _bring_back(broker: Component, how: How) -> None:
    if how == "kill":
        broker.start()
    else:
        _signal(broker, signal.SIGCONT)


def _signal(broker: Component, signum: int) -> None:
    pid = broker.process.pid
    assert pid is not None
    os.killpg(pid, signum)


def measure(seconds: float, rate: float = RATE, hows: Iterable[How] = ("kill", "freeze")) -> Outcome:
    """Run it on servers of its own and return what has become of the events."""
    with servers("apache") as running, running.place("outage") as place:
        return Trial(place, rate).run(seconds, hows)


def main(arguments: list[str] | None = None) -> int:
    """Run it, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long Kafka is away, each time")
    parser.add_argument("--rate", type=float, default=RATE, help="events a second")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    found = measure(options.seconds, options.rate)
    memory = Target("memory of a gateway, MB", found.gateway_mb, MOST_MB, at_least=False)
    if options.json:
        print(json.dumps(asdict(found), indent=1))
    else:
        print(f"answers by status: {found.statuses}; the slowest after {found.slowest_s} s; rows: {found.rows}")
        print(f"without an answer when the gateway was told to end: {found.unanswered_at_end}")
        print(f"lost: {len(found.lost)}, twice: {len(found.doubled)}, stored though refused: {len(found.unasked)}")
        print(memory.line())
    return 0 if found.exact and memory.met else 1


if __name__ == "__main__":
    sys.exit(main())
