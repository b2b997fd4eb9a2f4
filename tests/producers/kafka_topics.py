"""Create the producers' topics and read them back."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 2
READ_SECONDS = 30.0
QUIET_SECONDS = 0.5


class Received(NamedTuple):
    """One message as a consumer sees it, with its JSON value."""

    key: str
    headers: dict[str, str]
    value: dict[str, Any]


def create_topics(servers: str, prefix: str) -> None:
    """Create the topics that the transport writes to."""
    client = AdminClient({"bootstrap.servers": servers})
    topics = [NewTopic(prefix + name, PARTITIONS, 1) for name in ("errors", "spans")]
    for future in client.create_topics(topics).values():
        future.result()


def read_topic(servers: str, topic: str, expected: int) -> list[Received]:
    """Read a topic from its start until ``expected`` messages came and a while brought no further one."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "producers-tests", "enable.auto.commit": False})
    received: list[Received] = []
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        quiet = 0.0
        while quiet < (QUIET_SECONDS if len(received) >= expected else READ_SECONDS):
            message = consumer.poll(QUIET_SECONDS)
            if message is None or message.error():
                quiet += QUIET_SECONDS
                continue
            quiet = 0.0
            headers = {name: value.decode() for name, value in message.headers() or []}
            received.append(Received(message.key().decode(), headers, json.loads(message.value())))
    finally:
        consumer.close()
    return received
