"""What grouping costs an event: CPU time in microseconds, with cold caches and with warm ones.

    python -m benchmarks.fingerprint [--events N] [--json]

The events are of about 9 KB, of 500 bugs, with 5 to 20 frames; one in ten is a message without a stack. *Cold* is a
fresh ``Grouping`` for each pass, so every bug's frames are read for the first time once; *first* is the price of an
event none of whose frames were ever seen; *warm* is what a worker that has been running for a while pays. Messages
differ from event to event, so their normalisation is never cached.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from typing import Any

import msgspec

from benchmarks import say_how
from pipeline.fingerprint import Grouping, Rules
from schemas.event import Event

BUGS = 500
PASSES = 3


def frame(random_: random.Random, bug: int, depth: int) -> dict[str, Any]:
    own = random_.random() < 0.6
    module = f"shop.area{bug % 40}.part{depth}" if own else f"django.core.handlers.part{depth}"
    root = "/srv/shop/" if own else "/usr/local/lib/python3.11/site-packages/"
    return {
        "function": f"handle_{bug % 90}_{depth}",
        "module": module,
        "filename": module.replace(".", "/") + ".py",
        "abs_path": root + module.replace(".", "/") + ".py",
        "lineno": random_.randrange(1, 900),
        "in_app": own,
        "context_line": f"    result = compute_{bug}(order, customer, {depth})",
        "pre_context": ["    # some source text that stands before the line"] * 2,
        "post_context": ["    # some source text that stands after the line"] * 2,
        "vars": {"order": "<Order object>", "customer": "'somebody'"},
    }


def payload(random_: random.Random, number: int) -> bytes:
    """Return one event of about 9 KB as JSON."""
    bug = random_.randrange(BUGS)
    shape = random.Random(bug)
    text = f"order {number} of customer {number * 7} could not be priced within {number % 900} ms"
    event: dict[str, Any] = {"platform": "python", "level": "error", "release": "shop@1.2.3", "transaction": "/orders"}
    if bug % 10 == 0:
        event["logentry"] = {"formatted": f"{text} ({shape.random()})", "message": None}
    else:
        frames = [frame(shape, bug, depth) for depth in range(shape.randrange(5, 21))]
        event["exception"] = {"values": [{"type": f"Error{bug % 30}", "value": text, "stacktrace": {"frames": frames}}]}
    size = len(json.dumps(event))
    event["extra"] = {"filler": "x" * max(0, 9000 - size)}
    return json.dumps(event).encode()


def timed(grouping: Grouping, events: list[Event]) -> list[float]:
    """Return what each event took, in microseconds."""
    taken = []
    clock = time.thread_time_ns
    for event in events:
        started = clock()
        grouping.group(event)
        taken.append((clock() - started) / 1000)
    return taken


def summary(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "mean": round(statistics.fmean(ordered), 1),
        "median": round(statistics.median(ordered), 1),
        "p99": round(ordered[int(len(ordered) * 0.99)], 1),
        "max": round(ordered[-1], 1),
    }


def measure(count: int, seed: int) -> dict[str, Any]:
    random_ = random.Random(seed)
    payloads = [payload(random_, number) for number in range(count)]

    def events() -> list[Event]:
        # Decoded anew for each pass, because a worker never sees the same strings twice.
        return [msgspec.json.decode(raw, type=Event) for raw in payloads]

    cold = timed(Grouping(Rules()), events())
    first = []
    for event in events()[:300]:
        first.extend(timed(Grouping(Rules()), [event]))
    grouping = Grouping(Rules())
    timed(grouping, events())
    warm = [one for _ in range(PASSES) for one in timed(grouping, events())]
    return {
        "events": count,
        "bytes": round(statistics.fmean(map(len, payloads))),
        "warm": summary(warm),
        "cold": summary(cold),
        "first": summary(first),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    say_how()
    found = measure(options.events, options.seed)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{found['events']} events of {found['bytes']} bytes, {BUGS} bugs; CPU microseconds an event")
    print(f"{'':8}{'mean':>9}{'median':>9}{'p99':>9}{'max':>9}")
    for name in ("warm", "cold", "first"):
        figures = found[name]
        print(f"{name:8}" + "".join(f"{figures[key]:9.1f}" for key in ("mean", "median", "p99", "max")))


if __name__ == "__main__":
    main()
