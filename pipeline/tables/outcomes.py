"""Outcome rows: items that were not taken as rows of ``outcomes``: gateways' counts, and a batch's own drops. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.inbound.gate import SAMPLED
from pipeline.inbound.settings import Kind
from pipeline.payload import normalize
from pipeline.records.record import Origin, Record
from pipeline.tables.contracts import Decoder
from pipeline.tables.rows import Row
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

CATEGORIES: dict[Kind, str] = {
    "error": "error",
    "transaction": "transaction",
    "span": "span",
    "log": "log_item",
    "session": "session",
}
"""The data categories, as rate limits and client reports name them, of what filters and sampling look at."""

DISCARDED = "discarded issue"
"""What an event is dropped by whose issue was deleted for good."""

REASONS = {SAMPLED: SAMPLED, DISCARDED: "discarded"}
"""The reasons of what no filter has dropped."""

Dropped = Mapping[tuple[str, Kind, str], int]
"""How many records were dropped, by project, kind, and the filter setting, :data:`SAMPLED` or :data:`DISCARDED`."""

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


def dropped_rows(dropped: Dropped, last: Origin) -> list[Row]:
    """Return the rows of what a batch's worker has dropped, in the order of :data:`OUTCOME_COLUMNS`.

    Args:
        dropped: what was dropped.
        last: where the batch's last record is from. Its time and its place are those of every row, so that they are
            the same when the batch is processed again.
    """
    return [
        (
            normalize.text(project),
            "",
            CATEGORIES[kind],
            REASONS.get(setting) or f"filtered:{setting}",
            last.received_ms,
            quantity,
            last.partition,
            last.offset,
        )
        for (project, kind, setting), quantity in dropped.items()
    ]
