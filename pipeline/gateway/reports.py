"""Client reports: what SDKs say they have discarded themselves, as outcomes. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from pipeline.gateway.items import CATEGORIES

REASONS = frozenset(
    {
        "backpressure",
        "before_send",
        "buffer_overflow",
        "cache_overflow",
        "callback_error",
        "event_processor",
        "ignored",
        "insufficient_data",
        "internal_sdk_error",
        "invalid",
        "network_error",
        "no_parent_span",
        "queue_overflow",
        "ratelimit_backoff",
        "sample_rate",
        "send_error",
        "too_big",
    }
)
"""The reasons that SDKs name: https://develop.sentry.dev/sdk/telemetry/client-reports/."""

_CATEGORIES = frozenset(
    {*CATEGORIES.values(), "crash", "default", "log_byte", "metric", "trace_metric_byte", "unknown"}
)


class _Discarded(Struct):
    reason: str
    category: str
    quantity: Annotated[int, Meta(ge=0, lt=2**40)] = 1


class _Report(Struct):
    discarded_events: list[_Discarded] = []


_REPORT = msgspec.json.Decoder(_Report)


class Outcome(Struct, frozen=True):
    """What became of some items: how many of which data category, in one word what, and more of it where known."""

    category: str
    outcome: str
    quantity: int
    detail: str = ""

    @property
    def reason(self) -> str:
        """The outcome, and behind a colon the detail."""
        return f"{self.outcome}:{self.detail}" if self.detail else self.outcome


def discarded(payload: bytes) -> list[Outcome]:
    """Return what a client report tells; words that are not the protocol's become ``other``."""
    try:
        report = _REPORT.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [Outcome("internal", "malformed", 1)]
    return [
        Outcome(
            entry.category if entry.category in _CATEGORIES else "other",
            f"client_{entry.reason if entry.reason in REASONS else 'other'}",
            entry.quantity,
        )
        for entry in report.discarded_events
    ]
