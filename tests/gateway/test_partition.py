"""A key goes to the partition that every other Kafka client puts it on."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gateway.partition import choose, murmur2


@given(st.binary(max_size=80), st.integers(1, 64))
def test_any_key_goes_where_aiokafka_puts_it(key: bytes, count: int) -> None:
    """Keys of every length, for every number of partitions."""
    partitions = list(range(count))
    assert choose(key, partitions, partitions) == DefaultPartitioner()(key, partitions, partitions)


def test_hash_is_that_of_kafka_itself() -> None:
    """The values that Apache Kafka's own tests expect, as unsigned numbers."""
    expected = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {key: murmur2(key) for key in expected} == {key: value % 2**32 for key, value in expected.items()}


def test_without_a_key_any_partition_that_has_a_leader() -> None:
    """And any at all while none has."""
    assert {choose(None, [0, 1, 2], [2]) for _ in range(20)} == {2}
    assert choose(None, [0, 1, 2], []) in (0, 1, 2)
