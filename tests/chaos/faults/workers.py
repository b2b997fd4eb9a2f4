"""Faults of workers and of the processes of their stages: killed, ended in order, stopped for a while."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from tests.chaos.children import signal_quietly
from tests.chaos.installation import Installation
from tests.chaos.schedule import Steps
from tests.chaos.workers import Worker

_LOOK_S = 0.05
_STAGE_LOOKS = 1200
_STOPPED_S = (3, 25)


def _ended(here: Installation, kind: str, number: signal.Signals, *, group: bool = False) -> Steps:
    """End a worker by a signal, and wait until its supervisor has started it again."""
    worker = here.victim()
    if worker is None:
        return
    worker.expected_end = kind
    with here.fault(kind, worker.name):
        worker.stage_pids = worker.stages()
        starts = worker.child.starts
        worker.child.signal(number, group=group)
        while worker.child.starts == starts:
            yield _LOOK_S


def kill(here: Installation) -> Steps:
    """SIGKILL a worker; its stages must end by themselves."""
    yield from _ended(here, "kill worker", signal.SIGKILL)


def kill_group(here: Installation) -> Steps:
    """SIGKILL a worker with its stages."""
    yield from _ended(here, "kill worker's group", signal.SIGKILL, group=True)


def term(here: Installation) -> Steps:
    """SIGTERM a worker."""
    yield from _ended(here, "SIGTERM worker", signal.SIGTERM)


def kill_stage(here: Installation) -> Steps:
    """SIGKILL one process of a worker's stages; the worker must end, and does better the second time."""
    worker = here.victim()
    stages = worker.stages() if worker else []
    if worker is None or not stages:
        return
    worker.expected_end = "kill stage"
    with here.fault("kill stage", worker.name):
        starts = worker.child.starts
        signal_quietly(here.chance.choice(stages), signal.SIGKILL)
        for _ in range(_STAGE_LOOKS):
            if worker.child.starts != starts:
                break
            yield _LOOK_S


def _stopped(here: Installation, kind: str, pick: Callable[[Worker], list[int]]) -> Steps:
    """SIGSTOP processes of a worker, for longer than its session lasts or not."""
    worker = here.victim()
    pids = pick(worker) if worker else []
    if worker is None or not pids:
        return
    with here.fault(kind, worker.name):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield here.chance.uniform(*_STOPPED_S)
        for pid in pids:
            signal_quietly(pid, signal.SIGCONT)


def stop(here: Installation) -> Steps:
    """Stop a worker but not its stages, then let it go on."""
    yield from _stopped(here, "stop worker", lambda worker: [worker.child.pid])


def stop_group(here: Installation) -> Steps:
    """Stop a worker and its stages, then let them go on."""
    yield from _stopped(here, "stop worker's group", lambda worker: [worker.child.pid, *worker.stages()])


def stop_stage(here: Installation) -> Steps:
    """Stop one process of a worker's stages, then let it go on."""
    yield from _stopped(here, "stop stage", lambda worker: worker.stages()[:1])
