"""Spikes: how much of a project's data an hour may bring, from what its last day was like. Pure.

The norm is the mean of the hours before this one, at most 24, from the first that had anything. An hour may have the
norm times a factor, and never less than a floor that keeps small projects from being cut for nothing. Until there are
six such hours there is no norm, and nothing is cut. What was cut does not count into the norm, so a spike that lasts
raises it slowly: with a factor of 10, ten hours at the limit after a steady day make the norm of a day of them. A quiet
night lowers it, which is what the factor is for.
"""

from __future__ import annotations

from collections.abc import Sequence

NORM_HOURS = 24
FEWEST_HOURS = 6


def most_in_an_hour(before: Sequence[int], times: float, least: int) -> int | None:
    """Return how many items this hour may have, ``None`` while there is no norm.

    Args:
        before: the items of the hours before, the latest first.
        times: how many times the norm.
        least: the floor.
    """
    hours = list(before[:NORM_HOURS])
    while hours and not hours[-1]:
        hours.pop()
    if len(hours) < FEWEST_HOURS:
        return None
    return max(least, int(sum(hours) / len(hours) * times))
