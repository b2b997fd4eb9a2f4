"""Faults of the gateway: killed while events go through it."""

from __future__ import annotations

import signal
import time

from tests.chaos.installation import Installation
from tests.chaos.schedule import Steps

_TIMES = 3
_LOOK_S = 0.1
_ANSWER_S = 30.0
_APART_S = (0.5, 3)


def kill(here: Installation) -> Steps:
    """SIGKILL the gateway, again and again; its spool is on disk."""
    if here.options.plain:
        here.skip("gateway", "there is none with --plain")
        return
    gateway = here.gateway
    for _ in range(_TIMES):
        with here.fault("kill gateway", gateway.name):
            gateway.expected_end = "kill gateway"
            starts, begun = gateway.child.starts, time.time()
            gateway.child.signal(signal.SIGKILL, group=True)
            # While Kafka is away it takes events, but does not answer that nothing waits.
            while (gateway.child.starts == starts or not gateway.answers()) and time.time() < begun + _ANSWER_S:
                yield _LOOK_S
        yield here.chance.uniform(*_APART_S)
