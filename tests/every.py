"""One case per shape or kind, with all its texts inside: a failure names each text that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def every(cases: Iterable[tuple[str, T]], check: Callable[[T], None]) -> None:
    """Check each case; fail with the names of all that failed, and why.

    Raises:
        AssertionError: a case failed, or there is none.
    """
    checked, failed = 0, []
    for name, case in cases:
        checked += 1
        try:
            check(case)
        except AssertionError as error:
            failed.append(f"{name}: {error}")
    assert checked, "there is no case"
    assert not failed, f"{len(failed)} of {checked} failed:\n" + "\n".join(failed)
