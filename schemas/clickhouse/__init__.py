"""The ClickHouse schema: numbered migrations, applied in order by ``aftershock migrate``.

A migration that has shipped is never edited; a newer one stands behind it. ``tests/store/kept`` holds the checksums of
those that each version shipped, and a database as that version made it, which every later version must upgrade.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from msgspec import Struct

STATEMENT_END = ";\n"


class Migration(Struct, frozen=True):
    """One numbered ``.sql`` file: its number, its name, its statements and the SHA-256 of its text."""

    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def migrations() -> list[Migration]:
    """Return every migration in the order in which they are applied."""
    found = sorted(
        (path for path in files(__name__).iterdir() if path.name.endswith(".sql")), key=lambda path: path.name
    )
    return [_read(path.name, path.read_text(encoding="utf-8")) for path in found]


def _read(file_name: str, text: str) -> Migration:
    number, _, name = file_name.removesuffix(".sql").partition("_")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = ("\n".join(lines) + "\n").split(STATEMENT_END)
    statements = tuple(part.strip() for part in parts if part.strip())
    return Migration(int(number), name, statements, hashlib.sha256(text.encode()).hexdigest())
