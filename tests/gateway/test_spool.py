"""The spool: what is answered with 200 while Kafka is away is on disk; integration/test_outage.py has the rest."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.gateway import LOCAL_KEY, Gateway
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import LOOPBACK, free_port
from pipeline.edges import kafka
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Unavailable
from pipeline.gateway.items import Message
from pipeline.gateway.spool import Spool
from schemas.topics import TOPICS

messages = st.builds(
    Message, st.sampled_from(("errors", "spans")), st.none() | st.binary(max_size=8), st.binary(max_size=300), st.text()
)


async def everything(spool: Spool) -> list[Message]:
    found: list[Message] = []
    while True:
        records, position = await spool.read()
        if not records:
            return found
        found.extend(record.message for record in records)
        await spool.done(position)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(messages, min_size=1, max_size=4), max_size=5))
def test_messages_come_out_as_they_went_in_after_a_restart_too(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Message]]
) -> None:
    place = tmp_path_factory.mktemp("spool")

    async def write() -> None:
        spool = Spool(place, 1 << 20)
        await asyncio.gather(*(spool.append(batch, 1) for batch in batches))
        spool.close()

    async def read() -> list[Message]:
        spool = Spool(place, 1 << 20)
        found = await everything(spool)
        assert spool.empty
        spool.begin_anew()
        spool.close()
        return found

    asyncio.run(write())
    assert asyncio.run(read()) == [message for batch in batches for message in batch]
    assert asyncio.run(read()) == []


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_record_that_a_crash_left_unfinished_is_cut_off(tmp_path: Path, lost: int) -> None:
    def message(number: int) -> Message:
        return Message("errors", b"%d" % number, b"x" * 30, "shop")

    async def work() -> None:
        spool = Spool(tmp_path, 1 << 20)
        for number in range(3):
            await spool.append([message(number)], 1)
        spool.close()
        file = tmp_path / "1" / "messages"
        file.write_bytes(file.read_bytes()[:-lost])
        spool = Spool(tmp_path, 1 << 20)
        await spool.append([message(3)], 1)
        assert await everything(spool) == [message(0), message(1), message(3)]
        spool.close()

    asyncio.run(work())


def test_a_full_spool_takes_nothing_more(tmp_path: Path) -> None:
    async def work() -> None:
        spool = Spool(tmp_path, 1000)
        await spool.append([Message("errors", b"1", b"x" * 800, "shop")], 1)
        with pytest.raises(Unavailable):
            await spool.append([Message("errors", b"2", b"x" * 800, "shop")], 1)
        assert [message.key for message in await everything(spool)] == [b"1"]
        spool.close()

    asyncio.run(work())


def test_each_process_has_a_place_of_its_own(tmp_path: Path) -> None:
    async def work() -> None:
        first, second = Spool(tmp_path, 1 << 20), Spool(tmp_path, 1 << 20)
        await second.append([Message("errors", b"2", b"x", "shop")], 1)
        assert await everything(first) == []
        first.close()
        second.close()

    asyncio.run(work())


def test_nothing_is_answered_with_200_before_kafka_has_acknowledged(
    killable_broker: ApacheKafka | EmbeddedBroker, tmp_path: Path
) -> None:
    """A broker that is frozen takes what is sent to it, and says nothing; without a spool there is no other 200."""
    config = tmp_path / "aftershock.toml"
    config.write_text("[gateway]\nmax_spool_bytes = 0\n", encoding="utf-8")
    environment = {"AFTERSHOCK_KAFKA": killable_broker.address, "AFTERSHOCK_CONFIG": str(config)}
    create_topics(killable_broker.address)
    gateway = Gateway(port=free_port(), environment=environment, data=tmp_path, log=tmp_path / "gateway.log")
    with gateway:
        assert status_of_one(gateway) == 200
        assert killable_broker.process.pid is not None
        os.killpg(killable_broker.process.pid, signal.SIGSTOP)
        try:
            time.sleep(0.5)  # on a busy machine it takes a while until the last of a hundred threads stands still
            begun = time.monotonic()
            assert status_of_one(gateway) == 429
            # As long as the gateway waits for Kafka, and not at once.
            assert time.monotonic() - begun > 2.5
        finally:
            os.killpg(killable_broker.process.pid, signal.SIGCONT)
        gateway.wait_until_ready()
        assert status_of_one(gateway) == 200
    killable_broker.kill()


def create_topics(bootstrap: str) -> None:
    async def create() -> None:
        settings = KafkaSettings(bootstrap=bootstrap)
        async with kafka.administration(settings) as client:
            await kafka.create_topics(client, TOPICS, settings)

    asyncio.run(create())


def status_of_one(gateway: Gateway) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, gateway.port, timeout=20)
    try:
        connection.request("POST", f"/api/1/store/?sentry_key={LOCAL_KEY}", b'{"message":"x"}')
        return connection.getresponse().status
    finally:
        connection.close()


def test_without_room_on_disk_sdks_are_told_to_come_back(tmp_path: Path) -> None:
    config = tmp_path / "aftershock.toml"
    config.write_text("[gateway]\nmax_spool_bytes = 0\n", encoding="utf-8")
    gateway = Gateway(
        port=free_port(),
        environment={"AFTERSHOCK_KAFKA": f"{LOOPBACK}:{free_port()}", "AFTERSHOCK_CONFIG": str(config)},
        data=tmp_path,
        log=tmp_path / "gateway.log",
    )
    gateway.launch()
    try:
        until = time.monotonic() + 20
        status, headers = 0, {}
        while status == 0 and time.monotonic() < until:
            connection = http.client.HTTPConnection(LOOPBACK, gateway.port, timeout=10)
            try:
                connection.request("POST", f"/api/1/store/?sentry_key={LOCAL_KEY}", b'{"message":"x"}')
                response = connection.getresponse()
                status, headers = response.status, dict(response.getheaders())
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        assert status == 429
        assert headers["Retry-After"] == "10"
        assert headers["X-Sentry-Rate-Limits"] == "10::organization"
    finally:
        gateway.kill()
