"""Release changes: what is said about a release, as messages of bounded size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from schemas.release import Commit, ReleaseChange, key_of

MOST_COMMITS = 10_000
"""The most commits of a release that are kept, the newest."""

LONGEST_MESSAGE = 8192
LONGEST_PATH = 300
MOST_FILES = 500
LARGEST_PART = 512 * 1024

_encode = msgspec.json.Encoder().encode


def message_of(change: ReleaseChange) -> tuple[bytes, bytes]:
    """Return the key and the value of a change's message."""
    return key_of(change), _encode(change)


def with_commits(change: ReleaseChange, commits: Sequence[Commit]) -> Iterator[ReleaseChange]:
    """Yield a change as often as it takes to hold these commits, about half a megabyte each; the newest come first."""
    part: list[Commit] = []
    size = number = first = 0
    for commit in map(_bounded, commits[:MOST_COMMITS]):
        length = len(_encode(commit))
        if part and size + length > LARGEST_PART:
            yield replace(change, commits=part, part=number, first=first)
            number, first = number + 1, first + len(part)
            part, size = [], 0
        part.append(commit)
        size += length
    yield replace(change, commits=part, part=number, first=first)


def _bounded(commit: Commit) -> Commit:
    # The topic keeps what is said for ever, so an address that is not stored must not get there either.
    return replace(
        commit,
        author_email="",
        message=commit.message[:LONGEST_MESSAGE],
        files=[file[:LONGEST_PATH] for file in commit.files[:MOST_FILES]],
    )
