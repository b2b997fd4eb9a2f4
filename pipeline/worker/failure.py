"""What a worker does about a failure that nobody foresaw: it ends, and what is not committed is done again."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable

import faust
from mode import Service

from pipeline.errors import AftershockError

log = logging.getLogger(__name__)

LONGEST_END_S = 20.0
"""How long a worker that stops, or has failed, may take to end in order, before it ends at once. Its supervisor waits
for that, and whatever it may still be waiting for is done again by the next one."""


class Failure:
    """The first failure of a worker, which ends it.

    Args:
        app: the Faust app.

    Attributes:
        error: what failed; ``None`` while nothing has.
    """

    def __init__(self, app: faust.App) -> None:
        self._app = app
        self.error: BaseException | None = None

    async def guard(self, work: Awaitable[None]) -> None:
        """Await work; end the worker if it fails. Faust would restart an agent, and lose its place in the topic."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  whatever it is
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the process: what is not committed is done again by the next one, or by another worker."""
        if self.error is not None:
            return
        self.error = error
        if isinstance(error, AftershockError):
            log.error("%s", error)
        else:
            log.error("the worker stops: %s", type(error).__name__, exc_info=error)
        self._app.loop.create_task(self._stop())
        end_in_any_case(getattr(error, "exit_code", 1))

    async def _stop(self) -> None:
        service: Service = self._app
        await service.crash(self.error or RuntimeError("the worker failed"))


def end_in_any_case(exit_code: int) -> None:
    """Have the process end within :data:`LONGEST_END_S`, whatever it may still wait for by then."""
    end = threading.Timer(LONGEST_END_S, os._exit, (exit_code,))
    end.daemon = True
    end.start()
