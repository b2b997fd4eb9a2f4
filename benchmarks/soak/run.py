"""One run of the soak test: send, sample, wait for what is left, compare."""

from __future__ import annotations

import csv
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import contender
from benchmarks.events import Generator
from benchmarks.servers import Place, Servers
from benchmarks.soak.bounds import warm_up_seconds
from benchmarks.soak.comparison import Check, Comparison
from benchmarks.soak.load import Load, bound_topic
from benchmarks.soak.plot import draw, panels
from benchmarks.soak.samples import Sample, Sampler

EVERY_S = 10.0
SAY_EVERY = 6
"""A line of progress every so many samples: once a minute."""

PATIENCE_S = 120.0
"""How long to wait for another row when the last event was sent and not all are stored."""

SETTLE_S = 10.0
"""How long duplicates get to show up after the last row that was waited for."""


@dataclass
class Soak:
    """One run.

    Attributes:
        seconds: how long events are sent.
        out: the directory for the files.
        rate: events a second.
        samples: every sample.
        processes: the names of the processes that were watched.
        checks: what the comparison says.
    """

    seconds: float
    out: Path
    rate: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @property
    def measured(self) -> list[Sample]:
        """The samples after the warm-up."""
        return [one for one in self.samples if one["seconds"] > warm_up_seconds(self.seconds)]

    def run(self, running: Servers, generator: Generator) -> None:
        """Send, sample, wait for the rest, and compare.

        Raises:
            RuntimeError: a process ended, or Kafka did not take an event.
        """
        ids = running.directory / "sent-ids"
        with running.place("soak") as place, contender("aftershock", place) as worker:
            bound_topic(place)
            worker.wait_until_ready()
            sampler = Sampler(place, worker)
            self.processes = list(sampler.processes)
            load = Load(place, generator, self.rate, self.seconds, ids)
            load.start()
            try:
                self._sample(sampler, load)
            finally:
                load.end()
            load.check()
            say(f"{load.sent:,} events sent, {load.sent / self.seconds:,.0f} a second; waiting for the rows")
            self._wait(place, sampler, load.sent)
            time.sleep(SETTLE_S)
            say("comparing")
            self.checks = Comparison(running.clickhouse.address, place.name).compare(ids)

    def _sample(self, sampler: Sampler, load: Load) -> None:
        sampler.restart_clock()
        started = time.monotonic()
        with (self.out / "soak.csv").open("w", newline="", encoding="utf-8") as file:
            writer: csv.DictWriter[str] | None = None
            for number in range(1, max(int(self.seconds / EVERY_S), 1) + 1):
                time.sleep(max(started + number * EVERY_S - time.monotonic(), 0))
                load.check()
                sample = sampler.take(load.sent)
                if writer is None:
                    writer = csv.DictWriter(file, list(sample))
                    writer.writeheader()
                writer.writerow({name: _cell(value) for name, value in sample.items()})
                file.flush()
                self.samples.append(sample)
                if number % SAY_EVERY == 0:
                    say(self._progress(sample))

    def _progress(self, sample: Sample) -> str:
        ours = [name for name in self.processes if name not in ("clickhouse", "broker")]
        memory = " + ".join(f"{sample[f'{name}_memory_mb']:.0f}" for name in ours)
        return (
            f"minute {sample['seconds'] / 60:.0f} of {self.seconds / 60:g}: {sample['sent']:,.0f} sent, "
            f"{sample['rows_errors']:,.0f} stored, lag {sample['lag_errors']:,.0f}, worker and stages {memory} MB, "
            f"{sample['parts_active_errors']:.0f} parts of errors"
        )

    def _wait(self, place: Place, sampler: Sampler, sent: int) -> None:
        """Return when as many rows are stored as were sent, or no more come."""
        before, until = 0, time.monotonic() + PATIENCE_S
        while (rows := place.rows()) < sent and time.monotonic() < until:
            sampler.check()
            if rows > before:
                before, until = rows, time.monotonic() + PATIENCE_S
            time.sleep(0.5)

    def plot(self, setting: str) -> None:
        """Write ``soak.svg`` of what was noted so far."""
        if self.samples:
            minutes = self.samples[-1]["seconds"] / 60
            title = f"Soak: {self.rate:,.0f} events/s for {minutes:.3g} min"
            note = f"{setting}; shaded: warm-up"
            shown = panels(self.processes)
            drawn = draw(title, note, shown, self.samples, min(warm_up_seconds(self.seconds), minutes * 60))
            (self.out / "soak.svg").write_text(drawn, encoding="utf-8")


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def _cell(value: float) -> str:
    """Return a value for the file, nothing for one that was not to be had."""
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if value == int(value) else f"{value:.6g}"
