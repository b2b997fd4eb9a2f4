"""What the parts of this version hand to each other."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from schemas.event import Frame

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
