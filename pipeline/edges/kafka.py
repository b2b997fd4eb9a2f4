"""The edge to Kafka beside Faust: administration, and the small clients of the commands."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    InvalidMessageError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAlreadyExistsError,
    for_code,
)
from msgspec import Struct

from pipeline.edges.aiokafka_private import client_of
from pipeline.edges.kafka_connection import CONNECT_TIMEOUT_S, answering, client_options, connect
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Misconfigured, Unavailable
from pipeline.records.offsets import LogOffsets
from schemas.topics import MAX_MESSAGE_BYTES, Topic

COMPACTION = {"segment.ms": "600000", "segment.bytes": "67108864", "min.cleanable.dirty.ratio": "0.1"}
"""Kafka compacts closed segments only; its own week a segment would have a restart read a week of changes."""

COORDINATOR_TRIES = 20
COORDINATOR_PAUSE_S = 0.5
NOTHING = -1
"""The offset that Kafka tells where a group has committed none."""
MOST_WAITING = 2000
"""How many messages may wait for their acknowledgement at a time."""


@asynccontextmanager
async def administration(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a connected administration client.

    Raises:
        Unavailable: Kafka cannot be reached, or did not do what was asked.
    """
    client = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(CONNECT_TIMEOUT_S * 1000))
    try:
        await connect(client, settings)
        with answering(settings):
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
        await connect(client, settings)
        yield client
    finally:
        await client.stop()


