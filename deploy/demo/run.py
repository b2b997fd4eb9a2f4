"""Start the demo's programs, use them for some seconds, end them, and say what they sent.

python -m deploy.demo.run --kafka 127.0.0.1:9092 --seconds 20
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import aiohttp
from msgspec import Struct

from deploy.demo.load import Load, Shops, make_load
from deploy.demo.sdk import REPORT, arguments
from deploy.local.ports import LOOPBACK, free_port, is_free
from deploy.local.process import Process
from pipeline.errors import Unavailable

START_SECONDS = 30.0
END_SECONDS = 20.0
_LOOK_SECONDS = 0.05


class Summary(Struct, frozen=True):
    """What the demo's programs did.

    ``errors`` and ``spans`` are the messages that Kafka acknowledged on those topics; ``lost`` is what did not reach
    it, by data category and reason. ``requests`` were made to the shop, ``failed`` of them were answered with 5xx, and
    ``messages`` were sent to the WebSocket server.
    """

    seconds: float
    requests: int
    failed: int
    messages: int
    errors: int
    spans: int
    lost: dict[str, int]


class Program:
    """One of the programs as a process; ``port`` is where it listens, if it does."""

    def __init__(self, directory: Path, label: str, module: str, options: list[str], port: int | None = None) -> None:
        self.label = label
        self.port = port
        command = [sys.executable, "-m", f"deploy.demo.{module}", *options]
        self.process = Process(
            [*command, *([f"--port={port}"] if port else [])], log=directory / f"{label}.log", directory=directory
        )

    def wait_until_ready(self, deadline: float) -> None:
        """Return once the program listens; raises Unavailable when it ends or takes too long."""
        while self.port is not None and is_free(self.port):
            if not self.process.running or time.monotonic() > deadline:
                raise Unavailable(f"the demo's {self.label} did not start: {' | '.join(self.process.last_lines())}")
            time.sleep(_LOOK_SECONDS)

    def said(self) -> dict[str, dict[str, int]]:
        """Return the report that the program printed last; raises Unavailable when there is none."""
        lines = self.process.last_lines()
        for line in reversed(lines):
            if line.startswith(REPORT):
                found: dict[str, dict[str, int]] = json.loads(line.removeprefix(REPORT))
                return found
        raise Unavailable(f"the demo's {self.label} ended without its report: {' | '.join(lines)}")


def programs(directory: Path, kafka: str, topic_prefix: str, seconds: float) -> dict[str, Program]:
    """Return the programs, not yet started: three shops, the background job, the WebSocket server."""
    common = [f"--kafka={kafka}", f"--topic-prefix={topic_prefix}"]
    shop = [
        ("shop", ["--release=shop@2.4.0"]),
        ("shop-new", ["--release=shop@2.4.1"]),
        ("shop-staging", ["--release=shop@2.5.0-rc1", "--environment=staging"]),
    ]
    made = [Program(directory, label, "shop", [*common, *options], free_port()) for label, options in shop]
    made.append(Program(directory, "billing", "jobs", [*common, f"--seconds={seconds}"]))
    made.append(Program(directory, "live", "live", common, free_port()))
    return {program.label: program for program in made}


def run_programs(kafka: str, seconds: float = 20.0, *, topic_prefix: str = "", logs: Path | None = None) -> Summary:
    """Run the demo's programs against a broker for about ``seconds`` and return what they sent.

    ``logs`` is where each program's output is kept, by default a directory that is removed afterwards.

    Raises :class:`~pipeline.errors.Unavailable` when a program does not start, does not answer or does not report.
    """
    with tempfile.TemporaryDirectory(prefix="aftershock-demo-") as temporary:
        started = programs(logs or Path(temporary), kafka, topic_prefix, seconds)
        try:
            for program in started.values():
                program.process.start()
            deadline = time.monotonic() + START_SECONDS
            for program in started.values():
                program.wait_until_ready(deadline)
            load = use(started, seconds)
        finally:
            end(started.values())
        reports = [program.said() for program in started.values()]
    return summary(load, reports, topic_prefix, seconds)


def use(started: dict[str, Program], seconds: float) -> Load:
    """Make the load; raises Unavailable when a program stops answering."""
    address = {label: f"{LOOPBACK}:{program.port}" for label, program in started.items()}
    shops = Shops(
        old=f"http://{address['shop']}",
        new=f"http://{address['shop-new']}",
        staging=f"http://{address['shop-staging']}",
    )
    try:
        return asyncio.run(make_load(shops, f"ws://{address['live']}", seconds))
    except* (OSError, aiohttp.ClientError) as group:
        raise Unavailable(f"a program of the demo stopped answering: {group.exceptions[0]}") from None


def end(started: Iterable[Program]) -> None:
    """Ask all programs to end, so that they flush at the same time, and wait for each."""
    for program in started:
        program.process.ask_to_end()
    for program in started:
        try:
            program.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            program.process.kill()


def summary(load: Load, reports: list[dict[str, dict[str, int]]], topic_prefix: str, seconds: float) -> Summary:
    """Add up what the programs reported."""
    delivered: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for said in reports:
        delivered.update(said["delivered"])
        lost.update(said["lost"])
    # Sessions have no topic yet, and nothing of the demo asks for them.
    lost = Counter({what: count for what, count in lost.items() if not what.startswith("session:")})
    return Summary(
        seconds=seconds,
        requests=load.requests,
        failed=load.failed,
        messages=load.messages,
        errors=delivered[f"{topic_prefix}errors"],
        spans=delivered[f"{topic_prefix}spans"],
        lost=dict(lost),
    )


def main() -> None:
    """Run the programs from the command line and print the summary."""
    parser = arguments("run", "Run the demo's programs against a broker.")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long (%(default)s)")
    options = parser.parse_args()
    done = run_programs(options.kafka, options.seconds, topic_prefix=options.topic_prefix)
    for field in done.__struct_fields__:
        print(f"{field}: {getattr(done, field)}")


if __name__ == "__main__":
    main()
