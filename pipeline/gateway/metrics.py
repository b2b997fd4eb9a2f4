"""The gateway's metrics, for Prometheus. Labels are closed sets of words; none holds anything of a request."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from pipeline.gateway.reports import Outcome

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one gateway process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "aftershock_gateway_requests",
            "Requests by status and by what was wrong: ok, auth, project, origin, malformed, too_large, rate_limited, "
            "guessing, kafka, slow, busy, path",
            ("status", "outcome"),
            registry=self.registry,
        )
        self.outcomes = Counter(
            "aftershock_gateway_outcomes",
            "Items by data category and outcome: accepted, no_topic, rate_limited, kafka, filtered, sampled, "
            "and client_<reason> for what SDKs report to have discarded themselves",
            ("category", "outcome"),
            registry=self.registry,
        )
        # Looked up once: by name it takes longer than all the rest of counting.
        self.taken = self.requests.labels(200, "ok")
        self._counters: dict[tuple[str, str], Counter] = {}
        self.bytes = Counter(
            "aftershock_gateway_bytes", "Bytes of the bodies of requests, as they came", registry=self.registry
        )
        self.acknowledge_seconds = Histogram(
            "aftershock_gateway_acknowledge_seconds",
            "From the messages of a request until Kafka, or while it is away the disk, has them all",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "aftershock_gateway_in_flight", "Requests that are being answered", registry=self.registry
        )
        self.spool_bytes = Gauge(
            "aftershock_gateway_spool_bytes", "Bytes that wait on disk for Kafka", registry=self.registry
        )

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count what became of items."""
        for one in outcomes:
            counter = self._counters.get((one.category, one.outcome))
            if counter is None:
                counter = self.outcomes.labels(one.category, one.outcome)
                self._counters[one.category, one.outcome] = counter
            counter.inc(one.quantity)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
