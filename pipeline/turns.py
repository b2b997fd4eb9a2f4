"""Turns: long work on a batch, done a piece at a time, so that whoever shares the event loop is not kept waiting.

A batch takes half a second to process. Fetches, acknowledgements and heartbeats are handled by the same loop; kept
out for so long, the next records would not be there when the batch is done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from pipeline.records import Batch

Result = TypeVar("Result")

Steps = Generator[None, None, Result]
"""Work that pauses now and then, and returns its result at the end."""


def at_once(work: Callable[[Batch], Result]) -> Callable[[Batch], Steps[Result]]:
    """Return short work as work that never pauses."""

    def steps(batch: Batch) -> Steps[Result]:
        yield from ()
        return work(batch)

    return steps


def to_the_end(steps: Steps[Result]) -> Result:
    """Do the work without a pause; return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
