"""Rates: how many items of a category a key may send a minute. Pure; time is an argument.

Each process counts for itself, so with *n* gateways up to *n* times the limit passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

MINUTE_S = 60.0


class Limit(Struct, frozen=True):
    """A category that is limited for so many more seconds; ``all`` stands for every category.

    ``reason`` is ``minute``, ``day``, ``month`` or ``spike``; ``scope`` says whose limit it is, ``key`` or ``project``.
    """

    category: str
    seconds: int
    reason: str = "minute"
    scope: str = "key"


class Rates:
    """Counts items by key and category, in minutes of the clock."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[tuple[str, str], int] = {}

    def take(self, key: str, per_minute: Mapping[Any, int], category: str, quantity: int, now_s: float) -> Limit | None:
        """Count items and return ``None``, or return the limit they run into; they are not counted then.

        Args:
            key: the public key.
            per_minute: the key's limits by category.
            category: the items' data category.
            quantity: how many items.
            now_s: seconds since 1970.
        """
        if not per_minute:
            return None
        minute = int(now_s // MINUTE_S)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        counted = [name for name in (category, "all") if name in per_minute]
        for name in counted:
            if self._counts.get((key, name), 0) + quantity > per_minute[name]:
                return Limit(name, max(1, int((minute + 1) * MINUTE_S - now_s + 0.999)))
        for name in counted:
            self._counts[key, name] = self._counts.get((key, name), 0) + quantity
        return None


def header_of(limits: list[Limit]) -> str:
    """Return limits as ``X-Sentry-Rate-Limits`` has them: ``seconds:categories:scope:reason``.

    No categories means all.
    """
    return ", ".join(
        f"{limit.seconds}:{'' if limit.category == 'all' else limit.category}:{limit.scope}:{limit.reason}"
        for limit in limits
    )
