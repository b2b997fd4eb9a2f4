"""What an HTTP server costs a gateway: ``python -m benchmarks.http_servers``.

The same thin application (:mod:`benchmarks.http_apps`: read the body, gunzip it, take the envelope apart, answer with
the id) under aiohttp, uvicorn and Granian, one process of each. The same client sends them the same gzip envelopes (one
9 KB error each) over 64 connections on the loopback: first as fast as answers come, then all at the same steady rate,
half of what the slowest one took, where latencies count from when a request was due. They take turns, each round
beginning with another, so that all see the same machine. There is no Kafka, since the question is the server's own
cost: a whole gateway takes less than any figure here (``python -m benchmarks.gateway`` has its own).

CPU is that of all the server's processes and threads, memory that of its largest process; client and server share the
machine, so requests a second depend on its cores. Needs Linux, and the dependency group ``bench`` (``granian``,
``httptools``, ``uvicorn``, ``uvloop``); a peer that is missing is left out and named. Exit code 1 says that something
was not answered with 200.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import envelopes, installed
from benchmarks.envelopes import Load
from benchmarks.http_apps import answer
from benchmarks.processes import cpu_seconds, group, peak_megabytes
from deploy.local.component import Component
from deploy.local.gateway import LOCAL_KEY
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process

ROOT = Path(__file__).parent.parent
OURS = "aiohttp"
PACKAGES = ("aiohttp", "uvicorn", "httptools", "granian", "uvloop")


@dataclass(frozen=True)
class Contender:
    """A server and an event loop of :mod:`benchmarks.http_apps`, and the modules it cannot do without."""

    name: str
    server: str
    loop: str
    needs: tuple[str, ...]


CONTENDERS = (
    Contender(OURS, "aiohttp", "asyncio", ("aiohttp",)),
    Contender("aiohttp, uvloop", "aiohttp", "uvloop", ("aiohttp", "uvloop")),
    Contender("uvicorn, httptools", "uvicorn", "asyncio", ("uvicorn", "httptools")),
    Contender("uvicorn, httptools, uvloop", "uvicorn", "uvloop", ("uvicorn", "httptools", "uvloop")),
    Contender("Granian, ASGI", "granian-asgi", "asyncio", ("granian",)),
    Contender("Granian, ASGI, uvloop", "granian-asgi", "uvloop", ("granian", "uvloop")),
    Contender("Granian, RSGI", "granian-rsgi", "asyncio", ("granian",)),
    Contender("Granian, RSGI, uvloop", "granian-rsgi", "uvloop", ("granian", "uvloop")),
)


class Server(Component):
    """A contender on a free port of the loopback."""

    version = ""

    def __init__(self, contender: Contender, log: Path) -> None:
        self.name = contender.name
        self.port = free_port()
        self.address = f"http://{LOOPBACK}:{self.port}"
        self._contender = contender
        self._log = log

    def prepare(self) -> Process:
        """Return its process."""
        server, loop = self._contender.server, self._contender.loop
        command = [sys.executable, "-m", "benchmarks.http_apps", server, f"--port={self.port}", f"--loop={loop}"]
        return Process(command, log=self._log, directory=ROOT)

    def answers(self) -> bool:
        """Say yes when the application answers that there is no such page."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.client.NOT_FOUND
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass
class Figures:
    """What one server was measured at.

    ``full`` has the loads as fast as answers came, ``cpu_us`` the microseconds of CPU a request of each.
    """

    server: Server
    full: list[Load] = field(default_factory=list)
    steady: list[Load] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def send_at_once(self, sent: list[bytes]) -> None:
        """Send as fast as answers come, and note what each request cost."""
        before = self._cpu_seconds()
        self.full.append(envelopes.send(self.server.port, sent))
        self.cpu_us.append(1e6 * (self._cpu_seconds() - before) / len(sent))

    def send_steadily(self, sent: list[bytes], rate: float) -> None:
        """Send so many requests a second."""
        self.steady.append(envelopes.send(self.server.port, sent, rate))

    @property
    def per_s(self) -> float:
        """Requests a second that were answered with 200, as fast as answers came."""
        return median(load.accepted for load in self.full)

    def summary(self) -> dict[str, Any]:
        """Return medians, and the largest process's memory."""
        return {
            "requests_per_s": round(self.per_s),
            "cpu_us_per_request": round(median(self.cpu_us), 1),
            "cpu_us_of_rounds": [round(cpu, 1) for cpu in self.cpu_us],
            "p50_ms": round(median(load.quantile_ms(0.5) for load in self.steady), 1),
            "p99_ms": round(median(load.quantile_ms(0.99) for load in self.steady), 1),
            "peak_mb": round(max(map(peak_megabytes, self._pids()))),
            "statuses": envelopes.statuses([*self.full, *self.steady]),
        }

    def _cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self._pids()))

    def _pids(self) -> list[int]:
        leader = self.server.process.pid
        return [] if leader is None else group(leader)


