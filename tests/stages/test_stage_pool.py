"""Several processes of the stages: batches go to the idle ones, and what is said to one is said to all."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.config.settings import Settings, WorkerSettings
from pipeline.records.record import RawBatch
from pipeline.stages.messages import Ended
from pipeline.stages.pool import StagePool
from pipeline.tables.rows import ERROR_COLUMNS
from pipeline.tables.storage import StorageSettings
from schemas.issue_change import IssueChange
from tests.records import message, raw_batch

FINGERPRINT = ERROR_COLUMNS.index("fingerprint")


def settings(processes: int) -> Settings:
    return Settings(worker=WorkerSettings(stage_processes=processes), storage=StorageSettings(then_one_in=1))


@pytest.fixture
def stages() -> Iterator[StagePool]:
    started = StagePool(settings(2))
    started.wait_ready()
    yield started
    started.close()


def batch(first: int, count: int) -> RawBatch:
    return raw_batch(*(message({"message": "out of stock"}, offset) for offset in range(first, first + count)))


async def processed(stages: StagePool, batch: RawBatch) -> tuple[list[Any], Ended]:
    """Return the rows of errors and what else has become of a batch."""
    pieces: list[bytes] = []

    def came(table: str, rows: bytes) -> None:
        if table == "errors":
            pieces.append(rows)

    ended = await stages.process(batch, asyncio.get_running_loop().create_future(), came)
    return [msgspec.json.decode(line) for piece in pieces for line in piece.splitlines()], ended


def pids(stages: StagePool) -> list[int]:
    return [process.pid for process in stages._processes]


def ticks(pid: int) -> int:
    """Return how long a process has run in user mode, in clock ticks (proc(5), stat)."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[11])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_batches_that_come_at_once_are_shared_out(stages: StagePool) -> None:
    async def test() -> None:
        before = {pid: ticks(pid) for pid in pids(stages)}
        results = await asyncio.gather(*(processed(stages, batch(first, 3000)) for first in (0, 3000)))
        assert [(len(rows), ended.records) for rows, ended in results] == [(3000, 3000)] * 2
        assert all(ticks(pid) > before[pid] for pid in pids(stages))

    asyncio.run(test())


def test_what_becomes_of_issues_is_known_to_all_of_them(stages: StagePool) -> None:
    async def test() -> None:
        [[row, *_], _] = await processed(stages, batch(0, 1))
        gone = row[FINGERPRINT]
        change = IssueChange(
            project="default", fingerprint=gone, id="1", changed_at=datetime.now(UTC), deleted="discard"
        )
        stages.note("default", gone, change)
        results = await asyncio.gather(*(processed(stages, batch(first, 500)) for first in (0, 500)))
        assert [(rows, sum(ended.filtered.values())) for rows, ended in results] == [([], 500)] * 2

    asyncio.run(test())


def test_none_of_them_outlives_it() -> None:
    started = StagePool(settings(3))
    started.wait_ready()
    numbers = pids(started)
    assert len(set(numbers)) == 3
    started.close()
    for pid in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
