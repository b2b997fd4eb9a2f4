"""A partition whose records, batches, rows and committed offset a test writes by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from commandline import Commands


class Logbook:
    """A partition whose records, batches, rows and committed offset a test writes by hand."""

    def __init__(self, aftershock: Commands, topic: str = "errors", partition: int = 0) -> None:
        self.aftershock = aftershock
        self.topic = topic
        self.partition = partition
        self.place = TopicPartition(aftershock.settings.kafka.topic_prefix + topic, partition)
        [row] = aftershock.clickhouse.rows(
            "SELECT argMax(incarnation, created_at) AS i FROM topics WHERE topic = {topic:String}", {"topic": topic}
        )
        self.incarnation = row["i"]

    def produce(self, count: int, *, transactional: bool = False) -> None:
        """Write records; in a transaction, which leaves a marker behind them."""

        async def send() -> None:
            options: dict[str, Any] = {"transactional_id": "t"} if transactional else {"acks": "all"}
            client = AIOKafkaProducer(bootstrap_servers=self.aftershock.settings.kafka.bootstrap, **options)
            await client.start()
            end = await self._end() + count + 1
            try:
                if transactional:
                    await client.begin_transaction()
                for number in range(count):
                    await client.send_and_wait(self.place.topic, b"{}%d" % number, partition=self.partition)
                if transactional:
                    await client.commit_transaction()
                    # The broker answers before it has written the marker.
                    async with asyncio.timeout(30):
                        while await self._end() < end:  # noqa: ASYNC110  nothing tells
                            await asyncio.sleep(0.05)
            finally:
                await client.stop()

        asyncio.run(send())

    async def _end(self) -> int:
        """Return where the partition's log ends."""
        client = AIOKafkaConsumer(bootstrap_servers=self.aftershock.settings.kafka.bootstrap)
        await client.start()
        try:
            return int((await client.end_offsets([self.place]))[self.place])
        finally:
            await client.stop()

    def commit(self, offset: int) -> None:
        """Commit an offset for the workers' group."""

        async def commit() -> None:
            kafka = self.aftershock.settings.kafka
            client = AIOKafkaConsumer(
                bootstrap_servers=kafka.bootstrap,
                group_id=f"{kafka.topic_prefix}aftershock",
                # Else what it would read next is committed when it stops, which is not the offset that was wanted.
                enable_auto_commit=False,
            )
            await client.start()
            try:
                client.assign([self.place])
                await client.commit({self.place: offset})
            finally:
                await client.stop()

        asyncio.run(commit())

    def expire(self, before: int) -> None:
        """Have Kafka delete the records before an offset."""

        async def delete() -> None:
            client = AIOKafkaAdminClient(bootstrap_servers=self.aftershock.settings.kafka.bootstrap)
            await client.start()
            try:
                await client.delete_records({self.place: RecordsToDelete(before_offset=before)})
            finally:
                await client.close()

        asyncio.run(delete())

    def batch(self, first: int, last: int, generation: int = 1) -> None:
        """Write a batch into the ledger."""
        self.aftershock.insert(
            "batches",
            [
                {
                    "topic": self.topic,
                    "incarnation": self.incarnation,
                    "partition": self.partition,
                    "first_offset": first,
                    "last_offset": last,
                    "generation": generation,
                }
            ],
        )

    def rows(self, offsets: Iterable[int], **fields: Any) -> None:
        """Store events under offsets of the partition."""
        store(self.aftershock, self.partition, offsets, **fields)


def store(aftershock: Commands, partition: int, offsets: Iterable[int], **fields: Any) -> None:
    now = int(time.time() * 1000)
    rows = [
        {
            "project": "shop",
            "timestamp": now,
            "received": now,
            "event_id": f"{partition}-{offset}",
            "fingerprint": f"{offset % 3:032x}",
            "sample_weight": 1,
            "release": "1.0",
            "kafka_topic": "errors",
            "kafka_partition": partition,
            "kafka_offset": offset,
            **fields,
        }
        for offset in offsets
    ]
    aftershock.insert("errors", rows)
