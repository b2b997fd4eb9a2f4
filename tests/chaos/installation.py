"""One installation: the servers, the workers and the gateway, how they are started, kept running and ended."""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Producer

from tests.chaos.disk import Disk, NoDisk
from tests.chaos.findings import Finding
from tests.chaos.letters import Letter
from tests.chaos.options import Options
from tests.chaos.schedule import Schedule
from tests.chaos.servers import ClickHouse, Kafka, Ports, Proxy, Server
from tests.chaos.watch import Lag, Pages
from tests.chaos.workers import Gateway, Orphans, Program, Worker, installed_at

START_S = 90.0
STOP_S = 15.0
AGAIN_S = 1.0
"""How long a supervisor waits before it starts a program again."""
_MEASURE_S = 0.9


@dataclass
class Fault:
    """One thing that was broken: what, whose, and when (seconds since 1970; ``ended`` is ``None`` while it lasts)."""

    kind: str
    target: str
    begun: float
    ended: float | None = None


class Expired(NamedTuple):
    """Records of a partition of ``errors`` that were deleted: from ``first`` to before ``before``."""

    partition: int
    first: int
    before: int


class End(NamedTuple):
    """A program that has ended by itself: when, which, with which exit code, and what it said last."""

    at: float
    name: str
    code: int | None
    said: str


