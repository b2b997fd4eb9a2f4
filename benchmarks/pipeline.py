"""How fast the whole pipeline is, beside the usual way and beside the bound, in one run.

``python -m benchmarks.pipeline`` starts Apache Kafka and ClickHouse, and lets three contenders, one process each, turn
the same kind of events (9 KB, 500 groups, personal data in a fifth) into rows, in turns, three times:

* ``aftershock``: the worker, with scrubbing, grouping, counts and alerts;
* ``plain_faust``: an ordinary Faust agent that does this event by event (benchmarks/plain_faust.py);
* ``bound``: aiokafka, decode, insert, and nothing else (benchmarks/bound.py).

The events wait on the topic when a contender starts. Its speed is that at which rows become visible in ClickHouse
between the moments when 10 % and 95 % of them are. Medians are reported. Exit code 1 says that a target was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import say_how
from benchmarks.contenders import Run, measure
from benchmarks.events import Generator
from benchmarks.servers import BROKERS, servers
from benchmarks.settings import versions
from benchmarks.targets import Target

EVENTS = {"aftershock": 120_000, "plain_faust": 3_000, "bound": 120_000}

TIMES_PLAIN = 20.0
SHARE_OF_BOUND = 0.6
MOST_MB = 400.0


def run(rounds: int, events: dict[str, int], broker: str, seed: int) -> list[Run]:
    """Return every run of every contender, in turns."""
    generator = Generator(seed)
    found: list[Run] = []
    with servers(broker) as running:
        for number in range(1, rounds + 1):
            for name, count in events.items():
                done = measure(name, running, generator, count, number)
                print(f"round {number}  {name:<12} {done.events_per_second:8.0f} events/s", file=sys.stderr, flush=True)
                found.append(done)
    return found


def summary(runs: list[Run]) -> dict[str, Run]:
    """Return the medians of each contender's runs, figure by figure."""
    by_name: dict[str, list[Run]] = {}
    for done in runs:
        by_name.setdefault(done.contender, []).append(done)
    return {name: _middle(found) for name, found in by_name.items()}


def _middle(runs: list[Run]) -> Run:
    return Run(
        contender=runs[0].contender,
        events=runs[0].events,
        events_per_second=median(done.events_per_second for done in runs),
        cpu_us={key: median(done.cpu_us[key] for done in runs) for key in runs[0].cpu_us},
        peak_mb=max(done.peak_mb for done in runs),
        bytes_per_event=median(done.bytes_per_event for done in runs),
        bytes_per_event_all=median(done.bytes_per_event_all for done in runs),
        stage_us={key: median(done.stage_us[key] for done in runs) for key in runs[0].stage_us},
        alerts=min(done.alerts for done in runs),
    )


def targets(found: dict[str, Run]) -> list[Target]:
    """Return the targets that can be judged from the contenders that ran."""
    ours = found["aftershock"]
    judged = [Target("worker's peak memory, MB", ours.peak_mb, MOST_MB, at_least=False)]
    if "plain_faust" in found:
        ratio = ours.events_per_second / found["plain_faust"].events_per_second
        judged.append(Target("times an ordinary Faust agent", ratio, TIMES_PLAIN))
    if "bound" in found:
        ratio = ours.events_per_second / found["bound"].events_per_second
        judged.append(Target("share of the bound", ratio, SHARE_OF_BOUND))
    return judged


def report(found: dict[str, Run], judged: list[Target]) -> None:
    """Print the figures for people."""
    print(f"\n{'':<12} {'events/s':>9} {'process':>9} {'ClickHouse':>10} {'broker':>7} {'peak':>7} {'on disk':>8}")
    print(f"{'':<12} {'':>9} {'µs/event':>9} {'µs/event':>10} {'µs/ev.':>7} {'MB':>7} {'B/event':>8}")
    for name, done in found.items():
        cpu = done.cpu_us
        print(
            f"{name:<12} {done.events_per_second:9.0f} {cpu['contender']:9.1f} {cpu['clickhouse']:10.1f} "
            f"{cpu['broker']:7.1f} {done.peak_mb:7.0f} {done.bytes_per_event:8.0f}"
        )
    ours = found["aftershock"]
    stages = ", ".join(f"{stage} {spent:.1f}" for stage, spent in ours.stage_us.items())
    print(f"\nby stage, µs/event: {stages}; alerts sent: {ours.alerts}\n")
    for target in judged:
        print(target.line())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description="Measure the whole pipeline.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--broker", choices=tuple(BROKERS), default="apache")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="run with so many times the usual number of events")
    parser.add_argument("--only", nargs="+", choices=tuple(EVENTS), default=tuple(EVENTS), metavar="CONTENDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    options = parser.parse_args(arguments)
    say_how()
    events = {name: max(int(EVENTS[name] * options.scale), 100) for name in EVENTS if name in options.only}
    runs = run(options.rounds, events, options.broker, options.seed)
    found = summary(runs)
    judged = targets(found) if "aftershock" in found else []
    setting = versions(options.broker)
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    if judged:
        report(found, judged)
    if options.json:
        options.json.write_text(json.dumps(_document(setting, runs, found, judged), indent=1) + "\n")
    return 0 if all(target.met for target in judged) else 1


def _document(setting: dict[str, str], runs: list[Run], found: dict[str, Run], judged: list[Target]) -> dict[str, Any]:
    return {
        "versions": setting,
        "medians": {name: done.as_dict() for name, done in found.items()},
        "targets": {
            target.name: {"value": target.value, "wanted": target.wanted, "met": target.met} for target in judged
        },
        "runs": [done.as_dict() for done in runs],
    }


if __name__ == "__main__":
    sys.exit(main())
