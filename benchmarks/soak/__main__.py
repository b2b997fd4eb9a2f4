"""Whether a worker stays as it is, and stores every event once, over an hour at a steady rate.

``python -m benchmarks.soak`` starts Apache Kafka, ClickHouse and one worker on the loopback, and sends events of the
kind that benchmarks.pipeline has. The rate is half of what the worker reaches at full speed in a short run before that
(``--share``), or a fixed one (``--rate``). Every ten seconds it notes memory, file descriptors, threads and CPU of each
process, consumer lag, ClickHouse's parts and rows, and the worker's own metrics, in ``soak.csv``; at the end it prints
what is flat and what grows, draws ``soak.svg``, and compares what was sent with what is stored: ids, weights and
aggregates. Ctrl-C and SIGTERM end everything; what was noted until then is drawn.

Exit code 1 says that an event is lost or there twice, that an aggregate differs from the rows, or that something grew
beyond its bound (benchmarks/soak/bounds.py); 2 that the run could not be finished. Needs Linux and Java 17.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks import say_how
from benchmarks.contenders import measure
from benchmarks.events import Generator
from benchmarks.servers import Servers, servers
from benchmarks.settings import versions
from benchmarks.soak.bounds import WARM_UP_S, counters, targets, warm_up_seconds
from benchmarks.soak.comparison import Check
from benchmarks.soak.run import Soak, say
from benchmarks.soak.samples import COUNTERS, Sample
from benchmarks.soak.trend import table, trend
from benchmarks.targets import Target
from pipeline.errors import AftershockError

BROKER = "apache"
SHARE = 0.5
CALIBRATION_EVENTS = 60_000

EVENT_BYTES = 3_000
"""On disk, with what merges need meanwhile; Kafka's log is kept short (see load.py)."""

OTHER_BYTES = 6_000_000_000


def calibrated(running: Servers, generator: Generator, share: float) -> float:
    """Return a share of the events a second that the worker stores when all of them wait for it."""
    found = measure("aftershock", running, generator, CALIBRATION_EVENTS, 0).events_per_second
    say(f"at full speed {found:,.0f} events/s; sending {share:.0%} of that")
    return found * share


def need_room(directory: Path, events: float) -> None:
    """Raise :class:`RuntimeError` when the disk has no room for so many events."""
    needed, free = events * EVENT_BYTES + OTHER_BYTES, shutil.disk_usage(directory).free
    if free < needed:
        raise RuntimeError(
            f"{directory} has {free / 1e9:.0f} GB left and the run may need {needed / 1e9:.0f}: "
            "choose fewer --minutes, a lower --rate, or another TMPDIR"
        )


def report(soak: Soak) -> bool:
    """Print everything for people; return whether all is as it has to be."""
    warm_up_s = warm_up_seconds(soak.seconds)
    measured = soak.measured
    trends = [trend(name, measured) for name in shown(measured)]
    print(f"\n{len(measured)} samples, after a warm-up of {warm_up_s / 60:.1f} minutes")
    if warm_up_s < WARM_UP_S:
        print(f"(short of {WARM_UP_S / 60:.0f}: what grows here may be what every worker needs once)")
    print()
    print("\n".join(table(trends)))
    print(f"\nsince the worker started: {counters(soak.samples[-1])}\n")
    lines: list[Target | Check] = [*targets(trends, measured, soak.rate), *soak.checks]
    for line in lines:
        print(line.line())
    return all(line.met for line in lines)


def shown(samples: Sequence[Sample]) -> list[str]:
    """Return the series to tell of: none that only adds up, and no table without parts."""
    found = []
    for name in samples[0]:
        adds_up = name in ("seconds", "sent", *COUNTERS) or name.endswith("_cpu_s") or name.startswith("rows_")
        empty = name.startswith("parts_") and not any(one[name] for one in samples)
        if not adds_up and not empty:
            found.append(name)
    return found


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGINT and SIGTERM end the program by an exception, so that everything that was started is stopped.

    Only the first of them does; the others would interrupt the stopping. The exit code is 128 and the signal's number.
    """

    def end(signum: int, _frame: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        say(f"{signal.Signals(signum).name}: ending everything; nothing is compared")
        raise SystemExit(128 + signum)

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="how long to send (default: %(default)g)")
    load = parser.add_mutually_exclusive_group()
    load.add_argument("--rate", type=float, metavar="EVENTS_PER_S", help="send so many; nothing is calibrated then")
    load.add_argument("--share", type=float, default=SHARE, help="of the speed that is reached (default: %(default)g)")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIRECTORY", help="for soak.csv and soak.svg")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.minutes < 1 or (options.rate is not None and options.rate <= 0) or options.share <= 0:
        parser.error("--minutes is at least 1, --rate and --share are more than 0")
    say_how()
    options.out.mkdir(parents=True, exist_ok=True)
    setting = versions(BROKER)
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    soak = Soak(options.minutes * 60, options.out)
    generator = Generator(options.seed)
    try:
        with ended_by_signals():
            try:
                with servers(BROKER) as running:
                    soak.rate = options.rate or calibrated(running, generator, options.share)
                    need_room(running.directory, soak.rate * soak.seconds)
                    soak.run(running, generator)
            finally:
                soak.plot("{broker}, {clickhouse}, Python {python}, {cores} cores".format_map(setting))
    except (RuntimeError, OSError, AftershockError) as error:
        say(f"soak: {error}")
        return 2
    passed = report(soak)
    print(f"\n{options.out / 'soak.csv'} and soak.svg have every sample")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