class Installation:
    """Everything of one seed. Start it before anything else, and stop it whatever happens.

    ``letters`` are the dead letters that faults give reason to, ``checks`` what is to be compared because of them, and
    ``expired`` the records of ``errors`` that they have deleted; ``besides`` is how many records they have put on that
    topic, and ``topic_since`` the round in which it was made. ``round`` is the present round. ``disk`` is a small disk
    of ClickHouse's own, where a kind of fault needs one; if it cannot be had, ``no_disk`` says why.

    Args:
        options: what was asked for.
        directory: where all data and logs go; made if it is not there.
        toml: the text of ``aftershock.toml``.
        say: prints a line.
        small_disk: whether ClickHouse's data should be on a small disk of its own.
    """

    def __init__(
        self, options: Options, directory: Path, toml: str, say: Callable[[str], None], *, small_disk: bool = False
    ) -> None:
        self.options = options
        self.directory = directory.absolute()
        self.say = say
        self.chance = random.Random(options.seed)
        self.slots = tuple(range(1, options.workers + 1))
        self.third_slot = options.workers + 1
        self.toml_file = self.directory / "aftershock.toml"
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.toml_file.write_text(toml, encoding="utf-8")
        self.ports = Ports((*self.slots, self.third_slot))
        self.disk: Disk | None = None
        self.no_disk = "no small disk was asked for"
        if small_disk:
            try:
                self.disk = Disk(self.directory / "clickhouse")
            except NoDisk as error:
                self.no_disk = str(error)
        self.kafka = Kafka(self.directory / "kafka", logs, self.ports)
        self.clickhouse = ClickHouse(self.directory / "clickhouse", logs, self.ports)
        self.proxy = Proxy(self.directory, logs, self.ports)
        self.workers = {slot: Worker(slot, options, self.directory, self.ports) for slot in self.ports.slots}
        self.gateway = Gateway(options, self.directory, self.ports)
        self.lag = Lag(self.ports.bootstrap)
        self.pages = {slot: Pages(worker) for slot, worker in self.workers.items()}
        self.schedule = Schedule(self._supervise)
        self.faults: list[Fault] = []
        self.skipped: list[str] = []
        self.letters: list[Letter] = []
        self.checks: list[Callable[[ClickHouse], list[Finding]]] = []
        self.expired: list[Expired] = []
        self.besides = 0
        self.topic_since = 0
        self.round = 0
        self.ends: list[End] = []
        self.restarts: collections.Counter[str] = collections.Counter()
        self.orphans = Orphans()
        self._measured_at = 0.0
        self._producer: Producer | None = None

    # What is there

    @property
    def programs(self) -> dict[str, Program]:
        """The programs of the product, by name."""
        return {one.name: one for one in (*self.workers.values(), self.gateway)}

    @property
    def servers(self) -> tuple[Server, Server]:
        """Kafka and ClickHouse."""
        return self.kafka, self.clickhouse

    @property
    def producer(self) -> Producer:
        """An idempotent producer to Kafka, past the proxy."""
        if self._producer is None:
            self._producer = Producer(
                {
                    "bootstrap.servers": self.ports.bootstrap,
                    "enable.idempotence": True,
                    "acks": "all",
                    "compression.type": "lz4",
                    "linger.ms": 20,
                    "message.timeout.ms": 300_000,
                    "log_level": 0,
                    "queue.buffering.max.messages": 200_000,
                    "reconnect.backoff.max.ms": 500,
                    "topic.metadata.refresh.interval.ms": 5_000,
                }
            )
        return self._producer

    def victim(self) -> Worker | None:
        """Return one of the workers that run and should, by chance."""
        running = [worker for worker in self.workers.values() if worker.running and worker.wanted]
        return self.chance.choice(running) if running else None

    # Faults

    @contextmanager
    def fault(self, kind: str, target: str) -> Iterator[Fault]:
        """Note a fault for as long as it lasts."""
        fault = Fault(kind, target, time.time())
        self.faults.append(fault)
        yield fault
        fault.ended = time.time()

    def skip(self, kind: str, reason: str) -> None:
        """Note that a fault could not be done, and why."""
        self.skipped.append(f"{kind}: {reason}")
        self.say(f"   {kind} is left out: {reason}")

    # Beginning and end

    def start(self) -> None:
        """Start everything; returns when the workers are ready.

        Raises:
            RuntimeError: something does not come up; the message says what, and where its logs are.
        """
        self.kafka.launch()
        self.clickhouse.launch()
        self.proxy.child.start()
        self._require("the servers", lambda: all(server.answers() for server in self.servers))
        self.migrate()
        for slot in self.slots:
            self.workers[slot].launch()
        if not self.options.plain:
            self.gateway.launch()
        self.lag.start()
        for pages in self.pages.values():
            pages.start()
        self._require("the workers", lambda: all(self.pages[slot].ready for slot in self.slots))
        self._require("the gateway", lambda: self.options.plain or self.gateway.answers())

    def _require(self, what: str, condition: Callable[[], bool]) -> None:
        if not self.schedule.until(condition, START_S):
            raise RuntimeError(f"{what} did not come up within {START_S:.0f} s: see {self.directory / 'logs'}")

    def migrate(self) -> None:
        """Run ``aftershock migrate``.

        Raises:
            RuntimeError: it failed; the message is what it said.
        """
        clickhouse = f"http://127.0.0.1:{self.ports.clickhouse}"
        done = subprocess.run(
            [self.options.python, "-m", "pipeline", "migrate"],
            env={**os.environ, **installed_at(self.ports.bootstrap, clickhouse, self.directory)},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"aftershock migrate: exit code {done.returncode}: {done.stderr[-500:]}")

    def stop(self) -> None:
        """End everything: the programs in order, the servers at once."""
        programs = list(self.programs.values())
        for program in programs:
            program.wanted = False
            program.expected_end = "end"
            program.child.signal(signal.SIGCONT, group=True)
            program.child.signal(signal.SIGTERM)
        until = time.time() + STOP_S
        while time.time() < until and any(program.running for program in programs):
            time.sleep(0.1)
        self.lag.go_on = False
        for pages in self.pages.values():
            pages.go_on = False
        children = [program.child for program in programs]
        for child in (*children, self.kafka.child, self.clickhouse.child, self.proxy.child):
            if child.running:
                child.kill()
        if self.disk is not None:
            self.disk.unmount()

    # Supervision, each tick

    def _supervise(self, now: float) -> None:
        measure = now - self._measured_at > _MEASURE_S
        for program in self.programs.values():
            if program.child.started:
                self._keep(program, now, measure=measure)
        if measure:
            self._measured_at = now
            for worker in self.workers.values():
                worker.measure()
        for server in self.servers:
            if server.wanted and not server.child.running:
                server.died += 1
                self.say(f"   {server.child.name} ended by itself, code {server.child.exit_code}; started again")
                server.launch()
        if left := self.orphans.look(now):
            self.say(f"   stage processes outlive their worker by 8 s: {left}")

    def _keep(self, program: Program, now: float, *, measure: bool) -> None:
        """Start a program again a second after it has ended."""
        if program.running:
            program.again_at = 0.0
            if measure:
                program.stage_pids = program.stages()
        elif program.again_at == 0.0:
            self.orphans.expect_end(program.stage_pids, now)
            if program.expected_end is None:
                end = End(now, program.name, program.child.exit_code, program.child.last_line())
                self.ends.append(end)
                self.say(f"   {end.name} ended by itself, exit code {end.code}: {end.said}")
            program.again_at = now + AGAIN_S
        elif program.wanted and now >= program.again_at:
            self.restarts[program.expected_end or "by itself"] += 1
            program.again_at = 0.0
            program.launch()
