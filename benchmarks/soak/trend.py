"""Whether a series is flat or grows: a line by least squares, beside how far the samples scatter about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression
from typing import Literal

from benchmarks.soak.samples import Sample

Word = Literal["flat", "grows", "falls", "no data"]

FLAT_SHARE = 0.05
"""A line that rises by less than this share of the first tenth, over the whole time, is flat."""

SCATTERS = 2.0
"""So is one that rises by less than so many standard deviations of the samples about it: what goes up and down, such
as a heap between collections or parts between merges, does not grow by where the samples happen to begin and end."""


@dataclass(frozen=True)
class Trend:
    """What became of one series after the warm-up.

    Attributes:
        name: the series.
        first: its mean in the first tenth of the samples.
        middle: in the tenth around the middle.
        last: in the last tenth.
        per_hour: the slope of the line by least squares, in the series' unit an hour.
        word: what that amounts to.
    """

    name: str
    first: float
    middle: float
    last: float
    per_hour: float
    word: Word


def trend(name: str, samples: Sequence[Sample]) -> Trend:
    """Return the trend of a series; samples in which it is NaN are left out."""
    points = [(one["seconds"] / 3600, one[name]) for one in samples if not math.isnan(one[name])]
    if len(points) < 2:
        return Trend(name, math.nan, math.nan, math.nan, math.nan, "no data")
    hours, values = [at for at, _value in points], [value for _at, value in points]
    slope, intercept = linear_regression(hours, values)
    scatter = math.sqrt(fmean((value - intercept - slope * at) ** 2 for at, value in points))
    tenth = max(round(len(values) / 10), 1)
    begin = (len(values) - tenth) // 2
    first = fmean(values[:tenth])
    return Trend(
        name=name,
        first=first,
        middle=fmean(values[begin : begin + tenth]),
        last=fmean(values[-tenth:]),
        per_hour=slope,
        word=word(slope * (hours[-1] - hours[0]), first, scatter),
    )


def word(rise: float, level: float, scatter: float) -> Word:
    """Say what a line does.

    Args:
        rise: from its begin to its end, in the series' unit.
        level: where the series began.
        scatter: the standard deviation of the samples about the line.
    """
    if abs(rise) <= max(FLAT_SHARE * abs(level), SCATTERS * scatter):
        return "flat"
    return "grows" if rise > 0 else "falls"


def table(trends: Sequence[Trend]) -> list[str]:
    """Return the lines of a table of trends."""
    width = max((len(one.name) for one in trends), default=0)
    lines = [f"{'':<{width}} {'first tenth':>12} {'middle':>12} {'last tenth':>12} {'an hour':>12}"]
    for one in trends:
        numbers = (one.first, one.middle, one.last)
        shown = " ".join(f"{figure(number):>12}" for number in numbers)
        sign = "+" if one.per_hour > 0 else ""
        lines.append(f"{one.name:<{width}} {shown} {sign + figure(one.per_hour):>12}  {one.word}")
    return lines


def figure(value: float) -> str:
    """Return a number with as many digits as say something: 12,345, 123.4, 1.23, 0.0123; "-" for NaN."""
    if math.isnan(value):
        return "-"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 1 if size >= 10 else 2 if size >= 1 or size == 0 else 4
    return f"{value:.{digits}f}"
