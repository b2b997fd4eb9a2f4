"""Events through the pure stages, in this process."""

from __future__ import annotations

import time
from typing import Any

from pipeline.alerts.rules import Rules
from pipeline.counts.batch_counts import Counter
from pipeline.fingerprint import Grouping
from pipeline.inbound import EVERYTHING, Inbound
from pipeline.scrub import Policy, Scrubber
from pipeline.stages.transform import Transform
from pipeline.tables.result import BatchResult
from pipeline.tables.rows import ERROR_COLUMNS, SPAN_COLUMNS
from tests.records import NOON_MS, batch_of, message

RULES = Rules.from_toml([{"name": "any", "kind": "new_issue"}], lambda _path: "aftershock.toml")
SCRUBBER = Scrubber(Policy())


def processor(grouping: Grouping | None = None, inbound: Inbound | None = None, **options: Any) -> Transform:
    return Transform(
        SCRUBBER,
        grouping or Grouping(),
        Counter(RULES, 1),
        inbound or EVERYTHING,
        **{"now_ms": lambda: NOON_MS + 5, **options},
    )


PROCESSOR = processor()
COLUMNS = {"errors": ERROR_COLUMNS, "spans": SPAN_COLUMNS}
NOW = processor(now_ms=lambda: int(time.time() * 1000))


def outcome_of(*events: Any, topic: str = "errors", processor: Transform = PROCESSOR, at: int = NOON_MS) -> BatchResult:
    records = [message(event, offset, topic=topic, timestamp=at) for offset, event in enumerate(events)]
    return processor.process(batch_of(*records, topic=topic))


def outcome_now(*events: Any, topic: str = "errors") -> BatchResult:
    """Return an outcome of which ClickHouse keeps the rows: they are no older than its retention."""
    return outcome_of(*events, topic=topic, processor=NOW, at=int(time.time() * 1000))
