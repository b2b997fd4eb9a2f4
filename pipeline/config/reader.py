"""Settings as they were written, and where: every mistake in them names its file and line, or its variable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pipeline.config.toml_file import LineOf, read_toml
from pipeline.errors import KeyPath, Misconfigured

AnyStruct = TypeVar("AnyStruct", bound=Struct)

_PATH = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_KEY = re.compile(r"[^.\[\]]+")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]*)`")


class SettingsReader:
    """Reads tables of settings as structs.

    Args:
        file: the TOML file; ``None`` where there is none, and the environment says everything.

    Attributes:
        values: what the file says, and the environment in place of it.

    Raises:
        Misconfigured: the file cannot be read, or is not TOML.
    """

    def __init__(self, file: Path | None) -> None:
        self.values: dict[str, Any] = {}
        self._name = "environment" if file is None else str(file)
        self._line_of: LineOf = _no_line
        if file is not None:
            self.values, self._line_of = read_toml(file)
        self._variables: dict[KeyPath, str] = {}

    def override(self, section: str, key: str, value: str, variable: str) -> None:
        """Put what an environment variable says in place of what the file does."""
        self.values.setdefault(section, {})[key] = value
        self._variables[section, key] = variable

    def place(self, path: KeyPath) -> str:
        """Return where a value was written: ``other.toml:12``, or the name of its variable."""
        if path in self._variables:
            return self._variables[path]
        line = self._line_of(path)
        return self._name if line is None else f"{self._name}:{line}"

    def wrong(self, path: KeyPath, what: str) -> Misconfigured:
        """Return the error that says what is wrong with the value under a path of keys."""
        return Misconfigured(f"{self.place(path)}: {_named(path)}: {what}")

    def struct(self, of_type: type[AnyStruct], path: KeyPath, table: Any) -> AnyStruct:
        """Return a table as a struct.

        Raises:
            Misconfigured: a key is unknown or missing, or a value is not acceptable.
        """
        try:
            return msgspec.convert(table, of_type)
        except msgspec.ValidationError as error:
            raise self._misconfigured(error, path) from None

    def structs(self, of_type: type[AnyStruct], path: KeyPath, tables: Any) -> tuple[AnyStruct, ...]:
        """Return an array of tables, each as a struct.

        Raises:
            Misconfigured: it is none, or as :meth:`struct` does.
        """
        if not isinstance(tables, list):
            raise self.wrong(path, f"write [[{_named(path)}]], with two brackets")
        return tuple(self.struct(of_type, (*path, number), table) for number, table in enumerate(tables))

    def _misconfigured(self, error: msgspec.ValidationError, table: KeyPath) -> Misconfigured:
        text = str(error)
        found = _PATH.search(text)
        # What is wrong with some value of a table, or of a list, is said of the whole.
        keys = found["path"].replace("[...]", "") if found else ""
        path = (*table, *(int(key) if key.isdigit() else key for key in _KEY.findall(keys)))
        # Of an unknown key, msgspec names the table that it is in as the path.
        unknown = _UNKNOWN.search(text)
        return self.wrong((*path, unknown["field"]) if unknown else path, _PATH.sub("", text))


def _named(path: KeyPath) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _no_line(_path: KeyPath) -> None:
    return None
