"""The edge to Kafka beside Faust: administration, and the small clients of the commands."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline.config import KafkaSettings
from pipeline.errors import Misconfigured, Unavailable
from schemas.topics import MAX_MESSAGE_BYTES, Topic

CONNECT_TIMEOUT_S = 15.0


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every aiokafka client needs to connect and sign in.

    Raises:
        Misconfigured: a certificate file cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password,
        }
    return options


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context that the settings ask for, ``None`` without TLS.

    Raises:
        Misconfigured: a certificate file cannot be used.
    """
    if "SSL" not in settings.security_protocol:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file or None)
    except OSError as error:
        raise Misconfigured(f"kafka.ca_file or kafka.certificate_file cannot be used: {error}") from error
    return context


@asynccontextmanager
async def administration(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a connected administration client.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    client = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(CONNECT_TIMEOUT_S * 1000))
    try:
        await _connect(client, settings)
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a connected producer that waits for every replica and compresses its batches.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    client = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        compression_type="lz4",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=MAX_MESSAGE_BYTES,
    )
    try:
        await _connect(client, settings)
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def consumer(settings: KafkaSettings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a connected consumer that belongs to no group and commits nothing.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    client = AIOKafkaConsumer(
        **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **options
    )
    try:
        await _connect(client, settings)
        yield client
    finally:
        await client.stop()


async def partitions_of(client: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions; empty when there is no such topic."""
    await client._client.force_metadata_update()
    found = client.partitions_for_topic(topic) or set()
    return [TopicPartition(topic, partition) for partition in sorted(found)]


async def latest_values(settings: KafkaSettings, topic: str, most: int) -> list[bytes]:
    """Return the values of the latest messages of a topic, at most ``most`` of each partition.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    values: list[bytes] = []
    async with consumer(settings) as client:
        partitions = await partitions_of(client, topic)
        client.assign(partitions)
        ends = await client.end_offsets(partitions)
        begins = await client.beginning_offsets(partitions)
        for partition, end in ends.items():
            client.seek(partition, max(begins[partition], end - most))
        unread = {partition for partition, end in ends.items() if end > begins[partition]}
        while unread:
            fetched = await client.getmany(timeout_ms=500)
            values.extend(record.value for records in fetched.values() for record in records if record.value)
            unread = {partition for partition in unread if await client.position(partition) < ends[partition]}
    return values


async def create_topics(client: AIOKafkaAdminClient, topics: Iterable[Topic], settings: KafkaSettings) -> list[str]:
    """Create those topics that are not there yet; return their names without prefix.

    Raises:
        Unavailable: the broker did not create one.
    """
    existing = set(await client.list_topics())
    missing = [topic for topic in topics if settings.topic_prefix + topic.name not in existing]
    if not missing:
        return []
    answer = await client.create_topics([_new_topic(topic, settings) for topic in missing])
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Unavailable(f"topic {name}: the broker refused to create it: {error.__name__}")
    return [topic.name for topic in missing]


def _new_topic(topic: Topic, settings: KafkaSettings) -> NewTopic:
    configs = {"cleanup.policy": topic.cleanup_policy, "max.message.bytes": str(topic.max_message_bytes)}
    if topic.retention_ms >= 0:
        configs["retention.ms"] = str(topic.retention_ms)
    return NewTopic(
        settings.topic_prefix + topic.name,
        num_partitions=settings.partitions.get(topic.name, topic.partitions),
        replication_factor=settings.replication_factor,
        topic_configs=configs,
    )


async def _connect(client: Any, settings: KafkaSettings) -> None:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.start()
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"Kafka at {settings.bootstrap} does not answer ({type(error).__name__}): is it running, and is the "
            "address right?"
        ) from None
