"""A worker that is started while a server is away waits for it, and says so; it does not end."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from absence import launched, missing, page, waited_for
from installation import Installation, event, message

from deploy.local.clickhouse import ClickHouse
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import free_port

AWAY_S = 8.0


@pytest.fixture
def own(
    killable_broker: Any, killable_clickhouse: ClickHouse, names: Any, tmp_path: Path
) -> tuple[Installation, ApacheKafka, ClickHouse]:
    """An installation on servers of the test's own."""
    if not isinstance(killable_broker, ApacheKafka):
        pytest.skip("the embedded broker loses its topics when it stops: this needs Apache Kafka")
    installation = Installation(killable_broker.address, killable_clickhouse.address, names, tmp_path)
    installation.migrate()
    return installation, killable_broker, killable_clickhouse


@pytest.mark.parametrize("away", [("kafka",), ("clickhouse",), ("kafka", "clickhouse")], ids="+".join)
def test_a_worker_waits_for_servers_that_are_away_at_its_start(own: Any, away: tuple[str, ...]) -> None:
    installation, broker, clickhouse = own
    installation.produce([message(event())])
    servers = {"kafka": broker, "clickhouse": clickhouse}
    for name in away:
        servers[name].kill()
    with launched(installation) as worker:
        waited_for("the pages", lambda: missing(worker) == list(away), 20, worker)
        started = time.monotonic()
        while time.monotonic() < started + AWAY_S:
            assert page(worker, "/health/live")[0] == 200
            status, state = page(worker, "/health/ready")
            assert (status, state["missing"]) == (503, list(away))
            assert all("does not answer" in state["why"][name] for name in away)
            time.sleep(0.5)
        for name in away:
            servers[name].start()
        waited_for("ready", lambda: page(worker, "/health/ready")[0] == 200, 20, worker)
        installation.wait_for_rows(1)


@pytest.mark.parametrize("back", [True, False], ids=["comes back", "stays away"])
def test_kafka_may_go_away_again_before_the_group_is_joined(own: Any, back: bool) -> None:
    """Kafka has answered, ClickHouse not yet; when it does, Kafka is gone."""
    installation, broker, clickhouse = own
    clickhouse.kill()
    with launched(installation) as worker:
        waited_for("the pages", lambda: missing(worker) == ["clickhouse"], 20, worker)
        broker.kill()
        clickhouse.start()
        waited_for("kafka is missed", lambda: missing(worker) == ["kafka"], 20, worker)
        assert page(worker, "/health/live")[0] == 200
        if back:
            broker.start()
            waited_for("ready", lambda: page(worker, "/health/ready")[0] == 200, 30, worker)
        else:
            asked = time.monotonic()
            worker.ask_to_end()
            worker.process.wait(20)
            assert worker.process.exit_code == 0
            assert time.monotonic() - asked < 10


def test_sigterm_ends_a_waiting_worker_at_once(own: Any) -> None:
    """Also while a server hangs and a thread of the worker waits for its answer."""
    installation, broker, clickhouse = own
    broker.kill()
    clickhouse.process._signal(signal.SIGSTOP)
    try:
        with launched(installation) as worker:
            waited_for("the pages", lambda: "kafka" in (missing(worker) or ()), 20, worker)
            asked = time.monotonic()
            worker.ask_to_end()
            worker.process.wait(10)
            assert worker.process.exit_code == 0
            assert time.monotonic() - asked < 2
    finally:
        clickhouse.process._signal(signal.SIGCONT)


def test_a_host_that_does_not_resolve_is_waited_for_and_named(own: Any) -> None:
    installation, *_ = own
    installation.environment["AFTERSHOCK_KAFKA"] = "kafka.invalid:9092"
    with launched(installation) as worker:
        waited_for("the pages", lambda: missing(worker) == ["kafka"], 20, worker)
        waited_for(
            "the reason",
            lambda: "cannot be resolved" in page(worker, "/health/ready")[1]["why"]["kafka"],
            20,
            worker,
        )
        assert "cannot be resolved" in " ".join(worker.process.last_lines(20))


def test_missing_topics_end_the_worker_with_the_remedy(own: Any) -> None:
    installation, *_ = own
    installation.environment["AFTERSHOCK_TOPIC_PREFIX"] = "nobody-"
    with launched(installation) as worker:
        worker.process.wait(30)
        assert worker.process.exit_code == 2
        assert "aftershock migrate" in worker.process.last_lines(1)[0]


def test_refused_credentials_end_the_worker(own: Any) -> None:
    installation, *_ = own
    installation.environment["AFTERSHOCK_CLICKHOUSE_PASSWORD"] = "wrong"
    with launched(installation) as worker:
        worker.process.wait(30)
        assert worker.process.exit_code == 2
        assert worker.process.last_lines(1)[0].startswith("aftershock: ")
        assert "wrong" not in worker.process.last_lines(1)[0]


def test_a_port_that_is_taken_ends_the_worker(own: Any) -> None:
    installation, *_ = own
    with launched(installation) as first, closing(socket.create_server(("127.0.0.1", free_port()))) as taken:
        first.port = taken.getsockname()[1]
        first.process.kill()
        first.launch()
        first.process.wait(30)
        assert first.process.exit_code == 2
        assert "cannot be listened on" in first.process.last_lines(1)[0]
