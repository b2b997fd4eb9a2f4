"""Messages as plain values, for the tests of the stages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemas
from pipeline.records import Batch, Boundaries, Source

NOON_MS = 1_764_072_000_000
"""2025-11-25 12:00 UTC."""

EXAMPLES = Path(schemas.__file__).parent / "examples"


@dataclass(frozen=True)
class Message:
    """What a stage reads of a Kafka record."""

    value: bytes | None
    offset: int = 0
    topic: str = "errors"
    partition: int = 0
    timestamp: int = NOON_MS
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=tuple)


def message(event: Any, offset: int = 0, **options: Any) -> Message:
    """Return a message with an event in it, given as a value or as bytes."""
    return Message(event if isinstance(event, bytes) else json.dumps(event).encode(), offset, **options)


def batch_of(*messages: Message, topic: str = "errors") -> Batch:
    """Return the batch that these messages are."""
    return Batch(Source(topic, "life", 0), Boundaries(messages[0].offset, messages[-1].offset), messages)


def example_events() -> list[tuple[str, bytes]]:
    """Return the topic and the bytes of every example event."""
    paths = sorted(path for topic in ("errors", "spans") for path in (EXAMPLES / topic).glob("*.json"))
    return [(path.parent.name, path.read_bytes()) for path in paths]
