"""Identity: a keyed hash of the user, taken before scrubbing, so that people can be counted without being known."""

from __future__ import annotations

from hashlib import blake2b

from schemas.event import User


def user_hash(user: User | None, project: str, key: bytes) -> int:
    """Return a 64-bit keyed BLAKE2b of the user's id, else of e-mail, user name or address; 0 for nobody.

    Without a key only an id that is no e-mail address counts: an unkeyed hash of an address can be found out by
    hashing known addresses. The same person has different hashes in different projects.
    """
    if user is None:
        return 0
    if user.id is not None and user.id != "":
        known = f"id:{user.id}"
    else:
        known = next(
            (
                f"{name}:{value}"
                for name, value in (("email", user.email), ("name", user.username), ("ip", user.ip_address))
                if value and value != "{{auto}}"
            ),
            "",
        )
    if not known or (not key and ("@" in known or not known.startswith("id:"))):
        return 0
    digest = blake2b(f"{project}\0{known}".encode(), digest_size=8, key=key[:64])
    return int.from_bytes(digest.digest(), "big")
