"""What the tests of the gateway share."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.gateway.rejection import Rejected

OK = 200


def status_of(work: Callable[[], object]) -> int:
    """Return the status that a piece of work is answered with: 200, or its rejection's."""
    try:
        work()
    except Rejected as rejection:
        return rejection.status
    return OK
