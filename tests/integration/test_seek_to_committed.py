"""Where a worker reads on after its flow was stopped: what was fetched and dropped meanwhile is read again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from installation import Installation, event, message

from pipeline.intake.transport import ConsumerThread

EVENTS = 12


@pytest.mark.parametrize("share_committed", [0, 1])
def test_records_fetched_before_the_flow_resumes_are_read_again(
    installation: Installation, share_committed: int
) -> None:
    installation.produce(message(event(number)) for number in range(EVENTS))
    asyncio.run(_read_twice(installation, share_committed))


async def _read_twice(installation: Installation, share_committed: int) -> None:
    """Read everything, commit so many of each partition, seek, and find the rest once more."""
    topic = installation.prefix + "errors"
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=installation.kafka,
        group_id=installation.prefix + "reader",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        thread = _thread_of(consumer)
        first = await _read(consumer, EVENTS)
        if share_committed:
            await consumer.commit({TopicPartition(topic, number): share_committed for number, _ in first})
        committed = await thread._seek_to_committed()
        # A partition may have got none of the events.
        assert {committed[TopicPartition(topic, number)] or 0 for number, _ in first} == {share_committed}
        expected = {(partition, offset) for partition, offset in first if offset >= share_committed}
        assert await _read(consumer, len(expected)) == expected

        consumer.unsubscribe()
        assert await thread._seek_to_committed() == {}
    finally:
        await consumer.stop()


async def _read(consumer: Any, number: int) -> set[tuple[int, int]]:
    read: set[tuple[int, int]] = set()
    async with asyncio.timeout(60):
        while len(read) < number:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                read.update((record.partition, record.offset) for record in records)
    return read


def _thread_of(consumer: Any) -> ConsumerThread:
    """Return the thread's part that seeks, around a connected consumer."""
    thread = ConsumerThread.__new__(ConsumerThread)
    thread._consumer = consumer
    return thread
