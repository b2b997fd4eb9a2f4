"""What the parts of this version hand to each other."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from schemas.event import Frame

RUNTIME, LIBRARY, APP = 0, 1, 2
"""How near a frame is to the application: the language's own code, a dependency, the application itself."""

ANONYMOUS = "<anonymous>"
"""The name of every function without one, however the runtime spells that."""

SHIM = ""
"""The name of a frame that only passes a call on: it never tells two bugs apart."""


class Platform(Struct, frozen=True):
    """How one platform spells its frames.

    ``name`` turns a function's raw name into the one its author wrote, :data:`ANONYMOUS` or :data:`SHIM`; ``place``
    says where it lives, as a module or a path; ``nearness`` is :data:`RUNTIME`, :data:`LIBRARY` or :data:`APP`.
    ``trusts_in_app`` says whether an SDK's ``in_app: true`` is a decision or only a default; ``reads_source``
    whether the source line of a frame is the same wherever the program runs.
    """

    key: str
    name: Callable[[str, Frame], str]
    place: Callable[[Frame], str]
    nearness: Callable[[Frame], int]
    trusts_in_app: bool = True
    reads_source: bool = True


class Seen(Struct, frozen=True, gc=False):
    """A frame as the algorithm sees it.

    ``label`` is what goes into the fingerprint; ``tier`` is what the SDK, the rules and the platform agreed on,
    ``own`` what the platform alone says; ``shim`` frames stand for nothing unless they are all there is.
    """

    label: str
    place: str
    function: str
    tier: int
    own: int
    platform: Platform
    anonymous: bool = False
    shim: bool = False
    detached: bool = False
    ignored: bool = False
    cut: str | None = None
