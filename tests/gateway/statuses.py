"""What the tests of the gateway share."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from pipeline.gateway.rejection import Rejected

OK = 200


def status_of(work: Callable[[], object]) -> int:
    """Return the status that a piece of work is answered with: 200, or its rejection's."""
    try:
        work()
    except Rejected as rejection:
        return rejection.status
    return OK


def said_of_errors(installation: Any, seconds: float = 15, fewest: int = 2) -> dict[str, int]:
    """Return how many errors were not taken, by reason, as soon as so many reasons are told on the topic."""
    until = time.monotonic() + seconds
    while True:
        found: Counter[str] = Counter()
        for record in installation.consume("outcomes"):
            for count in json.loads(record.value)["counts"]:
                if count["category"] == "error":
                    found[count["reason"]] += count["quantity"]
        if len(found) >= fewest or time.monotonic() > until:
            return dict(found)
        time.sleep(0.2)
