"""A poll that is under way while a rebalance sets partitions back: what it hands over too late is not lost.

The smallest form of what lost events at every rebalance: a poll waits for records; the flow is stopped and the
partitions are set back; the poll ends, moves the positions, and what it hands over is dropped, because the flow is
stopped; the flow is resumed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from installation import Installation, event, message

from pipeline.config.settings import load_settings
from pipeline.edges.raw_fetches import fetch_raw
from pipeline.intake import transport
from pipeline.worker.faust_app import make_app

TIMES = int(os.environ.get("AFTERSHOCK_TEST_POLLS", "20"))
"""How often it is tried; set AFTERSHOCK_TEST_POLLS to 1000 to be sure."""


def test_what_a_poll_hands_over_after_partitions_were_set_back_is_read_again(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LONGEST_WAIT_S", 30.0)
    asyncio.run(_again_and_again(installation))


async def _again_and_again(installation: Installation) -> None:
    topic = installation.prefix + "errors"
    kafka = AIOKafkaConsumer(
        topic,
        bootstrap_servers=installation.kafka,
        group_id=installation.prefix + "reader",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await kafka.start()
    try:
        fetch_raw(kafka)
        consumer = _consumer_around(kafka, installation)
        await consumer._thread._seek_to_committed()
        expected: dict[Any, int] = {}
        for number in range(TIMES):
            poll: asyncio.Task[Any] = asyncio.create_task(_next(consumer))
            await _until(lambda: bool(kafka._fetcher._fetch_waiters))
            consumer.stop_flow()
            await _set_back(kafka, expected)
            await installation._produce([message(event(number))], "shop")
            assert await poll is None, "it was handed over though the flow was stopped"
            consumer.resume_flow()
            tp, fetch = await asyncio.wait_for(_next(consumer), 20)
            assert fetch.start == expected.get(tp, 0), (
                f"time {number}: {fetch.start - expected.get(tp, 0)} records lost"
            )
            expected[tp] = fetch.next_offset
    finally:
        await kafka.stop()


async def _next(consumer: Any) -> Any:
    """Return the partition and the fetch that the next poll hands over, ``None`` where it is dropped."""
    async for tp, handed_over in consumer.getmany(30.0):
        return tp, handed_over.value
    return None


async def _set_back(kafka: Any, expected: dict[Any, int]) -> None:
    """Set every partition to where it is done, as a rebalance does."""
    for partition in kafka.assignment():
        kafka.seek(partition, expected.get(partition, 0))


def _consumer_around(kafka: Any, installation: Installation) -> Any:
    """Return the group's consumer around a connected one, its thread being this one."""
    app = make_app(load_settings(installation.config, installation.environment))
    app.finalize()
    consumer = app.consumer
    thread: Any = consumer._thread
    thread._consumer = kafka

    async def call_thread(work: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        return await work(*args, **options)

    async def run(work: Coroutine[Any, Any, Any]) -> Any:
        return await work

    thread.call_thread, thread.run = call_thread, run
    app.consumer_generation_id = kafka._coordinator.generation
    consumer._set_active_tps(kafka.assignment())
    return consumer


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  what changes it has no event to wait for
            await asyncio.sleep(0.002)
