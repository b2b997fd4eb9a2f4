"""How much may grow in a soak test, and why so much.

Only the worker and its stage processes are held to bounds on memory, descriptors and threads. The servers have limits
of their own: the broker's heap goes up to its -Xmx before it is collected and its log has a file a segment, ClickHouse
fills its caches. They are shown, not judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.soak.samples import COUNTERS, Sample
from benchmarks.soak.trend import Trend
from benchmarks.targets import Target

WARM_UP_S = 600.0
"""By then every issue was seen, every pool has its size, and merges come as often as they will."""

WARM_UP_SHARE = 1 / 6
"""At most this share of a run is warm-up: a shorter run has a shorter one, and may show growth that would end."""

MOST_MEMORY_TIMES = 1.10
"""Mean of the last tenth over that of the first. The allocator's pools move by a few per cent either way with the
sizes of batches; a leak of 40 bytes an event at 1,000 events/s adds 120 MB in 50 minutes."""

MOST_MORE = 5.0
"""File descriptors and threads: a connection more to each server, and a thread for each, may come with a reconnect."""

MOST_ACTIVE_PARTS = 300.0
"""In one table, at any time. ClickHouse delays inserts from 1,000 parts of a partition on (parts_to_delay_insert)."""

MOST_LAG_S = 10.0
"""What waits in the last tenth, in seconds of the load. A worker that keeps up has the batches in flight and those that
are being gathered uncommitted: some three seconds."""


def warm_up_seconds(seconds: float) -> float:
    """Return how much of a run's beginning is not judged."""
    return min(WARM_UP_S, seconds * WARM_UP_SHARE)


def targets(trends: Sequence[Trend], samples: Sequence[Sample], rate: float) -> list[Target]:
    """Return the bounds and whether they were kept.

    Args:
        trends: of all series, after the warm-up.
        samples: those after the warm-up.
        rate: events a second that were sent.
    """
    by_name = {one.name: one for one in trends}
    ours = [name.removesuffix("_threads") for name in by_name if name.startswith(("worker_", "stage_"))]
    judged: list[Target] = []
    for process in dict.fromkeys(name for name in ours if f"{name}_threads" in by_name):
        memory = by_name[f"{process}_memory_mb"]
        judged.append(Target(f"{process}: memory, last / first", memory.last / memory.first, MOST_MEMORY_TIMES, False))
        for kind in ("descriptors", "threads"):
            found = by_name[f"{process}_{kind}"]
            judged.append(Target(f"{process}: more {kind}", found.last - found.first, MOST_MORE, at_least=False))
    parts = max(value for one in samples for name, value in one.items() if name.startswith("parts_active_"))
    judged.append(Target("active parts of a table", parts, MOST_ACTIVE_PARTS, at_least=False))
    judged.append(Target("lag, seconds of the load", by_name["lag_errors"].last / rate, MOST_LAG_S, at_least=False))
    return judged


def counters(sample: Sample) -> str:
    """Return the worker's counters in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {sample[name]:.0f}" for name in COUNTERS)
