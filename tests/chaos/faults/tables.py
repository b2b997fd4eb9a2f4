"""Faults of tables and of the disk below them: a table takes no inserts, the disk is full, a row is not acceptable."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from tests.chaos.installation import Installation
from tests.chaos.load import Event
from tests.chaos.schedule import Steps
from tests.chaos.sender import noted_on, produce

_LOOK_S = 0.3
_REFUSED_S = (4, 15)
_FULL_S = (4, 12)
_MERGES_END_S = 2.0
_LITTLE_BYTES = 3 << 20
"""Less than ClickHouse wants to reserve for a few inserts at a time, and more than they need."""
_ZEROS = bytes(1 << 16)
_STATEMENT_S = 5.0
_LETTERS_S = 150.0
_BAD_ROWS = 3
_TABLES = ("errors", "batches", "errors_per_minute", "errors_per_hour", "issues", "releases", "spans", "sessions")


def read_only(here: Installation) -> Steps:
    """A table, which may be the target of a view, refuses inserts for a while."""
    table = here.chance.choice(_TABLES)
    with here.fault("read-only table", table):
        yield from altered(here, f"ALTER TABLE {table} MODIFY SETTING table_readonly = 1")
        yield here.chance.uniform(*_REFUSED_S)
        yield from altered(here, f"ALTER TABLE {table} MODIFY SETTING table_readonly = 0")


def low_disk(here: Installation) -> Steps:
    """The disk of ClickHouse has so little room that it refuses inserts (NOT_ENOUGH_SPACE)."""
    yield from _disk_with(here, "no room on the disk", _LITTLE_BYTES)


def full_disk(here: Installation) -> Steps:
    """The disk of ClickHouse has no byte left, and inserts fail in the middle."""
    yield from _disk_with(here, "full disk", 0)


def _disk_with(here: Installation, kind: str, room: int) -> Steps:
    if here.disk is None:
        here.skip(kind, here.no_disk)
        return
    ballast = here.clickhouse.directory / "ballast"
    with here.fault(kind, "clickhouse"):
        # What a merge has reserved is taken from it here, which no other program would do on purpose.
        yield from altered(here, "SYSTEM STOP MERGES")
        yield _MERGES_END_S
        until = time.time() + here.chance.uniform(*_FULL_S)
        with ballast.open("wb", buffering=0) as file:
            while time.time() < until:
                # Again and again: parts that are dropped make room.
                _fill(file, ballast.parent, room)
                yield _LOOK_S
        ballast.unlink()
        yield from altered(here, "SYSTEM START MERGES")


def _fill(file: FileIO, place: Path, room: int) -> None:
    """Write to a file until its disk has no more than some bytes left."""
    with suppress(OSError):
        while (free := _free_bytes(place)) > room or not room:
            file.write(_ZEROS[: max(free - room, 1)])


def _free_bytes(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def bad_row(here: Installation) -> Steps:
    """ClickHouse refuses the rows of some events: each becomes a dead letter, and the others are stored.

    A column is made too narrow for them meanwhile, because what the product sends has the types of the columns.
    """
    with here.fault("rows that ClickHouse refuses", "errors"):
        yield from altered(here, "ALTER TABLE errors MODIFY COLUMN dist LowCardinality(FixedString(4))")
        rng = random.Random(here.chance.random())
        events = [Event(rng, "RefusedError", "production", number, burst=True) for number in range(_BAD_ROWS)]
        for event in events:
            event.dist = "wider than that"
            body = event.body(time.time(), rng)
            headers = [("project", b"refused")]
            produce(here.producer, "errors", body, key=event.id.encode(), headers=headers, on_delivery=noted_on(event))
            here.besides += 1
            yield here.chance.uniform(0, 2)
        while not all(event.offset is not None or event.failure for event in events):
            here.producer.poll(0)
            yield _LOOK_S
        here.letters += [("errors", event.partition or 0, event.offset or 0) for event in events]
        until = time.time() + _LETTERS_S
        while not _buried(here, events) and time.time() < until:
            yield _LOOK_S
        yield from altered(here, "ALTER TABLE errors MODIFY COLUMN dist LowCardinality(String)")


def _buried(here: Installation, events: Sequence[Event]) -> bool:
    sql = "SELECT kafka_partition AS partition, kafka_offset AS offset FROM dead_letters WHERE kafka_topic = 'errors'"
    try:
        found = {(row["partition"], row["offset"]) for row in here.clickhouse.rows(sql)}
    except (OSError, RuntimeError):
        return False
    return all((event.partition, event.offset) in found for event in events)


def altered(here: Installation, sql: str) -> Steps:
    """Run a statement, again and again until ClickHouse takes it."""
    while True:
        try:
            here.clickhouse.run(sql, seconds=_STATEMENT_S)
        except (OSError, RuntimeError):
            yield _LOOK_S
        else:
            return
