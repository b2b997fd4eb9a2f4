"""The topic that alerts are sent to, and whose latest alerts say what was sent before."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.edges import kafka
from pipeline.edges.retry import until_available
from pipeline.edges.settings import KafkaSettings
from pipeline.runtime.metrics import Metrics
from pipeline.tables.alerts import alert_ids
from schemas.alert import Alert, encode_alert
from schemas.topics import ALERTS

MOST_SENT_BEFORE = 10_000
"""How many of the latest alerts are read to recognise those that were sent before."""


class AlertTopic:
    """Sends alerts, however long Kafka is away.

    Args:
        settings: where Kafka is.
        send: sends a message to Kafka.
        metrics: where retries are counted.
    """

    def __init__(self, settings: KafkaSettings, send: kafka.Send, metrics: Metrics) -> None:
        self._settings = settings
        self._send = send
        self._retried = metrics.retries.labels("kafka").inc

    async def send(self, alert: Alert) -> None:
        """Send an alert; return when it is acknowledged."""
        key = alert.dedup_key.encode()
        await until_available(lambda: self._send(ALERTS.name, encode_alert(alert), key=key), self._retried)

    async def latest_ids(self) -> Iterable[str]:
        """Return the ids of the latest :data:`MOST_SENT_BEFORE` alerts."""
        topic = self._settings.topic_prefix + ALERTS.name
        values = await until_available(
            lambda: kafka.latest_values(self._settings, topic, MOST_SENT_BEFORE), self._retried
        )
        return alert_ids(values)
