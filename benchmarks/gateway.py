"""How many events the gateway accepts, beside Bugsink, in one run: ``python -m benchmarks.gateway``.

The same client sends the same gzip envelopes (one 9 KB error each, an id of its own in each) over the same number of
connections to two gateway processes, with Apache Kafka behind them, and to Bugsink with two processes, its background
worker and its database. Accepted are those that are answered with 200: the gateway does so once Kafka has acknowledged.
Then the gateway gets half of what it took at most, at a steady rate; latencies count from when a request was due.

Exit code 1 says that a target was missed. Needs Linux and Java 17.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import envelopes
from benchmarks.bugsink import VERSION, bugsink
from benchmarks.envelopes import Load
from benchmarks.processes import cpu_seconds, peak_megabytes
from benchmarks.settings import versions
from benchmarks.targets import Target
from deploy.local.gateway import LOCAL_KEY, Gateway
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import free_port
from pipeline.edges import kafka
from pipeline.edges.settings import KafkaSettings
from schemas.topics import ERRORS, SPANS

TIMES_BUGSINK = 25.0
MOST_P99_MS = 50.0
MOST_MB = 200.0

PROCESSES = 2
GATEWAY_EVENTS = 20_000
BUGSINK_EVENTS = 1500
STEADY_S = 5
WARM_UP_EVENTS = 60_000
"""Not measured: until then the broker's virtual machine compiles, which takes a fifth of what the gateway could accept
in the first round after 20,000. Bugsink gets as many seconds of it."""


async def make_topics(bootstrap: str) -> None:
    settings = KafkaSettings(bootstrap=bootstrap)
    async with kafka.administration(settings) as client:
        await kafka.create_topics(client, (ERRORS, SPANS), settings)


def send(port: int, key: str, count: int, rate: float | None = None) -> Load:
    """Send so many events, none of them sent before."""
    return envelopes.send(port, envelopes.new_requests(count, key), rate)


def measure_gateway(directory: Path, rounds: int) -> dict[str, Any]:
    """Return the figures of the gateway on Apache Kafka."""
    with ApacheKafka(directory / "kafka", port=free_port(), log=directory / "kafka.log") as broker:
        asyncio.run(make_topics(broker.address))
        port = free_port()
        gateways = [
            Gateway(
                port=port,
                environment={"AFTERSHOCK_KAFKA": broker.address},
                data=directory / "data",
                log=directory / f"gateway-{number}.log",
                share_port=True,
            )
            for number in range(PROCESSES)
        ]
        with ExitStack() as running:
            for gateway in gateways:
                running.enter_context(gateway)
            send(port, LOCAL_KEY, WARM_UP_EVENTS)
            pids = [pid for gateway in gateways if (pid := gateway.process.pid) is not None]
            before = sum(map(cpu_seconds, pids))
            full = [send(port, LOCAL_KEY, GATEWAY_EVENTS) for _ in range(rounds)]
            cpu = sum(map(cpu_seconds, pids)) - before
            rate = median(load.accepted for load in full) / 2
            steady = [send(port, LOCAL_KEY, int(rate * STEADY_S), rate) for _ in range(rounds)]
            return {
                "accepted_per_s": [round(load.accepted) for load in full],
                "cpu_us_per_event": round(1e6 * cpu / (rounds * GATEWAY_EVENTS)),
                "p50_ms_at_half": [round(load.quantile_ms(0.5), 1) for load in steady],
                "p99_ms_at_half": [round(load.quantile_ms(0.99), 1) for load in steady],
                "peak_mb": max(round(peak_megabytes(pid)) for pid in pids),
                "statuses": envelopes.statuses([*full, *steady]),
            }


def measure_bugsink(directory: Path, rounds: int) -> dict[str, Any]:
    """Return the figures of Bugsink."""
    with bugsink(directory / "bugsink") as (port, key):
        send(port, key, WARM_UP_EVENTS // 20)
        loads = [send(port, key, BUGSINK_EVENTS) for _ in range(rounds)]
        return {"accepted_per_s": [round(load.accepted) for load in loads], "statuses": envelopes.statuses(loads)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true", help="leave Bugsink out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = {"gateway": measure_gateway(Path(place), options.rounds)}
        if not options.no_peer:
            figures["bugsink"] = measure_bugsink(Path(place), options.rounds)
    gateway = figures["gateway"]
    targets = [
        Target("p99 at half of the maximum, ms", max(gateway["p99_ms_at_half"]), MOST_P99_MS, at_least=False),
        Target("memory of a process, MB", gateway["peak_mb"], MOST_MB, at_least=False),
    ]
    if "bugsink" in figures:
        times = median(gateway["accepted_per_s"]) / median(figures["bugsink"]["accepted_per_s"])
        targets.append(Target("times Bugsink's accepted events", times, TIMES_BUGSINK))
    if options.json:
        print(json.dumps({"versions": {**versions("apache"), "bugsink": VERSION}, **figures}, indent=1))
    else:
        for name, values in figures.items():
            print(name, json.dumps(values))
        for target in targets:
            print(target.line())
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
