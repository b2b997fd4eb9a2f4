"""The gateway's edge to Kafka: messages in, acknowledgements out.

aiokafka and not confluent-kafka: on two cores, with 9 KB messages and Apache Kafka beside it, both are held up by the
broker at 6,500 to 7,500 messages/s and cost 30 to 35 µs a message, and aiokafka's slowest acknowledgements come sooner
(p99 of 27 ms against 50 to 80).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidMessageError, KafkaError, MessageSizeTooLargeError, UnknownError

from pipeline.edges import kafka
from pipeline.edges import kafka_connection as connection
from pipeline.edges.aiokafka_private import close_unsent
from pipeline.edges.compression import compress_fast
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Unavailable
from pipeline.gateway.items import Message
from pipeline.gateway.partition import choose
from pipeline.gateway.rejection import too_large
from schemas.topics import MAX_MESSAGE_BYTES, TAKEN, USAGE

log = logging.getLogger(__name__)

END_S = 5.0
PATIENT_S = 30.0


class Sink:
    """One idempotent producer for all requests of a process; what is sent within 2 ms goes out together.

    Args:
        settings: where Kafka is.
        timeout_s: how long to wait for acknowledgements.
    """

    def __init__(self, settings: KafkaSettings, timeout_s: float) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._producer: Any = None

    async def connect(self) -> None:
        """Connect.

        Raises:
            Unavailable: Kafka does not answer.
        """
        logging.getLogger("aiokafka.producer.sender").addFilter(_is_news)
        compress_fast()
        try:
            self._producer = await self._connected(idempotent=True)
        except UnknownError:
            # The embedded broker of the local stack answers so when it is asked for a producer id.
            log.warning("this broker knows no idempotent producers: what is sent to it again may be there twice")
            try:
                self._producer = await self._connected(idempotent=False)
            except UnknownError:
                raise Unavailable(f"Kafka at {self._settings.bootstrap} does not answer (UnknownError)") from None

    async def send(self, messages: Sequence[Message], *, patient: bool = False) -> None:
        """Send messages and return when every replica has them all; ``patient`` for many at once.

        Raises:
            Unavailable: not all were acknowledged in time; those that were not may still arrive.
            Rejected: Kafka will never take one of them; the others are acknowledged.
        """
        if self._producer is None:
            raise Unavailable(f"Kafka at {self._settings.bootstrap} does not answer")
        try:
            async with asyncio.timeout(PATIENT_S if patient else self._timeout_s):
                waiting = [await self._enqueue(message) for message in messages]
                refused = [await _is_refused(acknowledgement) for acknowledgement in waiting]
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka did not acknowledge ({type(error).__name__})") from None
        if any(refused):
            raise too_large(f"Kafka does not take {sum(refused)} of {len(refused)} messages: they are too large for it")

    async def since(self, timestamp_ms: int) -> Counter[bytes]:
        """Return the identities of what the gateway's topics hold from a time on, and how often they hold each.

        Raises:
            Unavailable: Kafka does not tell.
        """
        found: Counter[bytes] = Counter()
        try:
            for topic in (one.name for one in TAKEN):
                starts = await self._starts(topic, timestamp_ms)
                async for record in kafka.read_to_end(self._settings, topic, starts):
                    found[identity(topic, record.key, record.value or b"")] += 1
        except KafkaError as error:
            raise Unavailable(f"Kafka does not tell what it has ({type(error).__name__})") from None
        return found

    async def abandon(self) -> None:
        """Disconnect at once; what was not acknowledged is not sent any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _give_up(producer)

    async def stop(self) -> None:
        """Wait for what is on its way, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.stop()
        except (KafkaError, TimeoutError):
            log.warning("Kafka did not acknowledge everything before the end")

    async def _connected(self, *, idempotent: bool) -> Any:
        producer = AIOKafkaProducer(
            **connection.client_options(self._settings),
            acks="all",
            enable_idempotence=idempotent,
            compression_type="lz4",
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=MAX_MESSAGE_BYTES,
            partitioner=choose,
        )
        try:
            async with asyncio.timeout(connection.CONNECT_TIMEOUT_S):
                await producer.start()
        except UnknownError:
            await _give_up(producer)
            raise
        except (KafkaError, OSError, TimeoutError) as error:
            await _give_up(producer)
            raise Unavailable(f"Kafka at {self._settings.bootstrap} does not answer ({type(error).__name__})") from None
        return producer

    async def _enqueue(self, message: Message) -> asyncio.Future[Any]:
        sent: asyncio.Future[Any] = await self._producer.send(
            self._settings.topic_prefix + message.topic,
            message.value if message.value or message.topic != USAGE.name else None,
            message.key,
            headers=_headers(message),
        )
        return sent

    async def _starts(self, topic: str, timestamp_ms: int) -> dict[int, int]:
        async with kafka.consumer(self._settings) as client:
            partitions = await kafka.partitions_of(client, self._settings.topic_prefix + topic)
            ends = await client.end_offsets(partitions)
            offsets = await client.offsets_for_times(dict.fromkeys(partitions, max(timestamp_ms, 0)))
        return {
            partition.partition: ends[partition] if found is None else found.offset
            for partition, found in offsets.items()
        }


def _headers(message: Message) -> list[tuple[str, bytes]]:
    project = ("project", message.project.encode())
    return [project, ("weight", message.weight.encode())] if message.weight else [project]


def identity(topic: str, key: bytes | None, value: bytes) -> bytes:
    """Return what tells a message from every other."""
    return blake2b(value, digest_size=16, key=blake2b(topic.encode() + b"\0" + (key or b"")).digest()).digest()


async def _is_refused(acknowledgement: asyncio.Future[Any]) -> bool:
    try:
        await acknowledgement
    except (MessageSizeTooLargeError, InvalidMessageError):
        return True
    return False


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether a line of aiokafka's says more than what it raises besides: that there is no producer id."""
    return "InitProducerIdRequest" not in record.getMessage()


async def _give_up(producer: Any) -> None:
    """End a producer without sending what it holds: ``stop()`` would wait for Kafka."""
    try:
        async with asyncio.timeout(END_S):
            await close_unsent(producer)
    except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as error:
        log.debug("the producer did not end in order (%s)", type(error).__name__)
