"""The release contract, version 1: what somebody says about a release, one message a change.

The topic is compacted, so the key says what a change is about, and of changes with one key the latest stays:
``project/release/created``, ``.../finalized``, ``.../commits/0``, ``.../deploy/<environment>/<name>``, ... What a
message does not say is not changed by it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

SCHEMA_VERSION = 1

Kind = Literal["created", "finalized", "refs", "commits", "deploy"]


class Commit(Struct, frozen=True):
    """A commit that a release consists of. ``timestamp`` is RFC 3339; ``files`` are the paths that it changed.

    ``author_email`` is read for a keyed hash and not stored. The topic keeps messages for ever: better leave it out, as
    the gateway and the command line do.
    """

    id: str
    repository: str = ""
    message: str = ""
    author_name: str = ""
    author_email: str = ""
    timestamp: str = ""
    files: list[str] = []


class Ref(Struct, frozen=True):
    """The commit at which a repository stood. ``previous_commit``: at the release before, where it is known."""

    repository: str
    commit: str
    previous_commit: str = ""


class Deploy(Struct, frozen=True):
    """A deployment of a release to an environment. Times are seconds since 1970."""

    environment: str
    name: str = ""
    url: str = ""
    started: float | None = None
    finished: float | None = None


class ReleaseChange(Struct, frozen=True):
    """One change of one release of one project.

    * ``kind``: ``created``; ``finalized``, when it was released; ``refs``, the commits at which its repositories
      stood; ``commits``, what it consists of, in parts where they are many; ``deploy``.
    * ``time``: when that was, in seconds since 1970.
    * ``url``: where to read about it.
    * ``commits``: the newest first. Many commits are several messages, all with the same ``time``: ``part`` is the
      number of this one, ``first`` how many commits are in those before it.
    """

    project: str
    release: str
    kind: Kind
    time: float
    url: str = ""
    refs: list[Ref] = []
    commits: list[Commit] = []
    part: int = 0
    first: int = 0
    deploy: Deploy | None = None
    version: int = SCHEMA_VERSION


def key_of(change: ReleaseChange) -> bytes:
    """Return the key of a change's message: what it is about."""
    about = {
        "commits": f"commits/{change.part}",
        "deploy": f"deploy/{change.deploy.environment}/{change.deploy.name}" if change.deploy else "deploy",
    }
    return f"{change.project}/{change.release}/{about.get(change.kind, change.kind)}".encode()
