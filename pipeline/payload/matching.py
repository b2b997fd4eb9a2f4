"""What a rule's ``match`` means: globs over an event's fields, compiled once, and the same condition as SQL.

Globs are those of :mod:`pipeline.payload.globs`.
Fields are sorted by what they cost: project, environment, level and release are looked at once for all events that
share them; texts and tags are looked at event by event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Protocol

from pipeline.payload.globs import Test, compile_globs
from schemas.alert import quote

PLACE_FIELDS = ("project", "environment")
HEADER_FIELDS = (*PLACE_FIELDS, "level", "release")
TEXT_FIELDS = ("message", "title", "culprit")
TAG_PREFIX = "tags."

Tags = Mapping[str, str] | Iterable[tuple[str, str]]


class Occurrence(Protocol):
    """One processed event, as far as counting looks at it. ``tags`` is read only when a rule asks for a tag."""

    @property
    def project(self) -> str:
        """The project's identifier."""

    @property
    def environment(self) -> str:
        """The environment; empty when unknown."""

    @property
    def level(self) -> str:
        """The level, in lower case."""

    @property
    def release(self) -> str:
        """The release; empty when unknown."""

    @property
    def fingerprint(self) -> str:
        """The issue, hexadecimal; never empty."""

    @property
    def title(self) -> str:
        """One line that names the issue, scrubbed."""

    @property
    def culprit(self) -> str:
        """Where it happened, scrubbed."""

    @property
    def message(self) -> str:
        """The message, scrubbed."""

    @property
    def event_id(self) -> str:
        """The event's id."""

    @property
    def timestamp_ms(self) -> int:
        """When it happened, milliseconds since the epoch, clamped when the clock was astray."""

    @property
    def tags(self) -> Tags:
        """The tags, as a mapping or as pairs."""

    @property
    def user_hash(self) -> int:
        """Whom it happened to; 0 when nobody is known."""

    @property
    def weight(self) -> int | float:
        """How many events this one stands for; 1 without sampling."""


@dataclass(frozen=True)
class Condition:
    """One field of a match and the globs of which any one must cover it."""

    field: str
    patterns: tuple[str, ...]
    test: Test = made(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "test", compile_globs(self.patterns))

    def __reduce__(self) -> tuple[type[Condition], tuple[str, tuple[str, ...]]]:
        """Have pickle make the test anew: functions cannot be stored."""
        return Condition, (self.field, self.patterns)

    def holds(self, occurrence: Occurrence) -> bool:
        """Return whether the event's field is covered; a tag the event does not have never is."""
        if not self.field.startswith(TAG_PREFIX):
            return self.test(getattr(occurrence, self.field))
        value = _tag(occurrence.tags, self.field[len(TAG_PREFIX) :])
        return value is not None and self.test(value)

    def sql(self) -> str:
        """Return the condition over the columns of the table of errors."""
        if self.field.startswith(TAG_PREFIX):
            name = quote(self.field[len(TAG_PREFIX) :])
            column, present = f"tags[{name}]", f"mapContains(tags, {name}) AND "
        else:
            column, present = self.field, ""
        likes = [f"{column} ILIKE {quote(_like(pattern))}" for pattern in self.patterns]
        return present + (likes[0] if len(likes) == 1 else f"({' OR '.join(likes)})")


def _tag(tags: Tags, name: str) -> str | None:
    if isinstance(tags, Mapping):
        return tags.get(name)
    return next((value for key, value in tags if key == name), None)


def _like(pattern: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%").replace("?", "_")


@dataclass(frozen=True)
class Match:
    """All conditions of a rule; an event matches when each of them holds. No conditions match every event."""

    conditions: tuple[Condition, ...] = ()

    def __reduce__(self) -> tuple[type[Match], tuple[tuple[Condition, ...]]]:
        """Have pickle make it anew: a compiled class that is frozen cannot be filled in afterwards."""
        return Match, (self.conditions,)

    _header: tuple[Condition | None, ...] = made(init=False, repr=False, compare=False)
    _details: tuple[Condition, ...] = made(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_field = {condition.field: condition for condition in self.conditions}
        details = tuple(condition for condition in self.conditions if condition.field not in HEADER_FIELDS)
        object.__setattr__(self, "_header", tuple(by_field.get(name) for name in HEADER_FIELDS))
        object.__setattr__(self, "_details", details)

    @property
    def by_place(self) -> bool:
        """Whether project and environment alone decide."""
        return all(condition.field in PLACE_FIELDS for condition in self.conditions)

    @property
    def needs_details(self) -> bool:
        """Whether events have to be looked at one by one, for a text or a tag."""
        return bool(self._details)

    def header(self, project: str, environment: str, level: str, release: str) -> bool:
        """Return whether the conditions on these four hold."""
        return all(
            condition is None or condition.test(value)
            for condition, value in zip(self._header, (project, environment, level, release), strict=True)
        )

    def place(self, project: str, environment: str) -> bool:
        """Return whether the conditions on project and environment hold, whatever the others say."""
        return self.project(project) and self.environment(environment)

    def project(self, name: str) -> bool:
        """Return whether the condition on the project holds."""
        condition = self._header[0]
        return condition is None or condition.test(name)

    def environment(self, name: str) -> bool:
        """Return whether the condition on the environment holds."""
        condition = self._header[1]
        return condition is None or condition.test(name)

    def details(self, occurrence: Occurrence) -> bool:
        """Return whether the conditions on texts and tags hold."""
        return all(condition.holds(occurrence) for condition in self._details)

    def sql(self) -> list[str]:
        """Return the conditions, besides those on project and environment, as SQL over the table of errors."""
        return [condition.sql() for condition in self.conditions if condition.field not in PLACE_FIELDS]
