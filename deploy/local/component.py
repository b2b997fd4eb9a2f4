"""What every part of the local stack has in common: a name, an address, a process, a question "do you answer?"."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from deploy.local.process import Process
from pipeline.errors import Unavailable

_LOOK_SECONDS = 0.02


class Component(ABC):
    """A server of the local stack.

    ``name`` is what people call it ("ClickHouse"), ``version`` what runs, ``address`` what a client connects to. Usable
    as a context manager: entering starts it and waits until it answers, leaving stops it.
    """

    name: str
    version: str
    address: str
    process: Process
    ready_seconds: float = 60.0
    """How long it may take from its start to its first answer, on a slow machine."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask the server once whether it does its work, without waiting for it to begin; errors mean no."""

    def prepare(self) -> None:  # noqa: B027  most servers need nothing
        """Do what has to be done before the process starts: formatting storage, writing configuration."""

    def start(self) -> None:
        """Prepare, start, and return when the server answers.

        Raises :class:`~pipeline.errors.Unavailable`, with the end of its log, when it ends or stays silent.
        """
        self.prepare()
        self.process.start()
        self.wait_until_ready()

    def wait_until_ready(self, while_waiting: Callable[[], None] | None = None) -> None:
        """Return when the server answers; ``while_waiting`` is called between the questions and may raise."""
        deadline = time.monotonic() + self.ready_seconds
        while not self.answers():
            if not self.process.running:
                raise Unavailable(self.obituary())
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{self.name} did not answer on {self.address} in {self.ready_seconds:.0f} s; {self._evidence()}"
                )
            if while_waiting is not None:
                while_waiting()
            time.sleep(_LOOK_SECONDS)
        # Another program on the same port would answer as well.
        if not self.process.running:
            raise Unavailable(self.obituary())

    def obituary(self) -> str:
        """Say in one line how the process ended and what it wrote last."""
        code = self.process.exit_code
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}; {self._evidence()}"

    def stop(self) -> None:
        """End the server gently, or by force if that takes too long."""
        self.process.stop()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self.process.kill()

    def _evidence(self) -> str:
        said = " | ".join(line.strip() for line in self.process.last_lines() if line.strip())
        return f"its log {self.process.log} ends: {said or '(nothing)'}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
