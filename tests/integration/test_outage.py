"""With Kafka away and the gateway killed, everything that was answered with 200 is in ClickHouse, once.

The whole minute is ``python -m benchmarks.outage``; here Kafka is away for a few seconds, killed and then frozen.
"""

from __future__ import annotations

import pytest

from benchmarks.outage import MOST_MB, measure
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.kafka import ApacheKafka

SECONDS = 8.0
"""Longer than the gateway waits for Kafka before it turns to its spool, twice: it is killed in the middle."""


def test_everything_answered_is_in_clickhouse_once(broker_type: type[ApacheKafka | EmbeddedBroker]) -> None:
    if broker_type is not ApacheKafka:
        pytest.skip("the embedded broker loses its topics when it stops: this needs Apache Kafka")
    found = measure(SECONDS, rate=100)
    assert found.statuses[200] > 1000
    # While the gateway was killed some got no answer; nobody was told to come back, for the spool has room.
    assert set(found.statuses) <= {200, 0}
    assert (found.lost, found.doubled, found.unasked) == ([], [], [])
    # SIGTERM loses nothing that was sent: it is answered, and then the connection is closed.
    assert found.unanswered_at_end == 0
    assert found.gateway_mb < MOST_MB
