"""The processes of the stages of one worker: several, so that as many batches are on their way at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.config.settings import Settings
from pipeline.records.record import RawBatch
from pipeline.stages.messages import Ended
from pipeline.stages.parent import StageProcess
from schemas.issue_change import IssueChange


class StagePool:
    """So many processes of the stages, each of which takes one batch after the other.

    Args:
        settings: all settings; ``worker.stage_processes`` says how many.
    """

    def __init__(self, settings: Settings) -> None:
        self._processes = [StageProcess(settings) for _ in range(settings.worker.stage_processes)]
        self._batches = dict.fromkeys(self._processes, 0)

    def wait_ready(self) -> None:
        """Return when all are there.

        Raises:
            Misconfigured: the stages cannot be compiled for the settings.
            StagesEnded: one ended.
        """
        for process in self._processes:
            process.wait_ready()

    def note(self, project: str, fingerprint: str, change: IssueChange | None) -> None:
        """Tell the stages of an issue's latest change, before any batch that is handed over from now on."""
        for process in self._processes:
            process.note(project, fingerprint, change)

    async def process(self, batch: RawBatch, taken: asyncio.Future[None], rows: Callable[[str, bytes], None]) -> Ended:
        """Take a batch through the stages: see :meth:`pipeline.stages.parent.StageProcess.process`.

        Raises:
            StagesEnded: the process ended.
        """
        with self._idlest() as process:
            return await process.process(batch, taken, rows)

    async def rows_apart(self, batch: RawBatch, table: str) -> list[tuple[int, bytes]]:
        """Return each row that all of a batch's events make in a table, with its event's offset.

        Raises:
            StagesEnded: the process ended.
        """
        with self._idlest() as process:
            return await process.rows_apart(batch, table)

    def close(self) -> None:
        """End the processes, and wait until they are gone."""
        for process in self._processes:
            process.close()

    @contextmanager
    def _idlest(self) -> Iterator[StageProcess]:
        """Choose the process that has the fewest batches."""
        process = min(self._processes, key=self._batches.__getitem__)
        self._batches[process] += 1
        try:
            yield process
        finally:
            self._batches[process] -= 1
