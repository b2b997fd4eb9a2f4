"""One sample: what every process uses, the worker's own metrics, and ClickHouse's parts and rows.

A sample is a mapping of a series' name to its value; what was not to be had is NaN. The names, for each ``<process>``
(worker, stage_1, stage_2, …, clickhouse, broker) and each ``<table>``:

* ``<process>_memory_mb`` (resident, 10^6 bytes), ``_descriptors``, ``_threads``, ``_cpu_s`` (so far), ``_cores``
  (CPU seconds a second since the sample before); ``others_cores`` is what is left of the machine's busy cores, the
  load included: where they are all taken, the figures say little about the worker;
* ``parts_active_<table>``, ``parts_inactive_<table>``, ``rows_<table>``;
* ``lag_errors`` and ``lag_counts`` in offsets, ``insert_p50_s`` and ``insert_p99_s`` of inserts into ``errors`` since
  the sample before, ``stored_per_s`` likewise, and the counters of :data:`COUNTERS`, so far.
"""

from __future__ import annotations

import math
import time
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Metric

from benchmarks.processes import (
    busy_seconds,
    command_line,
    cpu_seconds,
    descriptors,
    group,
    resident_megabytes,
    threads,
)
from benchmarks.servers import Place
from deploy.local.component import Component

Sample = Mapping[str, float]
Buckets = list[tuple[float, float]]
"""Upper bounds of a histogram in ascending order, the last one infinite, and how many values are below each."""

COUNTERS: dict[str, tuple[str, Mapping[str, str]]] = {
    "out_of_sequence": ("aftershock_out_of_sequence_total", {}),
    "expired_offsets": ("aftershock_expired_offsets_total", {}),
    "ledger_holes": ("aftershock_ledger_holes_total", {}),
    "retries_kafka": ("aftershock_retries_total", {"server": "kafka"}),
    "retries_clickhouse": ("aftershock_retries_total", {"server": "clickhouse"}),
    "dead_letters": ("aftershock_events_total", {"outcome": "dead_letter"}),
}
METRICS_S = 30.0
_STAGES = "pipeline.stages.child"


