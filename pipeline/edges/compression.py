"""Compression: lz4 at its fast level for everything that this process sends to Kafka.

aiokafka compresses with level 9 and has no setting for it. That is another, thorough algorithm: for a batch of 4 events
of 7 KB each it takes 15 µs an event, the fast one 2.5, and what comes out is 10 % smaller; of 16 events that differ, 46
against 6 µs for a fifth less. Consumers read both alike.
"""

from __future__ import annotations

import sys
from functools import partial

from aiokafka.codec import lz4_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder

FAST = 1


def compress_fast() -> None:
    """Have aiokafka use the fast level."""
    # The builder, compiled or not, calls what its own module has under this name.
    module = sys.modules[DefaultRecordBatchBuilder.__module__]
    module.lz4_encode = partial(lz4_encode, level=FAST)  # type: ignore[attr-defined]
