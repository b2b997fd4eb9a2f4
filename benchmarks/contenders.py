"""One contender on one topic of waiting events: how fast its rows become visible, and what every process used."""

from __future__ import annotations

import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.events import Generator
from benchmarks.processes import cpu_seconds, group, peak_megabytes
from benchmarks.servers import Place, Servers, produce
from deploy.local.component import Component
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.worker import Worker

ROOT = Path(__file__).parent.parent
WARM_SHARE = 0.1
DONE_SHARE = 0.95
"""What is measured lies between the moments at which these shares of the rows are visible: neither start nor end."""
POLL_SECONDS = 0.1
LONGEST_SECONDS = 300.0

_STAGE = re.compile(r'^aftershock_stage_seconds_total\{stage="(\w+)"\} (\S+)$', re.MULTILINE)
_ALERTS = re.compile(r"^aftershock_alerts_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass
class Run:
    """One run.

    Attributes:
        contender: who ran.
        events: how many events waited on the topic.
        events_per_second: rows that became visible, between the warm-up and the end.
        cpu_us: microseconds of CPU an event in the same time: contender (all of its processes), clickhouse, broker.
        peak_mb: the peak resident memory of the contender's processes, added up; what they share counts for each.
        bytes_per_event: what ``errors`` takes on disk, merged as far as it was at the end of the run.
        bytes_per_event_all: the same for all tables.
        stage_us: microseconds an event by stage, for the contender that tells.
        alerts: how many alerts it sent, for the contender that tells.
    """

    contender: str
    events: int
    events_per_second: float
    cpu_us: dict[str, float]
    peak_mb: float
    bytes_per_event: float
    bytes_per_event_all: float
    stage_us: dict[str, float] = field(default_factory=dict)
    alerts: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


class Module(Component):
    """A contender that is a module of this package."""

    version = ""

    def __init__(self, name: str, place: Place, log: Path) -> None:
        self.name = name
        self.address = place.name
        self._environment = place.environment
        self._log = log

    def prepare(self) -> Process:
        """Return its process."""
        command = [sys.executable, "-m", f"benchmarks.{self.name}"]
        return Process(command, log=self._log, directory=ROOT, environment=self._environment)

    def answers(self) -> bool:
        """Say yes: its rows tell when it works."""
        return True


@contextmanager
def contender(name: str, place: Place) -> Iterator[Component]:
    """Launch a contender, ``aftershock`` or a module of this package, and kill it afterwards."""
    log = place.servers.directory / f"{place.name}.log"
    running: Component = Module(name, place, log)
    if name == "aftershock":
        running = Worker(1, web_port=free_port(), environment=place.environment, log=log)
    running.launch()
    try:
        yield running
    finally:
        running.kill()


def measure(name: str, servers: Servers, generator: Generator, events: int, number: int) -> Run:
    """Put events on a new topic, let a contender process them, and return what that took.

    Raises:
        RuntimeError: the contender ended, or had not stored every event in time.
    """
    with servers.place(f"{name}_{number}") as place:
        produce(place, generator.events(events))
        with contender(name, place) as running:
            process = running.process
            first = _wait(place, process, int(events * WARM_SHARE))
            used_before = _used(process, servers)
            last = _wait(place, process, int(events * DONE_SHARE))
            used_after = _used(process, servers)
            _wait(place, process, events)
            # So few events that one look shows them all give no figure, but must not fail either.
            seconds, rows = max(last[0] - first[0], POLL_SECONDS), max(last[1] - first[1], 1)
            run = Run(
                contender=name,
                events=events,
                events_per_second=rows / seconds,
                cpu_us={key: (used_after[key] - used_before[key]) / rows * 1e6 for key in used_after},
                peak_mb=sum(map(peak_megabytes, group(process.pid or 0))),
                bytes_per_event=_bytes(place, "table = 'errors'") / events,
                bytes_per_event_all=_bytes(place, "1") / events,
            )
            if name == "aftershock":
                # Counts are applied, and alerts sent, up to a flush interval after the rows.
                time.sleep(2.5)
                page = urllib.request.urlopen(f"{running.address}/metrics", timeout=10).read().decode()
                run.stage_us = {stage: float(spent) / events * 1e6 for stage, spent in _STAGE.findall(page)}
                run.alerts = sum(int(float(value)) for value in _ALERTS.findall(page))
        return run


def _wait(place: Place, process: Process, rows: int) -> tuple[float, int]:
    """Return when at least so many rows were visible, and how many there were then."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        found = place.rows()
        now = time.monotonic()
        if found >= rows:
            return now, found
        if not process.running:
            raise RuntimeError(f"{place.name} ended with {process.exit_code}: {' | '.join(process.last_lines(5))}")
        if now > deadline:
            raise RuntimeError(f"{place.name} had stored {found} events of {rows} after {LONGEST_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _used(process: Process, servers: Servers) -> dict[str, float]:
    return {
        "contender": sum(map(cpu_seconds, group(process.pid or 0))),
        "clickhouse": cpu_seconds(servers.clickhouse.process.pid or 0),
        "broker": cpu_seconds(servers.broker.process.pid or 0),
    }


def _bytes(place: Place, condition: str) -> int:
    return int(
        place.ask(
            f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND {condition}"
        )
    )
