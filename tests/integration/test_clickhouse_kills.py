"""ClickHouse is killed in the middle of inserts, and between two system calls of one: every row is counted once.

``AFTERSHOCK_KILLS`` is how often it is killed at random; 12 times if it is not set.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local.clickhouse import ClickHouse as Server
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.intake.ledger import Ledger
from pipeline.records.record import RawBatch
from pipeline.runtime.metrics import Metrics
from pipeline.store.batch_inserts import BatchInserts
from pipeline.store.deliver import Delivery
from pipeline.store.migrate import migrate_clickhouse
from pipeline.store.repeated_inserts import Repeats
from tests.deliveries import ALL, InThisProcess, Sink, always, delivered
from tests.records import Message, raw_batch
from tests.transformed import COLUMNS, NOW

KILLS = int(os.environ.get("AFTERSHOCK_KILLS", "12"))
PARTITIONS = 4
BATCH = 40
WEEK_S = 7 * 24 * 60 * 60
COUNTED = {
    "errors": "count()",
    "issues": "sum(count)",
    "errors_per_minute": "sum(count)",
    "errors_per_hour": "sum(count)",
    "releases": "sum(errors)",
}
RENAMES = 9
"""A batch of two weeks is two parts in each table but ``releases``; one thread may rename them all."""
MOST_ATTEMPTS = 5 * RENAMES


@pytest.fixture
def server(killable_clickhouse: Server) -> Sink:
    sink = Sink(ClickHouseSettings(url=killable_clickhouse.address, database="killed"), timeout_s=10)
    migrate_clickhouse(sink, RetentionSettings(), lambda _line: None)
    return sink


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4 * PARTITIONS) as threads:
        yield threads


def batch_of(partition: int, first: int, weeks: int) -> RawBatch:
    """Return a batch of errors that happened now and, with two weeks, the week before."""
    now = time.time()
    messages = [
        Message(
            json.dumps(
                {
                    "message": f"issue {'abcdefgh'[offset % 8]}",
                    "release": "shop@1.0",
                    "timestamp": now - WEEK_S * (offset % weeks),
                    "user": {"id": str(offset)},
                }
            ).encode(),
            offset,
            partition=partition,
            timestamp=int(now * 1000),
        )
        for offset in range(first, first + BATCH)
    ]
    batch = raw_batch(*messages)
    batch.source = batch.source._replace(partition=partition)
    return batch


def delivery(server: Sink, executor: ThreadPoolExecutor, metrics: Metrics) -> Delivery:
    inserts = BatchInserts(
        COLUMNS, clickhouse=server, repeats=Repeats(server, metrics), executor=executor, metrics=metrics
    )
    return Delivery(
        InThisProcess(NOW.process, ALL),
        inserts,
        held=always,
        ledger=Ledger(server),
        send=server.send,
        metrics=metrics,
    )


def counted(server: Sink) -> dict[str, int]:
    """Return how many events each table has or counts."""
    return {table: int(server.rows(f"SELECT {sum_} AS n FROM {table}")[0]["n"]) for table, sum_ in COUNTED.items()}


def restored(metrics: Metrics) -> dict[str, int]:
    samples = metrics.restored.collect()[0].samples
    return {one.labels["table"]: int(one.value) for one in samples if one.name.endswith("_total")}


def test_clickhouse_killed_at_random_has_every_event_once(
    killable_clickhouse: Server, server: Sink, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is never up for long.
    monkeypatch.setattr("pipeline.edges.retry.LONGEST_PAUSE_S", 0.2)
    rng, metrics, sent, ended = random.Random(3), Metrics(), list[int](), threading.Event()
    to = delivery(server, executor, metrics)

    async def deliver_all(partition: int) -> None:
        first = 0
        while not ended.is_set():
            await delivered(to, batch_of(partition, first, 1 + rng.randrange(2)))
            sent.append(BATCH)
            first += BATCH

    async def go_on() -> None:
        await asyncio.gather(*(deliver_all(partition) for partition in range(PARTITIONS)))

    delivering = threading.Thread(target=asyncio.run, args=(go_on(),))
    delivering.start()
    try:
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.7, 2.2))
            killable_clickhouse.kill()
            killable_clickhouse.start()
    finally:
        ended.set()
        delivering.join(120)
    assert not delivering.is_alive()
    print(f"{KILLS} kills, {len(sent)} batches, {sum(sent)} events, restored: {restored(metrics)}")
    assert counted(server) == dict.fromkeys(COUNTED, sum(sent))
    assert len(sent) > KILLS


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed: it kills at a system call")
def test_clickhouse_killed_before_it_renames_a_part_has_every_event_once(
    killable_clickhouse: Server, server: Sink, executor: ThreadPoolExecutor
) -> None:
    """In each of the tables once at least: the token of the part is noted already."""
    found: Counter[str] = Counter()
    for attempt in range(MOST_ATTEMPTS):
        metrics = Metrics()
        work = delivered(delivery(server, executor, metrics), batch_of(0, attempt * BATCH, 2))
        delivering = threading.Thread(target=asyncio.run, args=(work,))
        kill_at_rename(killable_clickhouse, attempt % RENAMES + 1, delivering)
        delivering.join(60)
        assert not delivering.is_alive()
        found.update(restored(metrics))
        assert counted(server) == dict.fromkeys(COUNTED, (attempt + 1) * BATCH), f"attempt {attempt}: {found}"
        if set(found) == set(COUNTED):
            break
    print(f"restored: {dict(found)}")
    assert set(found) == set(COUNTED), "the kill that this is about did not happen everywhere"


def kill_at_rename(server: Server, rename: int, delivering: threading.Thread) -> None:
    """Start a delivery, kill the server when one of its threads is about to rename for the n-th time, and revive it.

    Which thread of the server does what is for it to say, so a delivery may also end before.
    """
    inject = f"inject=rename:signal=SIGKILL:when={rename}"
    command = ["strace", "-f", "-e", "trace=rename", "-e", inject, "-p", str(server.process.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as traced:
        assert traced.stderr is not None
        assert "attached" in traced.stderr.readline()
        delivering.start()
        while not server.has_ended and delivering.is_alive():
            time.sleep(0.05)
        traced.kill()
    if server.has_ended:
        # In this thread: it ends with the one that starts it.
        server.kill()
        server.start()
