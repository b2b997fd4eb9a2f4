"""A server that is away for 15 seconds costs a worker's log a few lines, whatever its clients say about it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from absence import page, waited_for
from installation import Installation, event, message

from deploy.local.clickhouse import ClickHouse
from deploy.local.kafka import ApacheKafka

AWAY_S = 15.0
MOST_LINES = 10
EVENTS = 3000


@pytest.mark.parametrize("away", ["kafka", "clickhouse"])
def test_an_outage_is_told_in_a_few_lines(
    away: str, killable_broker: Any, killable_clickhouse: ClickHouse, names: Any, tmp_path: Path
) -> None:
    if not isinstance(killable_broker, ApacheKafka):
        pytest.skip("the embedded broker loses its topics when it stops: this needs Apache Kafka")
    installation = Installation(killable_broker.address, killable_clickhouse.address, names, tmp_path)
    installation.migrate()
    server = killable_broker if away == "kafka" else killable_clickhouse
    with installation.worker() as worker:
        installation.produce(message(event(number, group=number % 40)) for number in range(EVENTS))
        installation.wait_for("something is stored", lambda: bool(installation.value("SELECT count() FROM errors")))
        before = len(_lines(worker))
        server.kill()
        killed = time.monotonic()
        waited_for("the server is missed", lambda: page(worker, "/health/ready")[0] == 503, 10, worker)
        time.sleep(AWAY_S - (time.monotonic() - killed))
        server.start()
        waited_for("ready again", lambda: page(worker, "/health/ready")[0] == 200, 20, worker)
        installation.wait_for_rows(EVENTS)
        lines = _lines(worker)[before:]
    said = "\n".join(lines)
    assert 2 <= len(lines) <= MOST_LINES, said
    written = [json.loads(line) for line in lines]
    assert any("does not answer" in line["message"] or "has not answered" in line["message"] for line in written), said
    ends = [line["message"] for line in written if "answers again after" in line["message"]]
    assert len(ends) == 1, said
    if away == "kafka":
        # That the clients did say it over and over, or this test shows nothing.
        left_out = ends[0].partition("; ")[2].partition(" lines about it were left out")[0]
        assert int(left_out.replace(",", "")) > 100


def _lines(worker: Any) -> list[str]:
    return [line for line in worker.process.log.read_text(encoding="utf-8").splitlines() if line.strip()]
