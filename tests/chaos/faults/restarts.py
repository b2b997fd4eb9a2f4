"""Orderly changes that an operator makes under load: a worker joins and leaves, all are restarted one by one."""

from __future__ import annotations

import signal
import time

from tests.chaos.installation import Installation
from tests.chaos.schedule import Steps
from tests.chaos.settings import with_worker

_LOOK_S = 0.1
_READY_S = 60.0


def third(here: Installation) -> Steps:
    """One more worker joins, and leaves after a while: in order, or killed."""
    worker = here.workers[here.third_slot]
    if worker.child.running:
        return
    with here.fault("third worker", worker.name):
        worker.launch()
        yield here.chance.uniform(6, 14)
        worker.wanted = False
        worker.expected_end = "third ends"
        worker.child.signal(here.chance.choice((signal.SIGTERM, signal.SIGKILL)))
        while worker.running:
            yield _LOOK_S


def reconfigure(here: Installation) -> Steps:
    """Two workers start again with batches of another size: one is killed, one ends in order."""
    kind = "restart with other batch sizes"
    with here.fault(kind, ",".join(here.workers[slot].name for slot in here.slots[:2])):
        worker_settings = (
            f"batch_events = {here.chance.choice((60, 300, 2000))}\n"
            f"linger_ms = {here.chance.choice((20, 200, 500))}\n"
            f"batches_in_flight = {here.chance.choice((2, 4, 8))}\n"
        )
        text = here.toml_file.read_text(encoding="utf-8")
        here.toml_file.write_text(with_worker(text, worker_settings), encoding="utf-8")
        slots = here.chance.sample(here.slots[:2], 2)
        for slot, number in zip(slots, (signal.SIGKILL, signal.SIGTERM), strict=True):
            worker = here.workers[slot]
            if worker.running:
                worker.expected_end = kind
                worker.stage_pids = worker.stages()
                worker.child.signal(number)
            yield here.chance.uniform(0, 4)


def rolling(here: Installation) -> Steps:
    """All workers are restarted in order, one when the one before it is ready again."""
    with here.fault("rolling restart", ",".join(here.workers[slot].name for slot in here.slots)):
        for slot in here.slots:
            yield from restarted(here, slot)


def restarted(here: Installation, slot: int) -> Steps:
    """SIGTERM a worker; done when its supervisor has started it again and it is ready."""
    worker = here.workers[slot]
    if not worker.running:
        return
    worker.expected_end = "restart in order"
    worker.stage_pids = worker.stages()
    starts = worker.child.starts
    worker.child.signal(signal.SIGTERM)
    begun = time.time()
    while worker.child.starts == starts and time.time() < begun + _READY_S:
        yield _LOOK_S
    started = time.time()
    while not here.pages[slot].ready_since(started) and time.time() < started + _READY_S:
        yield _LOOK_S