class Sampler:
    """Takes samples of one worker and its servers.

    Args:
        place: topics and database.
        worker: a worker that is ready.
    """

    def __init__(self, place: Place, worker: Component) -> None:
        self._place = place
        self._worker = worker
        self.processes = _processes(place, worker)
        self.tables = place.ask(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY 1"
        ).split()
        self._started = self._at = time.monotonic()
        self._buckets = _buckets(self._metrics())
        self._busy_s = busy_seconds()
        self._before: Sample = {**self._used(), **self._stored()}

    def restart_clock(self) -> None:
        """Count seconds from now on."""
        self._started = time.monotonic()

    def take(self, sent: int) -> dict[str, float]:
        """Return a sample, with how many events were sent so far; raises what :meth:`check` does."""
        try:
            return self._taken(sent)
        except (OSError, HTTPException, RuntimeError):
            # Who ended says more than that it does not answer.
            self.check()
            raise

    def _taken(self, sent: int) -> dict[str, float]:
        self.check()
        now = time.monotonic()
        sample: dict[str, float] = {"seconds": now - self._started, "sent": sent, **self._used(), **self._stored()}
        passed, busy_s = now - self._at, busy_seconds()
        for name in self.processes:
            sample[f"{name}_cores"] = (sample[f"{name}_cpu_s"] - self._before[f"{name}_cpu_s"]) / passed
        ours = sum(sample[f"{name}_cores"] for name in self.processes)
        sample["others_cores"] = max((busy_s - self._busy_s) / passed - ours, 0.0)
        sample["stored_per_s"] = (sample["rows_errors"] - self._before["rows_errors"]) / passed
        sample |= self._of_metrics(self._metrics())
        self._at, self._busy_s, self._before = now, busy_s, sample
        return sample

    def check(self) -> None:
        """Raise :class:`RuntimeError` when the worker, one of its stage processes or a server has ended."""
        for component in (self._worker, self._place.servers.clickhouse, self._place.servers.broker):
            if component.has_ended:
                raise RuntimeError(component.obituary())
        gone = [name for name, pid in self.processes.items() if name.startswith("stage_") and not _is_stage(pid)]
        if gone:
            raise RuntimeError(f"{', '.join(gone)} of the worker has ended; see {self._worker.process.log}")

    def _used(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, pid in self.processes.items():
            found[f"{name}_memory_mb"] = resident_megabytes(pid)
            found[f"{name}_descriptors"] = descriptors(pid)
            found[f"{name}_threads"] = threads(pid)
            found[f"{name}_cpu_s"] = cpu_seconds(pid)
        return found

    def _stored(self) -> dict[str, float]:
        kinds = ("parts_active", "parts_inactive", "rows")
        found = {f"{kind}_{table}": 0.0 for kind in kinds for table in self.tables}
        answer = self._place.ask(
            "SELECT table, countIf(active), countIf(NOT active), sumIf(rows, active) FROM system.parts "
            "WHERE database = currentDatabase() GROUP BY table"
        )
        for line in answer.splitlines():
            table, *values = line.split("\t")
            found |= {f"{kind}_{table}": float(value) for kind, value in zip(kinds, values, strict=True)}
        return found

    def _metrics(self) -> list[Metric]:
        """Return the worker's metrics, none when its page does not answer: that is a gap, not the end of the run."""
        try:
            with urllib.request.urlopen(f"{self._worker.address}/metrics", timeout=METRICS_S) as answer:
                page = answer.read().decode()
        except (OSError, HTTPException):
            return []
        return [metric for family in text_string_to_metric_families(page) for metric in family.samples]

    def _of_metrics(self, metrics: list[Metric]) -> dict[str, float]:
        if not metrics:
            names = ("lag_errors", "lag_counts", "insert_p50_s", "insert_p99_s", *COUNTERS)
            return dict.fromkeys(names, math.nan)
        found = {
            f"lag_{topic}": total(metrics, "aftershock_consumer_lag", {"topic": self._place.topic(topic)})
            for topic in ("errors", "counts")
        }
        buckets = _buckets(metrics)
        before = dict(self._buckets)
        since = [(bound, count - before.get(bound, 0.0)) for bound, count in buckets]
        self._buckets = buckets
        found |= {"insert_p50_s": quantile(0.5, since), "insert_p99_s": quantile(0.99, since)}
        return found | {name: total(metrics, metric, labels) for name, (metric, labels) in COUNTERS.items()}


def total(metrics: Sequence[Metric], name: str, labels: Mapping[str, str]) -> float:
    """Return the sum of a metric over all labels but those given; 0 when there is none yet."""
    return sum(one.value for one in metrics if one.name == name and labels.items() <= one.labels.items())


def quantile(share: float, buckets: Buckets) -> float:
    """Return the value below which a share of a histogram's values are, as PromQL's ``histogram_quantile`` does.

    That is linear within a bucket, and the largest finite bound beyond it; NaN when there are no values.
    """
    if not buckets or buckets[-1][1] <= 0:
        return math.nan
    wanted = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and math.isfinite(bound):
            return lower + (bound - lower) * (wanted - below) / (count - below) if count > below else bound
        if math.isfinite(bound):
            lower, below = bound, count
    return lower


def _buckets(metrics: Sequence[Metric]) -> Buckets:
    name, labels = "aftershock_insert_seconds_bucket", {"table": "errors"}
    return sorted(
        (float(one.labels["le"]), one.value)
        for one in metrics
        if one.name == name and labels.items() <= one.labels.items()
    )


def _processes(place: Place, worker: Component) -> dict[str, int]:
    """Return the numbers of the processes to watch, by their names."""
    pid = worker.process.pid or 0
    stages = sorted(one for one in group(pid) if one != pid and _is_stage(one))
    if not stages:
        raise RuntimeError(f"the worker, process {pid}, has no stage processes")
    return {
        "worker": pid,
        **{f"stage_{number}": stage for number, stage in enumerate(stages, 1)},
        "clickhouse": place.servers.clickhouse.process.pid or 0,
        "broker": place.servers.broker.process.pid or 0,
    }


def _is_stage(pid: int) -> bool:
    try:
        return any(_STAGES in argument for argument in command_line(pid))
    except (FileNotFoundError, ProcessLookupError):
        return False
