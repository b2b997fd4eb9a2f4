"""Metrics under the field's names, for Prometheus. Labels have few values; none holds anything of an event."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

BATCH_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The worker's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.events = Counter(
            "aftershock_events",
            "Events by topic and by what became of them: stored, counted (not stored whole), filtered, dead_letter",
            ("topic", "outcome"),
            registry=self.registry,
        )
        self.batches = Counter(
            "aftershock_batches", "Batches that are done with, by topic", ("topic",), registry=self.registry
        )
        self.batch_seconds = Histogram(
            "aftershock_batch_seconds",
            "From the cut of a batch until its rows and counts are acknowledged",
            ("topic",),
            buckets=BATCH_SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Counter(
            "aftershock_stage_seconds",
            "Processing time by stage: decode, filter, scrub, fingerprint, rows, count, downsample, encode",
            ("stage",),
            registry=self.registry,
        )
        self.insert_seconds = Histogram(
            "aftershock_insert_seconds",
            "Time of one insert into ClickHouse, from the first of a batch's rows to the answer, by table",
            ("table",),
            buckets=BATCH_SECONDS,
            registry=self.registry,
        )
        self.out_of_sequence = Counter(
            "aftershock_out_of_sequence",
            "Fetches that did not follow on what was taken before, by topic: they were refused, and read again",
            ("topic",),
            registry=self.registry,
        )
        self.expired = Counter(
            "aftershock_expired_offsets",
            "Offsets that Kafka had deleted before they were read, by topic: what they held is lost",
            ("topic",),
            registry=self.registry,
        )
        self.ledger_holes = Counter(
            "aftershock_ledger_holes",
            "Partitions that were assigned with offsets before the committed one in no batch, by topic: see the audit",
            ("topic",),
            registry=self.registry,
        )
        self.retries = Counter(
            "aftershock_retries",
            "Requests sent again, by server: kafka, clickhouse",
            ("server",),
            registry=self.registry,
        )
        self.restored = Counter(
            "aftershock_restored_blocks",
            "Blocks that were added once more, because ClickHouse knew their token and had lost their rows, by table",
            ("table",),
            registry=self.registry,
        )
        self.alerts = Counter(
            "aftershock_alerts", "Alerts sent, by rule and state", ("rule", "state"), registry=self.registry
        )
        self.groups = Gauge(
            "aftershock_window_groups",
            "Groups with an open window, by counts partition",
            ("partition",),
            registry=self.registry,
        )
        self.counts = Counter(
            "aftershock_counts_messages",
            "Messages of the topic counts: applied; of these overlapping, whose batch had been applied in part; and "
            "duplicates, which had been applied",
            ("outcome",),
            registry=self.registry,
        )
        self.not_counted = Counter(
            "aftershock_window_drops",
            "What the windows did not count, by reason: late (panes that were over for longer than the allowed "
            "lateness), evicted (groups beyond a rule's limit), unknown_rule (groups of a rule that this worker lacks)",
            ("reason",),
            registry=self.registry,
        )
        self.lag = Gauge(
            "aftershock_consumer_lag",
            "Offsets between the committed one and the end of the log, by topic and partition",
            ("topic", "partition"),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "aftershock_batches_in_flight", "Batches that are being delivered", registry=self.registry
        )

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
