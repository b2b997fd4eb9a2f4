"""Faults of Kafka and ClickHouse: killed and away for a while, or stopped so that their connections stay open."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Sequence

from tests.chaos.children import signal_quietly
from tests.chaos.installation import Installation
from tests.chaos.schedule import Steps
from tests.chaos.servers import Server

_LOOK_S = 0.1
_HUNG_S = (3, 20)
_CLICKHOUSE_AWAY_S = 15
_KAFKA_AWAY_S = 10
_TRACE_LOOKS = 200


def _away(here: Installation, kind: str, servers: Sequence[tuple[Server, float]]) -> Steps:
    """Kill servers, and start each again after a part of the seconds that it may be away."""
    with here.fault(kind, ",".join(server.child.name for server, _ in servers)):
        for server, _ in servers:
            server.kill()
        waits = sorted((here.chance.uniform(0, most), at) for at, (_, most) in enumerate(servers))
        gone = 0.0
        for wait, at in waits:
            yield wait - gone
            gone = wait
            servers[at][0].launch()
        while not all(server.answers() for server, _ in servers):
            yield _LOOK_S


def clickhouse(here: Installation) -> Steps:
    """Kill ClickHouse."""
    yield from _away(here, "kill ClickHouse", [(here.clickhouse, _CLICKHOUSE_AWAY_S)])


def kafka(here: Installation) -> Steps:
    """Kill Kafka."""
    yield from _away(here, "kill Kafka", [(here.kafka, _KAFKA_AWAY_S)])


def both(here: Installation) -> Steps:
    """Kill both at once; they come back one after the other."""
    yield from _away(here, "kill both", [(here.clickhouse, _CLICKHOUSE_AWAY_S), (here.kafka, _KAFKA_AWAY_S)])


def _hung(here: Installation, kind: str, server: Server) -> Steps:
    if not server.child.running:
        return
    with here.fault(kind, server.child.name):
        pid = server.child.pid
        signal_quietly(pid, signal.SIGSTOP)
        yield here.chance.uniform(*_HUNG_S)
        signal_quietly(pid, signal.SIGCONT)


def hang_clickhouse(here: Installation) -> Steps:
    """Stop ClickHouse for a while."""
    yield from _hung(here, "hang ClickHouse", here.clickhouse)


def hang_kafka(here: Installation) -> Steps:
    """Stop Kafka for a while."""
    yield from _hung(here, "hang Kafka", here.kafka)


def rename(here: Installation) -> Steps:
    """Kill ClickHouse at the moment between its deduplication log and the part that it has just noted there."""
    strace = shutil.which("strace")
    if strace is None:
        here.skip("rename", "strace is not installed")
        return
    child = here.clickhouse.child
    with here.fault("kill ClickHouse before it renames a part", child.name):
        which = here.chance.randrange(1, 9)
        trace = subprocess.Popen(
            [
                strace, "-f", "-e", "trace=rename", "-e", f"inject=rename:signal=SIGKILL:when={which}",
                "-p", str(child.pid), "-o", str(here.directory / f"strace-{len(here.faults)}.txt"),
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        here.clickhouse.wanted = False
        for _ in range(_TRACE_LOOKS):
            if not child.running:
                break
            yield _LOOK_S / 2
        trace.kill()
        trace.wait()
        if child.running:
            here.clickhouse.wanted = True
            return
        yield 1.0
        here.clickhouse.launch()
        while not here.clickhouse.answers():
            yield _LOOK_S
