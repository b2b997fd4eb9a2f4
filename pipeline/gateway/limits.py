"""Limits: whether items may pass, by minute, by day and month, and by what is usual for the project. Pure.

Minutes are counted by each process for itself (:mod:`pipeline.gateway.rates`); days, months and hours are counted by
all of them together (:mod:`pipeline.gateway.usage`). Items are counted only when they pass, and then everywhere.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime

from pipeline.config.gateway import ProjectSettings
from pipeline.gateway.rates import Limit, Rates
from pipeline.gateway.spikes import NORM_HOURS, most_in_an_hour
from pipeline.gateway.usage import DAY_S, HOUR_S, Usage, Window, day_window, hour, hour_window, month_window

LONGEST_S = 3600
"""For how long SDKs are told to stay away at most: a program that was told to wait for the rest of the month would not
hear that the quota was raised."""

SPIKE_FOR_S = 60
"""For how long a norm is remembered before it is worked out again."""


class Limits:
    """The limits of all keys and projects.

    Args:
        usage: the counts of days, months and hours.
    """

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._rates = Rates()
        self._norms: dict[tuple[str, str], tuple[int, int | None]] = {}

    def take(self, project: ProjectSettings, key: str, category: str, quantity: int, now_s: float) -> Limit | None:
        """Count items and return ``None``, or return the limit they run into; they are not counted then.

        Args:
            project: whose limits.
            key: the public key.
            category: the items' data category.
            quantity: how many items.
            now_s: seconds since 1970.
        """
        lasting = project.per_day or project.per_month or project.spike
        if lasting:
            limit = self._over_quota(project, f"key:{key}", category, quantity, now_s)
            limit = limit or self._in_spike(project, category, quantity, now_s)
            if limit is not None:
                return limit
        limit = self._rates.take(key, project.per_minute, category, quantity, now_s)
        if limit is None and lasting:
            self._count(project, f"key:{key}", category, quantity, now_s)
        return limit

    def _over_quota(
        self, project: ProjectSettings, scope: str, category: str, quantity: int, now_s: float
    ) -> Limit | None:
        for name in (category, "all"):
            most: int | None = project.per_month.get(name)  # type: ignore[call-overload]
            if most is not None and self._usage.total(scope, name, month_window(now_s)) + quantity > most:
                return Limit(name, _until(_month_end(now_s), now_s), "month")
            most = project.per_day.get(name)  # type: ignore[call-overload]
            if most is not None and self._usage.total(scope, name, day_window(now_s)) + quantity > most:
                return Limit(name, _until((now_s // DAY_S + 1) * DAY_S, now_s), "day")
        return None

    def _in_spike(self, project: ProjectSettings, category: str, quantity: int, now_s: float) -> Limit | None:
        if project.spike is None:
            return None
        most = self._most_in_this_hour(project, category, now_s)
        if most is None:
            return None
        used = self._usage.total(f"project:{project.name}", category, hour_window(hour(now_s)))
        if used + quantity <= most:
            return None
        return Limit(category, _until((hour(now_s) + 1) * HOUR_S, now_s), "spike", "project")

    def _most_in_this_hour(self, project: ProjectSettings, category: str, now_s: float) -> int | None:
        assert project.spike is not None
        turn = int(now_s // SPIKE_FOR_S)
        known = self._norms.get((project.name, category))
        if known is None or known[0] != turn:
            scope, this = f"project:{project.name}", hour(now_s)
            before = [self._usage.total(scope, category, hour_window(this - back)) for back in range(1, NORM_HOURS + 1)]
            known = (turn, most_in_an_hour(before, project.spike.times, project.spike.least))
            self._norms[project.name, category] = known
        return known[1]

    def _count(self, project: ProjectSettings, scope: str, category: str, quantity: int, now_s: float) -> None:
        for name in (category, "all"):
            windows: list[Window] = []
            if name in project.per_day:
                windows.append(day_window(now_s))
            if name in project.per_month:
                windows.append(month_window(now_s))
            if windows:
                self._usage.add(scope, name, windows, quantity)
        if project.spike is not None:
            self._usage.add(f"project:{project.name}", category, [hour_window(hour(now_s))], quantity)


def _until(end_s: float, now_s: float) -> int:
    return max(1, min(LONGEST_S, int(end_s - now_s + 0.999)))


def _month_end(now_s: float) -> float:
    now = datetime.fromtimestamp(now_s, UTC)
    days = monthrange(now.year, now.month)[1]
    return datetime(now.year, now.month, 1, tzinfo=UTC).timestamp() + days * DAY_S
