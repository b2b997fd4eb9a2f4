"""Every private name of aiokafka that this project leans on; no other module has one, but for the raw fetches.

What upstream should offer instead stands in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, Subscription, SubscriptionState, TopicPartitionState

from pipeline.edges.private_names import require

BOUNDS = ">=0.12,<0.15"
"""The versions that are tested, the lowest and the highest; as in ``pyproject.toml``."""
NAMES: Mapping[type, Iterable[str]] = {
    AIOKafkaConsumer: ("_client", "_coordinator", "_fetch_max_wait_ms", "_fetcher", "_subscription"),
    AIOKafkaProducer: ("_closed", "_sender"),
    Assignment: ("state_value",),
    Fetcher: ("_proc_fetch_request",),
    GroupCoordinator: ("_send_req", "generation"),
    PartitionRecords: ("_unpack_records", "next_fetch_offset"),
    Subscription: ("assignment",),
    SubscriptionState: ("subscription",),
    TopicPartitionState: ("has_valid_position", "highwater", "position"),
}

Send = Callable[[Any], Awaitable[Any]]
"""Sends a request to the group's coordinator; returns its answer."""


def check() -> None:
    """Make sure that this aiokafka has all of :data:`NAMES`.

    Raises:
        Misconfigured: it has not.
    """
    require("aiokafka", BOUNDS, NAMES)


def client_of(consumer: AIOKafkaConsumer) -> Any:
    """Return the connections of a consumer; it offers no way to ask for metadata anew."""
    return consumer._client


def generation_of(consumer: AIOKafkaConsumer) -> int:
    """Return the generation of the consumer group that a consumer is in; it is told to nobody."""
    generation: int = consumer._coordinator.generation
    return generation


def state_of(consumer: AIOKafkaConsumer, partition: TopicPartition) -> Any:
    """Return position and high watermark of a partition; ``None`` where it is not assigned (any more).

    ``position()`` would wait until there is one.
    """
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    return assignment.state_value(partition) if assignment is not None else None


def poll_at_most(consumer: AIOKafkaConsumer, milliseconds: int) -> None:
    """Have the broker hold a fetch for no longer than this; to be called before the consumer starts.

    Faust makes the consumer, and has no setting for it.
    """
    consumer._fetch_max_wait_ms = milliseconds


def watch_coordinator(consumer: AIOKafkaConsumer, watch: Callable[[Send, Any], Awaitable[Any]]) -> None:
    """Have each request to the group's coordinator go through ``watch``, which sends it.

    aiokafka tells nobody when a heartbeat was answered, so its one way to the coordinator is watched.
    """
    coordinator = consumer._coordinator
    send: Send = coordinator._send_req
    coordinator._send_req = lambda request: watch(send, request)


def fetcher_of(consumer: AIOKafkaConsumer) -> Any:
    """Return what takes the fetches of a consumer apart."""
    return consumer._fetcher


async def close_unsent(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what it holds: ``stop()`` would wait for Kafka."""
    producer._closed = True
    if producer._sender is not None:
        await producer._sender.close()
    await producer.client.close()
