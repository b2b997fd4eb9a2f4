"""What a finding becomes: its kind's name, nothing, a mask, or a keyed hash.

Every result is left alone by a second scrubbing, so that scrubbing twice changes nothing: the hash is written with
the letters ``a`` to ``p``, which make no number, and a mask with asterisks.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from pipeline.scrub.addresses import truncated
from pipeline.scrub.jsontext import flatten
from pipeline.scrub.kinds import EMAIL, IP
from pipeline.scrub.policy import Policy

_FILLERS: Final = re.compile(rb"[\x01\x02]+")
_HEX_TO_LETTERS: Final = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
_HASH_BYTES: Final = 8
_KEPT_BY_MASK: Final = frozenset(b" @.-:/+()[]")
_CASELESS: Final = frozenset((EMAIL, IP))


def _marker(kind: str) -> bytes:
    return b"[" + kind.encode() + b"]"


class Replacer:
    """Turns a finding into what stands in its place, by policy."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._methods = {kind: policy.method_of(kind) for kind in policy.kinds}
        self._default = policy.method
        self._key = blake2b(policy.hash_key.encode(), digest_size=32).digest()
        self.truncates = policy.ip == "truncate"
        """Whether addresses become their network, which may be what they are already."""
        self._markers = {
            kind: _marker(kind)
            for kind in policy.wanted
            if policy.method_of(kind) == "replace" and not (kind == IP and self.truncates)
        }

    def text(self, kind: str, raw: bytes) -> bytes:
        """Return what replaces ``raw`` (a finding as it stands in JSON); ASCII without quotes or backslashes."""
        marker = self._markers.get(kind)
        return self._written(kind, flatten(raw)) if marker is None else marker

    def _written(self, kind: str, flat: bytes) -> bytes:
        if kind == IP and self.truncates:
            try:
                return truncated(flat)
            except ValueError:
                return b"[ip]"
        method = self._methods.get(kind, self._default)
        if method == "replace":
            return _marker(kind)
        if method == "remove":
            return b""
        value = _FILLERS.sub(b"", flat)
        if method == "hash":
            return b"[" + kind.encode() + b":" + self._hash(kind, value) + b"]"
        return bytes(byte if byte in _KEPT_BY_MASK else 0x2A for byte in value) if len(value) < 256 else b"*" * 16

    def _hash(self, kind: str, value: bytes) -> bytes:
        if kind in _CASELESS:
            value = value.lower()
        digest = blake2b(value, key=self._key, digest_size=_HASH_BYTES, person=kind.encode()[:16]).hexdigest()
        return digest.encode().translate(_HEX_TO_LETTERS)
