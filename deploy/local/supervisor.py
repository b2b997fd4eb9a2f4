"""Start components in stages, notice when one dies, and end them all in the opposite order. Restarts nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NoReturn, Self

from deploy.local.component import Component
from pipeline.errors import Unavailable

_LOOK_SECONDS = 0.2


class Supervisor:
    """The components that have been started so far; a context manager that ends them.

    ``say`` receives one line a component once it is ready.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._stages: list[Sequence[Component]] = []

    @property
    def components(self) -> list[Component]:
        """Every component that has been started, in that order."""
        return [component for stage in self._stages for component in stage]

    def start(self, *stage: Component) -> None:
        """Start components side by side and return when each of them answers.

        Raises :class:`~pipeline.errors.Unavailable` when one of them, or one that was started earlier, ends or does
        not answer in its time.
        """
        self._stages.append(stage)
        for component in stage:
            component.launch()
        for component in stage:
            component.wait_until_ready(while_waiting=self.check)
            self.tell(component.name, component.address, f"ready: {component.version}")

    def tell(self, name: str, address: str, state: str) -> None:
        """Pass on one component's line."""
        self._say(f"{name:<11} {address:<22} {state}")

    def check(self) -> None:
        """Raise :class:`~pipeline.errors.Unavailable`, with the end of its log, if a component has ended."""
        for component in self.components:
            if component.has_ended:
                raise Unavailable(component.obituary())

    def wait(self) -> NoReturn:
        """Watch the components until one ends; then raise as :meth:`check` does."""
        while True:
            self.check()
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End every stage, the latest first; those of one stage end side by side."""
        while self._stages:
            for component in self._stages[-1]:
                component.ask_to_end()
            for component in self._stages[-1]:
                component.stop()
            self._stages.pop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
