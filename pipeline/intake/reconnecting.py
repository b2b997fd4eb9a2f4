"""Faust's clients, started while Kafka is away: they wait for it instead of ending the worker.

A worker starts Faust once Kafka has answered (:mod:`pipeline.worker.startup`), but Kafka may be gone again by the
time that Faust's producer and consumer connect. Only their first connection is not repeated by aiokafka itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import KafkaConnectionError
from faust.transport.drivers import aiokafka as driver

from pipeline.edges.aiokafka_private import client_of
from pipeline.edges.retry import until_available
from pipeline.errors import Unavailable
from pipeline.intake import transport


def wait_for_brokers(client: Any) -> None:
    """Have an aiokafka client connect again and again until a broker is there."""
    connect = client.bootstrap

    async def once() -> None:
        try:
            await connect()
        except KafkaConnectionError:
            raise Unavailable("Kafka does not answer any more") from None

    client.bootstrap = lambda: until_available(once, lambda: None)


class ConsumerThread(transport.ConsumerThread):
    """The consumer's thread, whose client waits for Kafka."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        wait_for_brokers(client_of(consumer))
        return consumer


class Consumer(transport.Consumer):
    """The consumer, whose client waits for Kafka."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class Producer(driver.Producer):  # type: ignore[misc]
    """The producer, whose client waits for Kafka."""

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        wait_for_brokers(producer.client)
        return producer


class Transport(transport.Transport):
    """Kafka with whole fetches, and clients that wait for it."""

    Consumer = Consumer
    Producer = Producer
