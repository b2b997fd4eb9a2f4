"""``/health/ready`` names Kafka soon after it is gone, or hangs, and is ready again soon after it is back."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from absence import page, waited_for
from installation import Installation, event, message

from deploy.local.kafka import ApacheKafka
from pipeline.worker.failure import LONGEST_END_S

SOON_S = 10.0
AWAY_S = 8.0


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_ready_tells_the_truth_about_kafka(
    how: str, killable_broker: Any, clickhouse: str, names: Any, tmp_path: Path
) -> None:
    if not isinstance(killable_broker, ApacheKafka):
        pytest.skip("the embedded broker loses its topics when it stops: this needs Apache Kafka")
    installation = Installation(killable_broker.address, clickhouse, names, tmp_path)
    installation.migrate()
    with installation.worker() as worker:
        installation.produce([message(event())])
        installation.wait_for_rows(1)
        if how == "kill":
            killable_broker.kill()
        else:
            killable_broker.process._signal(signal.SIGSTOP)
        try:
            waited_for("kafka is missing", lambda: _missing(worker) == (503, True), SOON_S, worker)
            # Longer than the session timeout, so that the group has forgotten the worker when Kafka is back.
            until = time.monotonic() + AWAY_S
            while time.monotonic() < until:
                assert _missing(worker) == (503, True)
                time.sleep(0.5)
            assert page(worker, "/health/live")[0] == 200
        finally:
            if how == "kill":
                killable_broker.start()
            else:
                killable_broker.process._signal(signal.SIGCONT)
        waited_for("ready again", lambda: page(worker, "/health/ready")[0] == 200, SOON_S, worker)
        installation.produce([message(event())])
        installation.wait_for_rows(2)


def test_a_worker_that_is_told_to_stop_while_kafka_hangs_ends(
    killable_broker: Any, clickhouse: str, names: Any, tmp_path: Path
) -> None:
    """Faust commits at the end, and would wait for that as long as Kafka is away."""
    if not isinstance(killable_broker, ApacheKafka):
        pytest.skip("the embedded broker loses its topics when it stops: this needs Apache Kafka")
    installation = Installation(killable_broker.address, clickhouse, names, tmp_path)
    installation.migrate()
    with installation.worker() as worker:
        installation.produce([message(event())])
        installation.wait_for_rows(1)
        killable_broker.process._signal(signal.SIGSTOP)
        try:
            worker.process.ask_to_end()
            waited_for("the worker has ended", lambda: not worker.process.running, LONGEST_END_S + 10, worker)
            assert worker.process.exit_code == 0
        finally:
            killable_broker.process._signal(signal.SIGCONT)


def _missing(worker: Any) -> tuple[int, bool]:
    status, state = page(worker, "/health/ready")
    return status, "kafka" in state.get("missing", ())
