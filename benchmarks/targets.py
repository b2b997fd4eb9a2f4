"""A figure and what it has to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A figure and what it has to be: at least, or less than, what is wanted."""

    name: str
    value: float
    wanted: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether the figure is as good as wanted."""
        return self.value >= self.wanted if self.at_least else self.value < self.wanted

    def line(self) -> str:
        """Return the figure, what was wanted and the verdict."""
        sign = ">=" if self.at_least else "<"
        return f"{self.name:<34} {self.value:8.2f}   wanted {sign} {self.wanted:g}   {'met' if self.met else 'MISSED'}"
