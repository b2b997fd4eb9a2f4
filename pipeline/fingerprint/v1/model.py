"""What the parts of this version hand to each other.

Not compiled, as all modules of structs with options: a compiled class loses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from pipeline.fingerprint.result import Frames
from schemas.event import Frame, Mechanism

RUNTIME, LIBRARY, APP = 0, 1, 2
"""How near a frame is to the application: the language's own code, a dependency, the application itself."""

ANONYMOUS = "<anonymous>"
"""The name of every function without one, however the runtime spells that."""

SHIM = "\0shim"
"""The name of a frame that only passes a call on: it tells bugs apart only where it is the one that failed."""

INLINED = "\0inlined"
"""The name of a frame that other versions of the language do not have: a part of the function that holds it."""


class Platform(Struct, frozen=True):
    """How one platform spells its frames.

    ``name`` turns a function's raw name into the one its author wrote, or into :data:`ANONYMOUS`, :data:`SHIM` or
    :data:`INLINED`; ``place`` says where it lives, as a module or a path; ``nearness`` is :data:`RUNTIME`,
    :data:`LIBRARY` or :data:`APP`. ``trusts_in_app`` says whether an SDK's ``in_app: true`` is a decision or only a
    default; ``reads_source`` whether the source line of a frame is the same wherever the program runs;
    ``cuts_stacks`` whether the runtime records only so many frames, so that recursion hides who called. ``unsteady``
    matches source lines that are part of a statement of which other versions name another line.
    """

    key: str
    name: Callable[[str, Frame], str]
    place: Callable[[Frame], str]
    nearness: Callable[[Frame], int]
    trusts_in_app: bool = True
    reads_source: bool = True
    cuts_stacks: bool = False
    unsteady: re.Pattern[str] | None = None


class Seen(Struct, frozen=True, gc=False):
    """A frame as the algorithm sees it.

    ``label`` is what goes into the fingerprint; ``tier`` is what the SDK, the rules and the platform agreed on,
    ``own`` what the platform alone says; ``shim`` and ``inlined`` as in :data:`SHIM` and :data:`INLINED`.
    """

    label: str
    place: str
    function: str
    tier: int
    own: int
    platform: Platform
    anonymous: bool = False
    shim: bool = False
    inlined: bool = False
    detached: bool = False
    ignored: bool = False
    cut: str | None = None
    cached: bool = True


class Contribution(Struct, frozen=True, gc=False):
    """What a stack trace puts into a fingerprint.

    ``tier`` says whose frames they are; ``weak`` that they would fit nearly any failure, so that the message has
    to help.
    """

    labels: list[str]
    tier: int
    weak: bool
    blamed: int


NOTHING = Contribution([], -1, True, -1)


class Plan(Struct, frozen=True, gc=False):
    """What can be said of a stack trace before its source lines are looked at.

    ``named`` are the positions of the frames that stand for something, ``blamed`` the failing one of them and
    ``failing`` the frame whose source line failed, which may be an inlined part of it. ``seen`` are the frames
    themselves: a plan keeps them alive, because it is found again by their addresses. ``functions``, ``modules`` and
    ``files`` are what is stored of them; frames that are read as the same ones have the same.
    """

    seen: tuple[Seen, ...]
    functions: list[str]
    modules: list[str]
    files: list[str]
    in_app: list[bool]
    tier: int
    named: list[int]
    blamed: int
    failing: int
    labels: list[str]
    looped: list[str]
    nameless: bool


class Link(Struct, gc=False):
    """One exception, with what its stack contributes as soon as that was read."""

    type: str
    value: str
    mechanism: Mechanism | None
    overflow: bool
    stack: Contribution = NOTHING


class Chain(Struct, frozen=True, gc=False):
    """What is found in a chain: the components and the rule, all frames, and the place of the blamed one.

    ``worded`` says that components depend on what the exceptions say. The lists are shared between events.
    """

    rule: str
    components: list[str]
    frames: Frames
    module: str
    function: str
    worded: bool