async def send_and_wait(
    client: AIOKafkaProducer,
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None = None,
    partition: int | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Send one message, and return when every replica has it; ``topic`` is the name in Kafka.

    Raises:
        Unavailable: Kafka did not acknowledge it.
    """
    try:
        await client.send_and_wait(topic, value, key, partition, headers=list(headers))
    except KafkaError as error:
        raise Unavailable(f"Kafka did not take a message for {topic} ({type(error).__name__})") from None


@asynccontextmanager
async def consumer(settings: KafkaSettings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a connected consumer that belongs to no group and commits nothing.

    Raises:
        Unavailable: Kafka cannot be reached, or did not do what was asked.
    """
    client = AIOKafkaConsumer(
        **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest", **options
    )
    try:
        await connect(client, settings)
        with answering(settings):
            yield client
    finally:
        await client.stop()


async def partitions_of(client: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions; empty when there is no such topic.

    Raises:
        Unavailable: no broker answers. Without metadata every topic would seem to be missing.
    """
    if not await client_of(client).force_metadata_update():
        raise Unavailable(f"Kafka does not say which partitions topic {topic} has")
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


async def holds_offset(client: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> bool:
    """Say whether a record at or after an offset can be read; asked where a broker's word on its end is doubted.

    The embedded broker counts the last batch of messages as one, so its logs seem to end too early.
    """
    client.assign([partition])
    client.seek(partition, offset)
    fetched = await client.getmany(partition, timeout_ms=2000)
    return any(record.offset >= offset for records in fetched.values() for record in records)


async def create_topics(client: AIOKafkaAdminClient, topics: Iterable[Topic], settings: KafkaSettings) -> list[str]:
    """Create those topics that are not there yet; return the names, without prefix, of those that this call made.

    Raises:
        Unavailable: the broker did not create one.
    """
    existing = set(await client.list_topics())
    missing = [topic for topic in topics if settings.topic_prefix + topic.name not in existing]
    if not missing:
        return []
    answer = await client.create_topics([_new_topic(topic, settings) for topic in missing])
    codes = {name: code for name, code, *_ in answer.topic_errors}
    for name, code in codes.items():
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise Unavailable(f"topic {name}: the broker refused to create it: {error.__name__}")
    return [topic.name for topic in missing if not codes.get(settings.topic_prefix + topic.name)]


def _new_topic(topic: Topic, settings: KafkaSettings) -> NewTopic:
    configs = {"cleanup.policy": topic.cleanup_policy, "max.message.bytes": str(topic.max_message_bytes)}
    if topic.cleanup_policy == "compact":
        configs |= COMPACTION
    if topic.retention_ms >= 0:
        configs["retention.ms"] = str(topic.retention_ms)
    return NewTopic(
        settings.topic_prefix + topic.name,
        num_partitions=topic.partitions_with(settings.partitions),
        replication_factor=settings.replication_factor,
        topic_configs=configs,
    )


class ProducerRecord(NamedTuple):
    """A message to send. ``topic`` has no prefix; ``origin`` says where it came from, for what is said about it."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    origin: str = ""


class Send(Protocol):
    """Sends one message to Kafka and returns when every replica has it.

    Raises:
        Unavailable: Kafka did not acknowledge it.
    """

    def __call__(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Awaitable[None]:
        """Send it."""


async def require_topics(settings: KafkaSettings, names: Iterable[str]) -> None:
    """Make sure that topics are there, before something that would wait for them or create them by accident.

    Raises:
        Misconfigured: one is missing.
        Unavailable: Kafka cannot be reached.
    """
    async with administration(settings) as client:
        existing = set(await client.list_topics())
    missing = [settings.topic_prefix + name for name in names if settings.topic_prefix + name not in existing]
    if missing:
        raise Misconfigured(
            f"no topic {', '.join(missing)} on Kafka at {settings.bootstrap}: run `aftershock migrate`, or check "
            "kafka.topic_prefix"
        )


async def send_all(
    settings: KafkaSettings,
    messages: Iterable[ProducerRecord],
    *,
    sent: Callable[[ProducerRecord], None],
    refused: Callable[[ProducerRecord, str], None],
) -> None:
    """Send messages and return when every one is acknowledged; ``sent`` is called for each as it is.

    ``refused`` is called for a message that the producer or the broker does not take for what it is, such as one that
    is too large; the others go on.

    Raises:
        Unavailable: Kafka did not acknowledge a message.
    """
    async with producer(settings) as client:
        waiting: deque[tuple[Awaitable[Any], ProducerRecord]] = deque()
        for message in messages:
            if len(waiting) >= MOST_WAITING:
                await _acknowledged(*waiting.popleft(), sent, refused)
            try:
                future = await client.send(
                    settings.topic_prefix + message.topic,
                    message.value,
                    message.key,
                    headers=list(message.headers),
                )
            except MessageSizeTooLargeError:
                refused(message, f"{len(message.value)} bytes are more than a topic takes ({MAX_MESSAGE_BYTES})")
            except KafkaError as error:
                raise _not_acknowledged(message, error) from None
            else:
                waiting.append((future, message))
        while waiting:
            await _acknowledged(*waiting.popleft(), sent, refused)


async def _acknowledged(
    future: Awaitable[Any],
    message: ProducerRecord,
    sent: Callable[[ProducerRecord], None],
    refused: Callable[[ProducerRecord, str], None],
) -> None:
    try:
        await future
    except (MessageSizeTooLargeError, InvalidMessageError) as error:
        refused(message, f"the broker does not take it ({type(error).__name__})")
    except KafkaError as error:
        raise _not_acknowledged(message, error) from None
    else:
        sent(message)


def _not_acknowledged(message: ProducerRecord, error: KafkaError) -> Unavailable:
    return Unavailable(f"Kafka did not acknowledge {message.origin or message.topic} ({type(error).__name__})")


async def follow(settings: KafkaSettings, topic: str, *, from_beginning: bool) -> AsyncIterator[ConsumerRecord]:
    """Yield the messages of a topic as they come, for ever; from the first that is kept, or from now on.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    async with consumer(settings) as client:
        partitions = await partitions_of(client, settings.topic_prefix + topic)
        client.assign(partitions)
        if from_beginning:
            await client.seek_to_beginning(*partitions)
        else:
            await client.seek_to_end(*partitions)
        async for record in client:
            yield record


async def keep_up(
    settings: KafkaSettings, topic: str, positions: dict[int, int]
) -> AsyncIterator[tuple[list[ConsumerRecord], bool]]:
    """Yield what is on a topic as it comes, for ever, each time with whether all that was there at first has been read.

    ``positions`` has the offset to begin at by partition, and is kept up to date: with the same one it goes on where
    it has stopped. Without it, it begins with the first message that is kept.

    Raises:
        Misconfigured: there is no such topic.
        Unavailable: Kafka cannot be reached.
    """
    try:
        async with consumer(settings) as client:
            partitions = await partitions_of(client, settings.topic_prefix + topic)
            if not partitions:
                raise Misconfigured(f"no topic {settings.topic_prefix}{topic}: run `aftershock migrate`")
            ends, begins = await client.end_offsets(partitions), await client.beginning_offsets(partitions)
            client.assign(partitions)
            for partition in partitions:
                client.seek(partition, max(positions.get(partition.partition, 0), begins[partition]))
            while True:
                fetched = await client.getmany(timeout_ms=500)
                records = [record for found in fetched.values() for record in found]
                reached = {partition: await client.position(partition) for partition in partitions}
                yield records, all(reached[partition] >= ends[partition] for partition in partitions)
                positions.update({partition.partition: offset for partition, offset in reached.items()})
    except KafkaError as error:
        raise Unavailable(f"topic {topic} cannot be followed ({type(error).__name__})") from None


async def read_to_end(
    settings: KafkaSettings, topic: str, starts: Mapping[int, int] | None = None, *, only: int | None = None
) -> AsyncIterator[ConsumerRecord]:
    """Yield what is on a topic now, one partition after the other, each in order.

    ``starts`` has the offset to begin at of the partitions that are not read from their beginning; ``only`` names
    the one partition that is read.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    async with consumer(settings) as client:
        found = await partitions_of(client, settings.topic_prefix + topic)
        partitions = [partition for partition in found if only in (None, partition.partition)]
        ends = await client.end_offsets(partitions)
        begins = await client.beginning_offsets(partitions)
        for partition in partitions:
            wanted = max(begins[partition], (starts or {}).get(partition.partition, 0))
            # A broker may count the last batch of messages as one: it is read whole, from its beginning on.
            position = min(wanted, max(ends[partition] - 1, begins[partition]))
            client.assign([partition])
            client.seek(partition, position)
            while position < ends[partition]:
                for records in (await client.getmany(partition, timeout_ms=500)).values():
                    for record in records:
                        if record.offset >= wanted:
                            yield record
                position = await client.position(partition)


class TopicState(Struct, frozen=True):
    """What the broker says of a topic. ``cleanup_policy`` is empty where the broker does not say."""

    partitions: int
    cleanup_policy: str = ""


async def topic_states(settings: KafkaSettings, names: Sequence[str]) -> dict[str, TopicState]:
    """Return the state of those topics (named without prefix) that are there.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    prefix = settings.topic_prefix
    async with administration(settings) as client:
        existing = set(await client.list_topics())
        full = [prefix + name for name in names if prefix + name in existing]
        if not full:
            return {}
        described = await client.describe_topics(full)
        policies = await _cleanup_policies(client, full)
    return {
        topic["topic"].removeprefix(prefix): TopicState(len(topic["partitions"]), policies.get(topic["topic"], ""))
        for topic in described
    }


async def _cleanup_policies(client: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    try:
        answers = await client.describe_configs(resources)
    except KafkaError:
        return {}
    return {
        resource[3]: entry[1]
        for answer in answers
        for resource in answer.resources
        for entry in resource[4]
        if entry[0] == "cleanup.policy"
    }


async def lags(settings: KafkaSettings, group: str, names: Sequence[str]) -> dict[str, int]:
    """Return how many messages of each topic (without prefix) a consumer group has not committed yet.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    found = await offsets(settings, group, names)
    return {
        name: sum(max(one.end - max(one.begin, one.committed or 0), 0) for one in found[name].values())
        for name in names
    }


async def offsets(settings: KafkaSettings, group: str, names: Sequence[str]) -> dict[str, dict[int, LogOffsets]]:
    """Return the offsets of each partition of topics (without prefix), as a consumer group stands; no more than that.

    What is committed is asked for last: it may be further than the log's end that is told with it.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    places: dict[str, list[TopicPartition]] = {}
    async with consumer(settings) as client:
        for name in names:
            places[name] = await partitions_of(client, settings.topic_prefix + name)
        every = [place for found in places.values() for place in found]
        ends, begins = await client.end_offsets(every), await client.beginning_offsets(every)
    async with administration(settings) as administrator:
        committed = await _committed(administrator, group, every)
    return {
        name: {
            place.partition: LogOffsets(_or_none(committed.get(place, NOTHING)), begins[place], ends[place])
            for place in found
        }
        for name, found in places.items()
    }


def _or_none(committed: int) -> int | None:
    return committed if committed > NOTHING else None


async def _committed(
    client: AIOKafkaAdminClient, group: str, places: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    for _ in range(COORDINATOR_TRIES):
        try:
            found = await client.list_consumer_group_offsets(group, partitions=places)
        except GroupCoordinatorNotAvailableError:
            # A broker that never had a group makes the topic for their offsets now.
            await asyncio.sleep(COORDINATOR_PAUSE_S)
        except KafkaError as error:
            raise Unavailable(f"Kafka does not tell the offsets of {group} ({type(error).__name__})") from None
        else:
            return {place: committed.offset for place, committed in found.items()}
    raise Unavailable(f"Kafka has no coordinator for {group} yet: ask again")
