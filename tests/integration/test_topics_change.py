"""What happens to topics while workers read them: made again, given partitions, records expired, offsets moved."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from installation import Installation, event, message

from deploy.local.kafka import ApacheKafka
from schemas.topics import CONSUMER_GROUP

EVENTS = 60


@pytest.fixture(autouse=True)
def only_where_topics_can_change(broker_type: type[Any]) -> None:
    if broker_type is not ApacheKafka:
        pytest.skip("the embedded broker neither adds partitions nor deletes records")


def administer(installation: Installation, work: Callable[[AIOKafkaAdminClient], Awaitable[Any]]) -> None:
    async def connected() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=installation.kafka)
        await client.start()
        try:
            await work(client)
        finally:
            await client.close()

    asyncio.run(connected())


def produce(installation: Installation, number: int) -> set[str]:
    """Send so many events and return their ids."""
    made = [event(at, group=at % 3, environment="production") for at in range(number)]
    installation.produce(map(message, made))
    return {one["event_id"] for one in made}


def stored(installation: Installation) -> list[str]:
    return [row["event_id"] for row in installation.rows("SELECT event_id FROM errors")]


def metric(worker: Any, name: str) -> float:
    with urllib.request.urlopen(f"{worker.address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


def test_a_topic_that_is_made_again_is_read_from_its_beginning_by_a_worker_that_goes_on(
    installation: Installation,
) -> None:
    """Its offsets begin at 0 once more: they are not those that were stored before."""
    topic = installation.prefix + "errors"
    with installation.worker():
        sent = produce(installation, EVENTS)
        installation.wait_for_rows(EVENTS)
        administer(installation, lambda client: client.delete_topics([topic]))
        installation.migrate()
        sent |= produce(installation, EVENTS)
        installation.wait_for_rows(2 * EVENTS, seconds=90)
    found = stored(installation)
    assert len(found) == len(set(found)) == 2 * EVENTS
    assert set(found) == sent
    assert installation.value("SELECT sum(count) FROM errors_per_minute") == 2 * EVENTS


def test_partitions_that_are_added_are_read_without_a_restart(installation: Installation) -> None:
    topic = installation.prefix + "errors"
    with installation.worker():
        sent = produce(installation, EVENTS)
        installation.wait_for_rows(EVENTS)
        administer(installation, lambda client: client.create_partitions({topic: NewPartitions(12)}))
        sent |= produce(installation, EVENTS)
        installation.wait_for_rows(2 * EVENTS, seconds=90)
    found = stored(installation)
    assert len(found) == 2 * EVENTS
    assert set(found) == sent
    assert installation.value("SELECT max(kafka_partition) FROM errors") > 7


def test_records_that_expired_while_no_worker_ran_are_counted_and_the_others_stored(
    installation: Installation,
) -> None:
    topic = installation.prefix + "errors"
    with installation.worker():
        produce(installation, EVENTS)
        installation.wait_for_rows(EVENTS)
    produce(installation, EVENTS)
    deleted = asyncio.run(_delete_half_of_what_waits(installation, topic))
    with installation.worker() as worker:
        installation.wait_for_rows(2 * EVENTS - deleted)
        # As many as were deleted are seen to be gone, wherever something comes behind them.
        produce(installation, EVENTS)
        installation.wait_for_rows(3 * EVENTS - deleted)
        assert metric(worker, "aftershock_expired_offsets_total") == deleted
    assert len(stored(installation)) == len(set(stored(installation))) == 3 * EVENTS - deleted


async def _delete_half_of_what_waits(installation: Installation, topic: str) -> int:
    """Delete the first half of the records that are not committed; return how many these were."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka, group_id=installation.prefix + CONSUMER_GROUP, enable_auto_commit=False
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        ends = await consumer.end_offsets(partitions)
        begin = {tp: await consumer.committed(tp) or 0 for tp in partitions}
    finally:
        await consumer.stop()
    until = {tp: begin[tp] + (ends[tp] - begin[tp]) // 2 for tp in partitions}
    client = AIOKafkaAdminClient(bootstrap_servers=installation.kafka)
    await client.start()
    try:
        await client.delete_records({tp: RecordsToDelete(offset) for tp, offset in until.items() if offset})
    finally:
        await client.close()
    return sum(until[tp] - begin[tp] for tp in partitions)


def test_an_offset_behind_the_end_of_the_log_is_not_followed(installation: Installation) -> None:
    """Somebody reset the group's offsets, and not to where they belong."""
    topic = installation.prefix + "errors"
    with installation.worker():
        sent = produce(installation, EVENTS)
        installation.wait_for_rows(EVENTS)
    asyncio.run(_commit(installation, topic, 10_000))
    with installation.worker():
        sent |= produce(installation, EVENTS)
        installation.wait_for_rows(2 * EVENTS)
    found = stored(installation)
    assert len(found) == 2 * EVENTS
    assert set(found) == sent


async def _commit(installation: Installation, topic: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka, group_id=installation.prefix + CONSUMER_GROUP, enable_auto_commit=False
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, offset))
    finally:
        await consumer.stop()
