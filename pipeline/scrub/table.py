"""Reads a table of settings, so that every mistake in it names its line, its setting and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import hyperscan

from pipeline.errors import KeyPath, Misconfigured, PlaceOf

Choice = TypeVar("Choice", bound=str)


class Table:
    """One table of the settings; ``place_of`` names where the value under a path of keys was written."""

    def __init__(self, values: Any, path: KeyPath, place_of: PlaceOf) -> None:
        self._path = path
        self._place_of = place_of
        if not isinstance(values, dict):
            self._values: dict[str, Any] = {}
            raise self.wrong("", "must be a table")
        self._values = values

    def wrong(self, key: str, remedy: str) -> Misconfigured:
        """Return the error that says what is wrong with ``key`` (or with the table itself, for ``""``)."""
        path = (*self._path, key) if key else self._path
        name = ".".join(str(part) for part in path)
        return Misconfigured(f"{self._place_of(path)}: {name}: {remedy}")

    def only(self, *known: str) -> None:
        """Refuse keys that are not ``known``."""
        for key in self._values:
            if key not in known:
                raise self.wrong(key, f"is not a setting here: use one of {', '.join(known)}")

    def names(self) -> list[str]:
        """Return the keys that are there."""
        return list(self._values)

    def value(self, key: str) -> Any:
        """Return the value as it is in the file."""
        return self._values[key]

    def choice(self, key: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        """Return one of ``choices``."""
        value = self._values.get(key, default)
        for choice in choices:
            if value == choice:
                return choice
        raise self.wrong(key, f"use one of {', '.join(choices)}")

    def flag(self, key: str, default: bool) -> bool:
        """Return ``true`` or ``false``."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "use true or false")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of texts that are not empty."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.wrong(key, 'use a list of texts, such as ["a", "b"]')
        return tuple(value)

    def string(self, key: str, expression: str, meaning: str) -> str:
        """Return a text that matches ``expression`` in full."""
        value = self._values.get(key)
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            raise self.wrong(key, f"is needed: {meaning}")
        return value

    def expression(self, key: str) -> str:
        """Return a regular expression that both engines take and that matches something."""
        value = self.string(key, r"(?s).+", "a regular expression")
        try:
            empty = re.compile(value.encode()).match(b"") is not None
            hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(expressions=[value.encode()], ids=[0], flags=0)
        except (re.error, OverflowError) as error:
            raise self.wrong(key, f"is not a regular expression: {error}") from None
        except hyperscan.error as error:
            raise self.wrong(key, f"cannot be scanned for (no look-around, no back-references): {error}") from None
        if empty:
            raise self.wrong(key, "matches the empty text: make it ask for something")
        return value

    def inner(self, key: str) -> Table:
        """Return a table inside this one, empty if it is not there."""
        return Table(self._values.get(key, {}), (*self._path, key), self._place_of)

    def entries(self, key: str) -> Iterator[Table]:
        """Return the tables of an array of tables."""
        value = self._values.get(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "use an array of tables")
        for index, entry in enumerate(value):
            yield Table(entry, (*self._path, key, index), self._place_of)

    def named(self, key: str) -> Iterator[tuple[str, Table]]:
        """Return the tables inside a table, with their names."""
        inner = self.inner(key)
        for name in inner.names():
            yield name, inner.inner(name)
