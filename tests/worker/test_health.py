"""Health tells the truth: about what stands still, what waits and which server does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from faust.types import TP

from pipeline.config.settings import Settings, WorkerSettings
from pipeline.edges.settings import KafkaSettings
from pipeline.intake.fencing import Membership
from pipeline.runtime.metrics import Metrics
from pipeline.worker.health import Health

ERRORS_0, COUNTS_1 = TP("t-errors", 0), TP("t-counts", 1)


@dataclass
class Worker:
    """Stands for the Faust app and its consumer, and for the client that reads the log's ends."""

    now: float = 0.0
    committed_offsets: dict[TP, int] = field(default_factory=dict)
    begins: dict[TP, int] = field(default_factory=dict)
    ends: dict[TP, int] = field(default_factory=dict)
    rebalancing: bool = False
    consumer_generation_id: int = 7

    def __post_init__(self) -> None:
        self.membership = Membership(6.0, lambda: self.now)

    @property
    def consumer(self) -> Worker:
        return self

    def assignment(self) -> set[TP]:
        return {*self.ends, TP("t-windows", 0)}

    def committed(self, tp: TP) -> int:
        return self.committed_offsets.get(tp, 0)

    async def end_offsets(self, tps: list[Any]) -> dict[Any, int]:
        return {tp: self.ends[TP(*tp)] for tp in tps}

    async def beginning_offsets(self, tps: list[Any]) -> dict[Any, int]:
        return {tp: self.begins.get(TP(*tp), 0) for tp in tps}

    async def ask_clickhouse(self) -> None:
        pass

    @property
    def _client(self) -> Worker:
        return self

    async def force_metadata_update(self) -> bool:
        return True

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def health(worker: Worker) -> Health:
    settings = Settings(kafka=KafkaSettings(topic_prefix="t-"), worker=WorkerSettings(stall_after_s=60))
    return Health(settings, Metrics(), worker, dict, worker.ask_clickhouse, lambda: worker.now)


def look(health: Health, worker: Worker, now: float) -> None:
    worker.now = now
    health.answered("clickhouse")
    asyncio.run(health._look(worker))


def test_nothing_is_ready_before_the_first_look(health: Health) -> None:
    """Partitions come once the servers are there: beside a server they are not named."""
    state = health.ready()
    assert (state["ready"], state["missing"]) == (False, ["kafka", "clickhouse"])
    assert state["why"]["kafka"] == "Kafka has not answered yet"
    assert health.live() == {"live": True, "stalled": []}


def test_servers_that_have_answered_are_not_enough_to_be_ready(health: Health) -> None:
    health.answered("kafka")
    health.answered("clickhouse")
    assert health.ready()["missing"] == ["partitions"]


def test_a_worker_that_has_its_partitions_is_ready_and_shows_its_lag(health: Health, worker: Worker) -> None:
    worker.ends = {ERRORS_0: 10, COUNTS_1: 5}
    worker.committed_offsets = {ERRORS_0: 7, COUNTS_1: 5}
    look(health, worker, 0)
    assert health.ready() == {"ready": True, "missing": [], "why": {}, "lag": {"t-counts-1": 0, "t-errors-0": 3}}
    assert b'aftershock_consumer_lag{partition="0",topic="t-errors"} 3.0' in health.exposition()


def test_a_worker_that_the_group_has_no_partition_for_is_ready_to_step_in(health: Health, worker: Worker) -> None:
    look(health, worker, 0)
    assert health.ready()["missing"] == ["partitions"]
    worker.membership.confirm(6, 0)
    look(health, worker, 1)
    assert health.ready()["missing"] == ["partitions"]
    worker.membership.confirm(7, 1)
    look(health, worker, 2)
    assert health.ready() == {"ready": True, "missing": [], "why": {}, "lag": {}}
    worker.rebalancing = True
    assert health.ready()["missing"] == ["partitions"]


