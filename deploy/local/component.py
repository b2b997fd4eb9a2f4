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
    as a context manager: entering starts it and waits until it answers, leaving stops it. It can be started again
    after it was stopped or killed, on the same port and the same data.
    """

    name: str
    version: str
    address: str
    ready_seconds: float = 60.0
    """How long it may take from its start to its first answer, on a slow machine."""
    stop_seconds: float = 10.0
    """How long it may take to end by itself before it is killed."""
    _process: Process | None = None

    @abstractmethod
    def prepare(self) -> Process:
        """Do what has to be done first (downloads, formatting storage, configuration); return the process to start."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask the server once whether it does its work, without waiting for it to begin; errors mean no."""

    @property
    def process(self) -> Process:
        """The process of the last start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._process

    @property
    def has_ended(self) -> bool:
        """Whether it was started and its process is gone."""
        return self._process is not None and self._process.exit_code is not None

    def start(self) -> None:
        """Prepare, start, and return when the server answers.

        Raises :class:`~pipeline.errors.Unavailable`, with the end of its log, when it ends or stays silent.
        """
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Prepare and start, and return at once."""
        self._process = self.prepare()
        self._process.start()

    def wait_until_ready(self, while_waiting: Callable[[], None] | None = None) -> None:
        """Return when the server answers; ``while_waiting`` is called between the questions and may raise."""
        deadline = time.monotonic() + self.ready_seconds
        while not self.answers():
            if self.has_ended:
                raise Unavailable(self.obituary())
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{self.name} did not answer on {self.address} in {self.ready_seconds:.0f} s; {self._evidence()}"
                )
            if while_waiting is not None:
                while_waiting()
            time.sleep(_LOOK_SECONDS)
        # Another program on the same port would answer as well.
        if self.has_ended:
            raise Unavailable(self.obituary())

    def obituary(self) -> str:
        """Say in one line how the process ended and what it wrote last."""
        code = self.process.exit_code
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}; {self._evidence()}"

    def ask_to_end(self) -> None:
        """Ask the server to end and do not wait for it."""
        if self._process is not None:
            self._process.ask_to_end()

    def stop(self) -> None:
        """End the server gently, or by force if that takes too long."""
        if self._process is not None:
            self._process.stop(self.stop_seconds)

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()

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
