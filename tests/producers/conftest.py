"""Topics of a test's own on the shared broker, and no client of the SDK left over from one test to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from kafka_topics import Received, create_topics, read_topic


@pytest.fixture
def prefix(kafka: str, names: Any) -> str:
    """A topic prefix of the test's own, with both topics there."""
    create_topics(kafka, names.topic_prefix)
    return str(names.topic_prefix)


@pytest.fixture
def read(kafka: str, prefix: str) -> Callable[[str, int], list[Received]]:
    """Read ``errors`` or ``spans`` under this test's own prefix."""
    return lambda topic, expected: read_topic(kafka, prefix + topic, expected)


@pytest.fixture(autouse=True)
def no_client_left() -> Iterator[None]:
    """Close the client of the test, so that nothing of it reaches the next one."""
    yield
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_global_scope().clear()
    sentry_sdk.get_isolation_scope().clear()
