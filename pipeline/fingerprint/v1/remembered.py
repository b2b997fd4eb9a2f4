"""Chains of exceptions that were read before, found again by all that is read of them but what they say.

A bug fails with the same types and the same stacks each time. Where those decide alone, everything else of a chain
follows from them: it is looked up instead of being worked out from some dozens of frames once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import SystemRandom

from msgspec.json import Encoder
from xxhash import xxh3_128_digest

from pipeline.fingerprint.v1.model import Chain, Link
from schemas.event import Frame

_MOST_FRAMES = 250
"""Frames of a chain that is remembered."""
_MOST_BYTES = 8 * 1024 * 1024
"""So much may the descriptions of the remembered chains have; the chains take a small multiple of it."""
_SEED = SystemRandom().getrandbits(64)
"""Another one in each process, so that nobody can make a chain that is taken for another one."""

_encode = Encoder().encode


def described(platform: str, links: Sequence[Link], stacks: Sequence[Sequence[Frame]]) -> bytes:
    """Return all that is read of a chain but what its exceptions say; empty for one that is not worth remembering.

    ``links`` need not know yet what their stacks contribute.
    """
    if sum(map(len, stacks)) > _MOST_FRAMES:
        return b""
    parts = [(link.type, link.overflow, link.mechanism, frames) for link, frames in zip(links, stacks, strict=True)]
    try:
        return _encode((platform, parts))
    except UnicodeEncodeError:
        return b""


class Remembered:
    """The chains that were read, by their descriptions; all of them are forgotten when they take too much."""

    def __init__(self) -> None:
        self._known: dict[bytes, Chain] = {}
        self._bytes = 0

    def get(self, description: bytes) -> Chain | None:
        """Return the chain of a description, if it was kept."""
        return self._known.get(xxh3_128_digest(description, _SEED))

    def keep(self, description: bytes, chain: Chain) -> None:
        """Remember a chain; what was found in it must depend on the description alone."""
        if self._bytes > _MOST_BYTES:
            self._known.clear()
            self._bytes = 0
        self._bytes += len(description)
        self._known[xxh3_128_digest(description, _SEED)] = chain
