"""How often Python looks for reference cycles: seldom, in processes that make hardly any."""

from __future__ import annotations

import gc

COLLECT_AFTER = 50_000
"""So many more containers than before make Python look: several batches of rows, none of which has a cycle."""


def collect_seldom() -> None:
    """Leave what is there by now out of every search for cycles, and search less often.

    With Python's own settings the search took 4 % of what an event costs the worker.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
