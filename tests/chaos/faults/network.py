"""Faults of the network between a worker and the servers, made by the proxy: see :mod:`tests.chaos.proxy`."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tests.chaos.installation import Installation
from tests.chaos.schedule import Steps

_CUT_S = (3, 25)


def _repeated(
    here: Installation, kind: str, server: str, command: Callable[[int], tuple[object, ...]], times: int,
    pause: tuple[float, float],
) -> Steps:  # fmt: skip
    """Give a command for every worker's route, several times."""
    with here.fault(kind, server):
        for _ in range(times):
            for slot in here.ports.slots:
                here.proxy.say(*command(slot))
            yield here.chance.uniform(*pause)


def drop(here: Installation) -> Steps:
    """The worker hears no answer of ClickHouse's, which goes on."""
    kind = "drop connections to ClickHouse"
    yield from _repeated(here, kind, "ClickHouse", lambda slot: ("drop", f"c{slot}"), 12, (0.05, 0.6))


def lose(here: Installation) -> Steps:
    """ClickHouse has done it, and its answer is lost."""
    yield from _repeated(
        here, "lose ClickHouse's answers", "ClickHouse", lambda slot: ("lose", f"c{slot}", 3), 6, (0.3, 1.2)
    )


def reset(here: Installation) -> Steps:
    """Both sides of the connections to ClickHouse are reset."""
    kind = "reset connections to ClickHouse"
    yield from _repeated(here, kind, "ClickHouse", lambda slot: ("reset", f"c{slot}"), 3, (0.3, 3))


def lose_kafka(here: Installation) -> Steps:
    """Kafka has done it, and its answer is lost."""
    yield from _repeated(here, "lose Kafka's answers", "Kafka", lambda slot: ("lose", f"k{slot}", 2), 6, (0.3, 1.2))


def _cut(here: Installation, kind: str, route: str) -> Steps:
    """Hold up everything between one worker and a server, for longer than the worker's session lasts or not."""
    worker = here.victim()
    if worker is None:
        return
    with here.fault(kind, worker.name):
        here.proxy.say("hold", f"{route}{worker.slot}")
        yield here.chance.uniform(*_CUT_S)
        here.proxy.say("release", f"{route}{worker.slot}")


def cut_kafka(here: Installation) -> Steps:
    """A worker does not reach Kafka for a while."""
    yield from _cut(here, "cut worker off Kafka", "k")


def cut_clickhouse(here: Installation) -> Steps:
    """A worker does not reach ClickHouse for a while."""
    yield from _cut(here, "cut worker off ClickHouse", "c")


def hold_and_kill(here: Installation) -> Steps:
    """What a worker has sent arrives when it is long dead, and another one has its partitions."""
    worker = here.victim()
    if worker is None:
        return
    kind = "kill worker, its last packets late"
    with here.fault(kind, worker.name):
        routes = here.chance.choice((("k",), ("c",), ("k", "c")))
        for route in routes:
            here.proxy.say("hold", f"{route}{worker.slot}")
        yield here.chance.uniform(0.3, 2.5)
        worker.expected_end = kind
        worker.stage_pids = worker.stages()
        worker.wanted = False
        worker.child.signal(signal.SIGKILL, group=True)
        yield here.chance.uniform(1, 20)
        for route in routes:
            here.proxy.say("release", f"{route}{worker.slot}")
        worker.launch()
        yield 1.0
