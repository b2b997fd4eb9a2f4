"""The launchers with the real servers: what lasts over a restart, what does not, and that everything ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.clickhouse import ClickHouse
from deploy.local.component import Component
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.kafka import ApacheKafka
from deploy.local.kafka_protocol import answers_api_versions
from deploy.local.ports import LOOPBACK, free_port
from pipeline.errors import Unavailable
from schemas.topics import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from conftest import Names

_DEADLINE_SECONDS = 30.0


def sql(url: str, statement: str) -> str:
    with urllib.request.urlopen(url, data=statement.encode(), timeout=30) as answer:
        return answer.read().decode().strip()


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition came true within a generous time; no test measures how long it took."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def gone(pid: int) -> bool:
    """Whether no such process runs any more; one that nobody has waited for yet counts as gone."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def echo(bootstrap: str, topic: str, message: bytes) -> bytes:
    """Create the topic, write one message, read it back."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": str(MAX_MESSAGE_BYTES)})])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=MAX_MESSAGE_BYTES)
    await producer.start()
    await producer.send_and_wait(topic, message)
    await producer.stop()
    return await first_message(bootstrap, topic)


async def first_message(bootstrap: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return (await consumer.getone()).value
    finally:
        await consumer.stop()


def test_tables_views_and_rows_last_over_a_stop(killable_clickhouse: ClickHouse) -> None:
    """Databases made over HTTP, and views that feed other tables, are there again after an orderly restart."""
    url = killable_clickhouse.address
    sql(url, "CREATE DATABASE kept")
    sql(url, "CREATE TABLE kept.source (n UInt64) ENGINE = MergeTree ORDER BY n")
    sql(url, "CREATE TABLE kept.total (c UInt64) ENGINE = MergeTree ORDER BY c")
    sql(url, "CREATE MATERIALIZED VIEW kept.feed TO kept.total AS SELECT count() AS c FROM kept.source")
    sql(url, "INSERT INTO kept.source SELECT number FROM numbers(10)")

    killable_clickhouse.stop()
    killable_clickhouse.start()
    sql(url, "INSERT INTO kept.source SELECT number FROM numbers(5)")

    assert sql(url, "SELECT count() FROM kept.source") == "15"
    assert sql(url, "SELECT sum(c) FROM kept.total") == "15"


def test_acknowledged_rows_survive_kill_9(killable_clickhouse: ClickHouse) -> None:
    """Every insert that was answered is there after SIGKILL and a restart on the same port."""
    url = killable_clickhouse.address
    sql(url, "CREATE DATABASE kept")
    sql(url, "CREATE TABLE kept.rows (n UInt64) ENGINE = MergeTree ORDER BY n")
    for start in range(0, 200, 10):
        sql(url, f"INSERT INTO kept.rows SELECT number + {start} FROM numbers(10)")

    killable_clickhouse.kill()
    with pytest.raises(urllib.error.URLError):
        sql(url, "SELECT 1")
    killable_clickhouse.start()

    assert sql(url, "SELECT count(), uniqExact(n) FROM kept.rows") == "200\t200"


def test_clickhouse_keeps_no_growing_log_and_a_memory_limit(clickhouse: str) -> None:
    """No system log table exists, and the memory limit is the configured one."""
    sql(clickhouse, "SYSTEM FLUSH LOGS")
    assert sql(clickhouse, "SELECT count() FROM system.tables WHERE database = 'system' AND name LIKE '%\\_log'") == "0"
    limit = sql(clickhouse, "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'")
    assert int(limit) <= 4_000_000_000


def test_a_second_clickhouse_on_the_same_data_says_so(killable_clickhouse: ClickHouse, tmp_path: Path) -> None:
    """The error carries the end of the server's own log, which names the cause."""
    second = ClickHouse(tmp_path / "clickhouse", port=free_port(), log=tmp_path / "second.log")
    with pytest.raises(Unavailable, match="Another server instance in same directory is already running"):
        second.start()


def test_the_embedded_broker_forgets_its_topics(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, port=free_port(), log=tmp_path / "broker.log")
    with broker:
        assert asyncio.run(echo(broker.address, "errors", b"hello")) == b"hello"
    with broker:
        assert asyncio.run(topics_of(broker.address)) == []


async def topics_of(bootstrap: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()


def test_a_message_of_20_mb_fits_through_the_broker(kafka: str, names: Names) -> None:
    message = b"x" * 20_000_000
    assert asyncio.run(echo(kafka, f"{names.topic_prefix}large", message)) == message


def test_apache_kafka_keeps_its_topics_over_kill_9(killable_broker: Component) -> None:
    """A message that was acknowledged is read again after SIGKILL and a restart."""
    if not isinstance(killable_broker, ApacheKafka):
        pytest.skip("this run's broker is the embedded one, for the reason in the header")
    asyncio.run(echo(killable_broker.address, "errors", b"hello"))
    killable_broker.kill()
    killable_broker.start()
    assert asyncio.run(first_message(killable_broker.address, "errors")) == b"hello"


def test_a_clickhouse_port_does_not_pass_for_a_broker(killable_clickhouse: ClickHouse) -> None:
    """Another server on the port answers something, but not what a broker answers.

    On a server of its own: this ClickHouse may end at a request that is no HTTP.
    """
    assert not answers_api_versions(LOOPBACK, int(killable_clickhouse.address.rpartition(":")[2]))


STACK_OF_TWO = """
import sys, time
from pathlib import Path
from deploy.local.clickhouse import ClickHouse
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.ports import free_port

directory = Path(sys.argv[1])
servers = [
    ClickHouse(directory / "clickhouse", port=free_port(), log=directory / "clickhouse.log"),
    EmbeddedBroker(directory / "broker", port=free_port(), log=directory / "broker.log"),
]
for server in servers:
    server.start()
print(*(server.process.pid for server in servers), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_servers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up; the servers are gone all the same."""
    parent = subprocess.Popen([sys.executable, "-c", STACK_OF_TWO, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(gone(pid) for pid in pids)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert eventually(lambda: all(gone(pid) for pid in pids))


WATCHED_SLEEPER = """
import os, subprocess, sys, time
watcher = "import sys; from deploy.local.child import watch; sys.exit(watch(int(sys.argv[1]), sys.argv[2:]))"
sleeper = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", watcher, str(os.getpid()), sys.executable, "-c", sleeper])
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_watching_fallback_kills_the_command_when_the_parent_has_gone() -> None:
    """What other systems than Linux use: the watcher notices that it has a new parent and ends the command."""
    parent = subprocess.Popen([sys.executable, "-c", WATCHED_SLEEPER], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    sleeper = int(parent.stdout.readline())
    assert not gone(sleeper)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert eventually(lambda: gone(sleeper))
