"""Faults of topics: one is deleted and made again, gets more partitions, or loses records that nobody has read yet."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from tests.chaos.installation import Expired, Installation
from tests.chaos.schedule import Steps
from tests.chaos.settings import VARIANTS

_LOOK_S = 0.2
_ANSWER_S = 10.0
_MORE_PARTITIONS = 2
_BACKLOG_S = (3, 6)
_READY_S = 60.0


def remade(here: Installation) -> Steps:
    """Between two rounds the topic of errors is deleted and made again, as ``aftershock migrate`` does it."""
    with here.fault("topic made again", "errors"):
        yield from _ended(here, signal.SIGTERM)
        client = _administration(here)
        _answered(client.delete_topics(["errors"]).values())
        while "errors" in client.list_topics(timeout=_ANSWER_S).topics:
            yield _LOOK_S
        here.migrate()
        here.besides, here.topic_since = 0, here.round
        here.expired.clear()
        begun = time.time()
        _begin_again(here)
        while not all(here.pages[slot].ready_since(begun) for slot in here.slots) and time.time() < begun + _READY_S:
            yield _LOOK_S


def more_partitions(here: Installation) -> Steps:
    """The topic of errors gets more partitions under load."""
    client = _administration(here)
    with here.fault("more partitions", "errors"):
        while True:
            try:
                number = len(client.list_topics("errors", timeout=_ANSWER_S).topics["errors"].partitions)
                _answered(client.create_partitions([NewPartitions("errors", number + _MORE_PARTITIONS)]).values())
            except KafkaException:
                yield _LOOK_S
            else:
                return


def out_of_range(here: Installation) -> Steps:
    """While all workers are away, records expire that none of them has read: those are lost, and no others."""
    if VARIANTS[here.options.variant].thinned:
        here.skip("outofrange", "where noise is thinned, rows do not tell which events were read")
        return
    with here.fault("records expire", "errors"):
        yield from _ended(here, signal.SIGKILL)
        yield here.chance.uniform(*_BACKLOG_S)
        position = here.lag.latest
        if position is None or time.time() - position.at > _ANSWER_S:
            here.skip("outofrange", "Kafka does not answer")
        else:
            before = [
                TopicPartition(topic, partition, here.chance.randint(position.committed[topic, partition], high))
                for (topic, partition), (_, high) in sorted(position.ends.items())
                if topic == "errors" and 0 <= position.committed[topic, partition] < high
            ]
            # The client must live until it has the answers.
            client = _administration(here)
            _answered(client.delete_records(before).values())
            here.expired += [
                Expired(one.partition, position.committed["errors", one.partition], one.offset) for one in before
            ]
        _begin_again(here)


def _ended(here: Installation, number: signal.Signals) -> Steps:
    """End all workers, and wait until they are gone."""
    for worker in here.workers.values():
        worker.wanted = False
        worker.expected_end = "end of all workers"
        worker.child.signal(number, group=number == signal.SIGKILL)
    while any(worker.running for worker in here.workers.values()):
        yield _LOOK_S


def _begin_again(here: Installation) -> None:
    for slot in here.slots:
        here.workers[slot].launch()


def _administration(here: Installation) -> AdminClient:
    return AdminClient({"bootstrap.servers": here.ports.bootstrap, "log_level": 0})


def _answered(futures: Iterable[Future[Any]]) -> None:
    """Wait for the answers of an administration client.

    Raises:
        KafkaException: Kafka refused something, or did not answer.
    """
    for future in futures:
        future.result(_ANSWER_S)
