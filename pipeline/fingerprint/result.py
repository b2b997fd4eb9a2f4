"""What grouping returns: the fingerprint of an event, and why it is that one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct, field

from schemas.event import Frame


class FrameAction(Struct, frozen=True):
    """What stack-trace rules decided for a frame; ``None`` and ``False`` leave it as it is."""

    in_app: bool | None = None
    ignore: bool = False
    cut: Literal["above", "below"] | None = None


Decide = Callable[[Frame, str], FrameAction | None]
"""A set of stack-trace rules: what it says about a frame of a platform, if anything."""


class Frames(Struct, gc=False):
    """The frames of all exceptions of an event, oldest call first, as parallel lists of one length.

    The lists may be shared between events of one bug: read them, do not change them. ``line`` is 0 where it is
    unknown; ``in_app`` is what was decided, not what the SDK said.
    """

    function: list[str] = field(default_factory=list)
    module: list[str] = field(default_factory=list)
    file: list[str] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    in_app: list[bool] = field(default_factory=list)


class Read(Struct, gc=False):
    """What a version of the algorithm finds in an event, before rules and the client have their say.

    ``module`` and ``function`` are those of the blamed frame, normalised; ``title`` is empty unless it is
    another one than type and value of the last exception, or the message.
    """

    components: list[str]
    rule: str
    frames: Frames = field(default_factory=Frames)
    module: str = ""
    function: str = ""
    title: str = ""


class Grouped(Struct, frozen=True, gc=False):
    """An event's place among the issues.

    ``fingerprint`` is xxh3-128 over the components as 32 hex digits; ``rule`` names what decided (``stacktrace``,
    ``message``, ``type``, ``client``, ``csp``, ``rule:<name>``, …); ``title`` is one line of 1 to 200 characters;
    ``culprit`` is the transaction, or ``module in function`` of the blamed frame, or empty.
    """

    fingerprint: str
    components: list[str]
    version: str
    rule: str
    title: str
    culprit: str
    frames: Frames

    @property
    def in_app(self) -> list[bool]:
        """Whether each of ``frames`` belongs to the application."""
        return self.frames.in_app
