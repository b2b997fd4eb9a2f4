"""Faust's producer, as the edge that sends single messages and waits for their acknowledgement."""

from __future__ import annotations

from collections.abc import Sequence

import faust
from aiokafka.errors import KafkaError

from pipeline.errors import Unavailable


class Producer:
    """Sends messages with the app's producer, which is started at the first one.

    Args:
        app: the Faust app.
        prefix: what stands before every topic's name in Kafka.
    """

    def __init__(self, app: faust.App, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send a message; return when every replica has it.

        Raises:
            Unavailable: Kafka did not acknowledge it.
        """
        producer = await self._app.maybe_start_producer()
        try:
            await producer.send_and_wait(self._prefix + topic, key, value, partition, None, list(headers))
        except (KafkaError, faust.exceptions.ProducerSendError) as error:
            raise Unavailable(f"Kafka did not take a message for {topic} ({type(error).__name__})") from None
