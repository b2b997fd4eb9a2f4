"""How a process uses memory: how often Python looks for cycles, and what malloc does with what is freed."""

from __future__ import annotations

import ctypes
import gc

COLLECT_AFTER = 50_000
"""So many more containers than before make Python look: several batches of rows, none of which has a cycle."""

_MALLOPT = ((-8, 1), (-3, 32 << 20), (-1, 512 << 20))
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h in glibc, with their values (mallopt(3))."""


def collect_seldom() -> None:
    """Leave what is there by now out of every search for cycles, and search less often.

    With Python's own settings the search took 4 % of what an event costs the worker.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def share_one_heap() -> None:
    """Let all threads allocate from one heap, which keeps what is freed; to be called before threads are started.

    glibc gives every thread an arena of its own. Batches pass from thread to thread, so each arena grew to what the
    largest batch needs: the worker took 375 MB where it takes 250 with one. Python's threads hardly allocate at the
    same moment anyway. Where the C library is not glibc, nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _MALLOPT:
            mallopt(parameter, value)
