"""Paths of values in an event, and the fields that a policy declares safe."""

from __future__ import annotations

import re
from typing import Final

from pipeline.payload.globs import compile_globs

_TOKEN: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"([ \t\r\n]*+:)?|[\[\]{}]', re.DOTALL)


def path_of(text: bytes, offset: int) -> tuple[str, ...]:
    """Return the keys from the top of the document to the value that begins at ``offset``; arrays add nothing.

    Reads the text from its beginning, so it is asked only where a policy has safe fields and something was found.
    """
    keys: list[str] = []
    open_: list[int] = []
    for match in _TOKEN.finditer(text, 0, offset):
        token = match[0]
        if token in (b"{", b"["):
            open_.append(len(keys))
        elif token in (b"}", b"]"):
            del keys[open_.pop() :]
        elif match[2] is not None:
            del keys[open_[-1] :]
            keys.append(match[1].decode("utf-8", "replace"))
    return tuple(keys)


class SafeFields:
    """The safe fields of a policy: a key alone (``order_ref``), or a path as a glob (``extra.build``, ``tags.*``).

    Everything inside a safe field is safe as well.
    """

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._keys = frozenset(entry.lower() for entry in entries if "." not in entry and "*" not in entry)
        self._is_safe = compile_globs([path for entry in entries for path in (entry, f"{entry}.*")])
        self.empty = not entries

    def __contains__(self, path: tuple[str, ...]) -> bool:
        """Whether a value at ``path`` is in a safe field."""
        if not self._keys.isdisjoint(key.lower() for key in path):
            return True
        return self._is_safe(".".join(path))
