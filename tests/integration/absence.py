"""A worker whose servers are the test's own, to be away when the test wants it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from installation import Installation

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.worker import Worker


@contextmanager
def launched(installation: Installation) -> Iterator[Worker]:
    """Start a worker without waiting for anything, and kill it at the end if it is still there."""
    log = installation.directory / "worker-alone.log"
    worker = Worker(1, web_port=free_port(), environment=installation.environment, log=log)
    worker.launch()
    try:
        yield worker
    finally:
        worker.stop()


def page(worker: Worker, path: str) -> tuple[int, dict[str, Any]]:
    """Return status and JSON of one of a worker's pages; status 0 while nobody listens."""
    connection = http.client.HTTPConnection(LOOPBACK, worker.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except OSError:
        return 0, {}
    finally:
        connection.close()


def missing(worker: Worker) -> list[str] | None:
    """Return what a worker says it misses; ``None`` while it says nothing."""
    status, state = page(worker, "/health/ready")
    return state["missing"] if status else None


def waited_for(what: str, condition: Callable[[], bool], seconds: float, worker: Worker) -> float:
    """Return after how many seconds a condition held; fail with ``what`` when that is not within ``seconds``."""
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        assert waited < seconds, f"not within {seconds} s: {what}\n" + "\n".join(worker.process.last_lines(30))
        time.sleep(0.05)
    return time.monotonic() - started