def test_a_partition_where_messages_wait_and_nothing_moves_is_stalled(health: Health, worker: Worker) -> None:
    worker.ends = {ERRORS_0: 10, COUNTS_1: 5}
    worker.committed_offsets = {ERRORS_0: 7, COUNTS_1: 5}
    look(health, worker, 0)
    worker.ends[ERRORS_0] = 500
    look(health, worker, 60)
    assert health.live()["live"]
    look(health, worker, 61)
    assert health.live() == {"live": False, "stalled": ["t-errors-0"]}
    assert health.ready()["missing"] == ["progress"]
    worker.committed_offsets[ERRORS_0] = 8
    look(health, worker, 65)
    assert health.live()["live"]


def test_a_partition_that_was_idle_is_not_stalled_by_its_next_message(health: Health, worker: Worker) -> None:
    worker.ends, worker.committed_offsets = {ERRORS_0: 7}, {ERRORS_0: 7}
    look(health, worker, 0)
    look(health, worker, 1000)
    worker.ends[ERRORS_0] = 8
    look(health, worker, 1005)
    look(health, worker, 1060)
    assert health.live()["live"]
    look(health, worker, 1066)
    assert not health.live()["live"]


def test_what_has_expired_does_not_wait(health: Health, worker: Worker) -> None:
    """Nothing was ever committed of a topic whose messages are all gone."""
    worker.ends, worker.begins = {ERRORS_0: 500}, {ERRORS_0: 500}
    look(health, worker, 0)
    look(health, worker, 1000)
    assert health.live()["live"]
    assert health.ready()["lag"] == {"t-errors-0": 0}


def test_partitions_that_were_given_away_are_forgotten(health: Health, worker: Worker) -> None:
    worker.ends = {ERRORS_0: 10, COUNTS_1: 5}
    look(health, worker, 0)
    del worker.ends[ERRORS_0]
    look(health, worker, 1000)
    assert health.live()["stalled"] == ["t-counts-1"]
    assert b"t-errors" not in health.exposition()


def test_a_server_that_does_not_answer_and_a_rebalance_are_named(health: Health, worker: Worker) -> None:
    worker.ends = {ERRORS_0: 0}
    look(health, worker, 0)
    health.missed("clickhouse", "ClickHouse at c does not answer")
    assert health.ready()["missing"] == ["clickhouse"]
    assert health.ready()["why"] == {"clickhouse": "ClickHouse at c does not answer"}
    worker.rebalancing = True
    assert health.ready()["missing"] == ["clickhouse", "partitions"]
    look(health, worker, 5)
    assert health.ready()["missing"] == ["partitions"]


def test_an_absence_is_logged_once_and_its_end_with_how_long_it_took(
    health: Health, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    look(health, worker, 0)
    for now in (2, 9, 16):
        worker.now = now
        health.missed("kafka", "Kafka at k has not answered for 5 s")
    look(health, worker, 17.5)
    assert caplog.messages == ["Kafka at k has not answered for 5 s", "Kafka answers again after 17.5 s"]
    look(health, worker, 20)
    assert len(caplog.messages) == 2


def test_a_clickhouse_that_hangs_is_named_and_not_asked_again_meanwhile(
    health: Health, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question holds a thread of the worker's until it is answered."""
    monkeypatch.setattr("pipeline.worker.health.LONGEST_LOOK_S", 0.02)
    monkeypatch.setattr("pipeline.worker.health.LOOK_S", 0.01)
    asked: list[asyncio.Future[None]] = []

    async def ask() -> None:
        asked.append(asyncio.get_running_loop().create_future())
        await asked[-1]

    health._ask_clickhouse = ask

    async def watched() -> None:
        watching = asyncio.create_task(health._watch_clickhouse())
        await until(lambda: "has not answered for" in health.ready()["why"].get("clickhouse", ""))
        for _ in range(3):
            await asyncio.sleep(0.03)
        assert len(asked) == 1
        asked[0].set_result(None)
        await until(lambda: "clickhouse" not in health.ready()["missing"])
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 5))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  what health says is no event
        await asyncio.sleep(0.005)
