"""A TOML file whose mistakes can be pointed at: values together with the lines they stand on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import KeyPath, Misconfigured

LineOf = Callable[[KeyPath], int | None]
"""Maps a path such as ``("rule", 0, "window")`` to the 1-based line it stands on, or ``None``."""

_HEADER = re.compile(r"^\s*\[(?P<array>\[)?(?P<name>[^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?P<name>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def read_toml(path: Path) -> tuple[dict[str, Any], LineOf]:
    """Read a TOML file; return its values and a function that finds the line of a path in it.

    Raises:
        Misconfigured: the file cannot be read, or is not TOML; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror}): name an existing file") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: is not UTF-8 text: save it as UTF-8") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path}: is not TOML: {error}") from error
    lines = _locate(text)
    return values, lambda wanted: _nearest(lines, wanted)


def _locate(text: str) -> dict[KeyPath, int]:
    """Return the line of every table header and key, as far as a scan by lines can tell."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            *around, name = _parts(header["name"])
            table = (*_within_arrays(around, counts), name)
            if header["array"]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            lines.setdefault((*table, *_parts(key["name"])), number)
    return lines


def _within_arrays(parts: list[str | int], counts: dict[KeyPath, int]) -> KeyPath:
    """Return the path with the index of the latest element behind each array of tables in it."""
    path: KeyPath = ()
    for part in parts:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    return path


def _parts(name: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _PART.findall(name))


def _nearest(lines: dict[KeyPath, int], wanted: KeyPath) -> int | None:
    """Return the line of a path, or of the closest table around it."""
    for end in range(len(wanted), 0, -1):
        found = lines.get(wanted[:end])
        if found is not None:
            return found
    return None
