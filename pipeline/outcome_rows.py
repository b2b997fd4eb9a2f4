"""Outcome rows: counts of items that were not taken as rows of ``outcomes``. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import normalize
from pipeline.contracts import Decoder
from pipeline.records import Record
from pipeline.rows import Origin, Row
from schemas.outcome import Outcomes

OUTCOMES_TABLE = "outcomes"

OUTCOME_COLUMNS = (
    "project",
    "key",
    "category",
    "reason",
    "time",
    "quantity",
    "kafka_partition",
    "kafka_offset",
)

_DECODER = Decoder(Outcomes, "outcomes.schema.json")


def outcome_rows(record: Record, origin: Origin) -> Iterator[tuple[str, Row]]:
    """Yield a message's rows, each with its table.

    Raises:
        Refused: it is not in the contract's form.
    """
    outcomes, _ = _DECODER.decode(record.value)
    time_ms = normalize.clamp(normalize.milliseconds(outcomes.time), origin.received_ms)
    for count in outcomes.counts:
        yield (
            OUTCOMES_TABLE,
            (
                normalize.text(count.project),
                normalize.text(count.key),
                normalize.text(count.category),
                normalize.text(count.reason),
                time_ms,
                count.quantity,
                origin.partition,
                origin.offset,
            ),
        )
