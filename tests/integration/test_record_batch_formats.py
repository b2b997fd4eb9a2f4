"""However producers pack their records, each is read; where one cannot be, its record batch is a dead letter."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.protocol.produce import ProduceRequest
from confluent_kafka import Producer
from installation import Installation, event

from deploy.local.kafka import ApacheKafka
from schemas.dead_letter import DeadLetter
from tests.records import CODECS, Message
from tests.repacked import with_a_key_that_is_no_text

EACH = 20
PARTITION = 0
HEADERS = [("project", b"shop")]


class Sent:
    """What was sent to one partition."""

    def __init__(self, installation: Installation) -> None:
        self.topic = installation.prefix + "errors"
        self.kafka = installation.kafka
        self.ids: list[str] = []

    def values(self, number: int = EACH) -> list[bytes]:
        """Return so many new events."""
        made = [event(at) for at in range(number)]
        self.ids += [one["event_id"] for one in made]
        return [json.dumps(one).encode() for one in made]

    async def by_aiokafka(self, codec: str) -> None:
        """Send some together: framed as Java's producer does, where it has a frame of its own."""
        compression = None if codec == "none" else codec
        async with AIOKafkaProducer(
            bootstrap_servers=self.kafka, compression_type=compression, linger_ms=50
        ) as producer:
            await self._send(producer)

    def by_librdkafka(self, codec: str) -> None:
        """Send some together, as producers in C, Go, Rust, .NET and Node.js that are built on it do."""
        producer = Producer({"bootstrap.servers": self.kafka, "compression.type": codec, "linger.ms": 50})
        for value in self.values():
            producer.produce(self.topic, value, partition=PARTITION, headers=HEADERS)
        assert producer.flush(30) == 0

    async def in_transactions(self) -> None:
        """Send some in a transaction that is aborted, and some in one that is committed."""
        settings: dict[str, Any] = {"transactional_id": f"{self.topic}-sender", "compression_type": "lz4"}
        async with AIOKafkaProducer(bootstrap_servers=self.kafka, linger_ms=50, **settings) as producer:
            await producer.begin_transaction()
            await self._send(producer)
            await producer.abort_transaction()
            async with producer.transaction():
                await self._send(producer)

    async def as_it_is(self, record_batch: bytes) -> int:
        """Send a record batch that no producer makes; return the offset that it got."""
        async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
            await producer.partitions_for(self.topic)
            leader = producer.client.cluster.leader_for_partition(TopicPartition(self.topic, PARTITION))
            request = ProduceRequest(None, -1, 30_000, [(self.topic, [(PARTITION, record_batch)])])
            answer = await producer.client.send(leader, request)
        ((_, ((_, error, offset, *_),)),) = answer.topics
        assert error == 0
        return int(offset)

    async def _send(self, producer: AIOKafkaProducer) -> None:
        sent = [await producer.send(self.topic, value, partition=PARTITION, headers=HEADERS) for value in self.values()]
        await asyncio.gather(*sent)


@pytest.fixture
def sent(broker_type: type[Any], installation: Installation) -> Sent:
    if broker_type is not ApacheKafka:
        pytest.skip("the embedded broker knows no transactions: this needs Apache Kafka")
    return Sent(installation)


def test_every_event_is_one_row_however_it_was_packed(installation: Installation, sent: Sent) -> None:
    """Aborted transactions too: an error is no less of one because its sender gave up."""
    with installation.worker() as worker:
        for codec in CODECS:
            asyncio.run(sent.by_aiokafka(codec))
            sent.by_librdkafka(codec)
        asyncio.run(sent.in_transactions())

        # One more beside an event before it, and two that are behind a header whose key is no text.
        values = [*sent.values(1), b"no JSON", *(json.dumps(event(at)).encode() for at in range(2))]
        unreadable = with_a_key_that_is_no_text(
            2, *(Message(value, at, headers=HEADERS) for at, value in enumerate(values))
        )
        first = asyncio.run(sent.as_it_is(unreadable))
        asyncio.run(sent.by_aiokafka("lz4"))

        installation.wait_for_rows(len(sent.ids))
        installation.wait_for_rows(2, "dead_letters")

    rows = installation.rows("SELECT event_id, kafka_partition FROM errors")
    assert sorted(row["event_id"] for row in rows) == sorted(sent.ids)
    letters = [
        (DeadLetter.from_headers(record.headers), record.value) for record in installation.consume("dead-letters")
    ]
    by_offset = {letter.offset: value for letter, value in letters}
    assert len(letters) == 2
    assert by_offset[first + 1] == b"no JSON"
    # The broker has given it its offset and its leader's epoch; the rest is as it was sent.
    assert by_offset[first + 2][16:] == unreadable[16:]
    (letter,) = (letter for letter, _ in letters if letter.offset == first + 2)
    assert (letter.topic, letter.partition, letter.stage) == ("errors", PARTITION, "decode")
    assert "UnicodeDecodeError" in letter.reason
    assert "Traceback" not in worker.process.log.read_text()


def test_the_end_of_a_transaction_is_committed_past_and_in_the_ledger(installation: Installation, sent: Sent) -> None:
    """It is an offset without a record: were it left out, a quiet partition would lag for ever."""
    with installation.worker() as worker:
        asyncio.run(sent.in_transactions())
        installation.wait_for_rows(len(sent.ids))
        # The broker answers before it has written the marker.
        last = "SELECT max(last_offset) AS last FROM batches WHERE topic = 'errors'"
        installation.wait_for("the marker in the ledger", lambda: installation.value(last) == 2 * EACH + 1)
        installation.wait_for("no lag", lambda: _lag(worker, f"{sent.topic}-{PARTITION}") == 0)
    rows = installation.rows(
        "SELECT first_offset, last_offset FROM batches WHERE topic = 'errors' ORDER BY first_offset"
    )
    ranges = [(row["first_offset"], row["last_offset"]) for row in rows]
    assert [first for first, _ in ranges] == [0, *(last + 1 for _, last in ranges[:-1])]
    assert ranges[-1][1] == 2 * EACH + 1


def _lag(worker: Any, partition: str) -> int | None:
    """Return the lag of a partition as the worker says it."""
    try:
        with urllib.request.urlopen(f"{worker.address}/health/ready", timeout=10) as answer:
            lag: dict[str, int] = json.load(answer)["lag"]
    except urllib.error.HTTPError:
        return None
    return lag.get(partition)