def taking_part() -> list[Contender]:
    """Return who takes part; who cannot is named on standard error."""
    found = []
    for contender in CONTENDERS:
        missing = [module for module in contender.needs if find_spec(module) is None]
        if missing:
            print(f"left out: {contender.name} ({', '.join(missing)} is not installed)", file=sys.stderr)
        else:
            found.append(contender)
    return found


def measure(contenders: list[Contender], rounds: int, count: int, seconds: float) -> dict[str, Any]:
    """Return the figures by server, and the rate of the steady load.

    Args:
        contenders: who takes part, aiohttp among them.
        rounds: how many rounds are measured, after one that is not.
        count: requests of a round, as fast as answers come.
        seconds: how long the steady load of a round takes.
    """
    sent = envelopes.new_requests(count, LOCAL_KEY)
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        logs = [Path(place) / f"{number}.log" for number in range(len(contenders))]
        servers = [running.enter_context(Server(who, log)) for who, log in zip(contenders, logs, strict=True)]
        for server in servers:
            envelopes.send(server.port, sent)
        found = [Figures(server) for server in servers]
        for round_ in range(rounds):
            for figures in turns(found, round_):
                figures.send_at_once(sent)
        rate = min(figures.per_s for figures in found) / 2
        steady = list(islice(cycle(sent), max(int(rate * seconds), 1)))
        for round_ in range(rounds):
            for figures in turns(found, round_):
                figures.send_steadily(steady, rate)
        summaries = {figures.server.name: figures.summary() for figures in found}
    ours = summaries[OURS]
    for summary in summaries.values():
        summary["cpu_times_ours"] = round(summary["cpu_us_per_request"] / ours["cpu_us_per_request"], 2)
        summary["requests_times_ours"] = round(summary["requests_per_s"] / ours["requests_per_s"], 2)
    alone = median(application_us(sent) for _ in range(rounds))
    return {"application_us": round(alone, 1), "steady_requests_per_s": round(rate), "servers": summaries}


def turns(found: list[Figures], round_: int) -> list[Figures]:
    """Return the order of a round."""
    first = round_ % len(found)
    return found[first:] + found[:first]


def application_us(sent: list[bytes]) -> float:
    """Return microseconds of CPU a request that the application takes without any server."""
    bodies = [request.partition(b"\r\n\r\n")[2] for request in sent]
    before = time.process_time()
    for body in bodies:
        answer("POST", "/api/1/envelope/", "gzip", body)
    return 1e6 * (time.process_time() - before) / len(bodies)


def line(name: str, figures: dict[str, Any]) -> str:
    """Return one server's figures for people."""
    return (
        f"{name:<27} {figures['cpu_us_per_request']:6.1f} us CPU a request ({figures['cpu_times_ours']:.2f} of {OURS}) "
        f"{figures['requests_per_s']:>6} requests/s ({figures['requests_times_ours']:.2f}) "
        f"p99 {figures['p99_ms']:6.1f} ms {figures['peak_mb']:>4} MB"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000, help="of a round, as fast as answers come")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round's steady load")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    versions = installed(*PACKAGES)
    found = measure(taking_part(), options.rounds, options.requests, options.seconds)
    if options.json:
        print(json.dumps({"versions": versions, **found}, indent=1))
    else:
        print(" ".join(f"{name} {number}" for name, number in versions.items()))
        for name, figures in found["servers"].items():
            print(line(name, figures))
        print(f"{'the application alone':<27} {found['application_us']:6.1f} us")
        print(f"p99 at {found['steady_requests_per_s']} requests/s, half of what the slowest one took")
    return 0 if all(figures["statuses"].keys() == {"200"} for figures in found["servers"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
