"""Lock: one process at a time, among all machines, does what must not be done twice side by side.

A lock is a table in ClickHouse, made by whoever has it: of two that make it, one succeeds. It holds no rows; its
comment says who has it. A process that ends without releasing it leaves it behind; on the same machine that is noticed.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.errors import Unavailable
from schemas.alert import quote

TABLE_EXISTS = 57
"""ClickHouse's error number for a table that is there already."""

_encode = Encoder().encode


class Owner(Struct, frozen=True):
    """The process that has a lock, and what it does: ``history is being grouped anew``."""

    host: str
    process: int
    since: str
    doing: str = ""

    def is_gone(self) -> bool:
        """Say whether it ran on this machine and does not any more."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


_owner = Decoder(Owner).decode


class Lock:
    """A lock.

    Args:
        clickhouse: where it is.
        table: its name.
        doing: what this process does while it has it.
    """

    def __init__(self, clickhouse: ClickHouse, table: str, doing: str) -> None:
        self._clickhouse = clickhouse
        self._table = table
        self._doing = doing

    def take(self, *, take_over: bool) -> None:
        """Become its owner; ``take_over`` takes it from another one.

        Raises:
            Unavailable: somebody else has it.
        """
        owner = Owner(socket.gethostname(), os.getpid(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", self._doing)
        text = quote(_encode(owner).decode())
        create = f"CREATE TABLE {self._table} (nothing UInt8) ENGINE = Memory COMMENT {text}"
        try:
            self._clickhouse.command(create)
            return
        except RequestRejected as rejected:
            if rejected.code != TABLE_EXISTS:
                raise
        other = self.owner()
        if other is not None and not take_over and not other.is_gone():
            raise Unavailable(
                f"{other.doing or self._doing} since {other.since} by process {other.process} on {other.host}: wait, "
                "or add --take-over when that process is gone"
            )
        self.release()
        self._clickhouse.command(create)

    def owner(self) -> Owner | None:
        """Return who has it."""
        rows = self._clickhouse.rows(
            "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
            {"table": self._table},
        )
        return _owner(rows[0]["comment"]) if rows else None

    def release(self) -> None:
        """Let others."""
        self._clickhouse.command(f"DROP TABLE IF EXISTS {self._table} SYNC")
