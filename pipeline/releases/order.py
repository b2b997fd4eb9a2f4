"""The order of releases: by semantic version where both names have one, else by the time of first sight. Pure.

A release is named as SDKs send it, ``package@1.2.3-rc.1+build``; package, pre-release and build may be missing, and
versions may have two to four numbers (``1.2``, ``1.2.3``, ``1.2.3.4``). Precedence is that of Semantic Versioning
2.0.0, section 11 (https://semver.org/#spec-item-11). Where precedence is the same, builds that are numbers count:
mobile apps tell their releases apart by nothing else. Single numbers and commit hashes are no versions: a hash may
consist of digits alone.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

_VERSION = re.compile(
    r"(?:(?P<package>.+)@)?v?(?P<numbers>\d{1,18}(?:\.\d{1,18}){1,3})"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+(?P<build>[0-9A-Za-z.-]+))?",
    re.ASCII,
)
_NUMBERS = 4

MOST_SEEN = 20_000
"""How many releases' times of first sight are remembered."""

PreRelease = tuple[tuple[int, int, str], ...]


class Version(NamedTuple):
    """A semantic version. ``precedence`` compares like the versions do; ``build`` is -1 where it is no number."""

    package: str
    precedence: tuple[tuple[int, ...], bool, PreRelease]
    build: int


@lru_cache(maxsize=10_000)
def parse(release: str) -> Version | None:
    """Return the version in a release's name, ``None`` when it has none."""
    found = _VERSION.fullmatch(release)
    if found is None:
        return None
    numbers = tuple(map(int, found["numbers"].split(".")))
    padded = numbers + (0,) * (_NUMBERS - len(numbers))
    pre = tuple(_identifier(one) for one in found["pre"].split(".")) if found["pre"] else ()
    build = found["build"] or ""
    number = int(build) if build.isdecimal() and len(build) <= 18 else -1
    # A version without a pre-release is later than the same with one.
    return Version(found["package"] or "", (padded, not pre, pre), number)


def _identifier(text: str) -> tuple[int, int, str]:
    """Return a pre-release identifier as something that compares: numbers come before words."""
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


def by_version(one: str, other: str) -> int | None:
    """Return -1, 0 or 1 as the first release is earlier, the same or later; ``None`` when names do not tell."""
    if one == other:
        return 0
    left, right = parse(one), parse(other)
    if left is None or right is None or left.package != right.package:
        return None
    if left.precedence != right.precedence:
        return -1 if left.precedence < right.precedence else 1
    if left.build >= 0 and right.build >= 0 and left.build != right.build:
        return -1 if left.build < right.build else 1
    return None


def newest(releases: dict[str, int], package: str | None = None) -> str:
    """Return the latest of some releases, given with their times of first sight; empty for none.

    Of several packages it is that of ``package``, where it is there; else of the release that was seen last.
    """
    if not releases:
        return ""
    last = max(releases, key=lambda name: (releases[name], name))
    wanted = package if package is not None and any(package_of(name) == package for name in releases) else None
    of = package_of(last) if wanted is None else wanted
    candidates = [name for name in releases if package_of(name) == of]
    best = candidates[0]
    for name in candidates[1:]:
        order = by_version(name, best)
        if order == 1 or (order is None and (releases[name], name) > (releases[best], best)):
            best = name
    return best


def package_of(release: str) -> str:
    """Return what stands before the ``@``; empty for a release without one."""
    return release.rpartition("@")[0]


class FirstSeen:
    """When the first event of each release happened, as far as it is known; milliseconds since the epoch."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def learn(self, project: str, release: str, at_ms: int) -> None:
        """Note that a release was there at a time; the earliest is kept."""
        key = (project, release)
        self._seen[key] = min(at_ms, self._seen.get(key, at_ms))
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    def get(self, project: str, release: str) -> int | None:
        """Return the time, ``None`` when it is not known."""
        return self._seen.get((project, release))
