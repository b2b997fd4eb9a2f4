"""No input makes the work grow faster than its size: counted in calls of the interpreter, not in seconds."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from pipeline.scrub import Policy, Scrubber

SCRUBBER = Scrubber(Policy())
UNITS = (
    "@a@a.b", "a@b.co ", "1", "4111 ", "4111111111111111,", "1.2.3.4 ", "::1:", "password=", "password=x&", "\\", '"',
    '"password":"x",', '\\"', "%40", "%2540", "eyJhbGciOi.", "Bearer abcdef1 ", "://a:b@c ", "://a:", "/home/a/b ",
    "-----BEGIN PRIVATE KEY-----", "+1 415 555 2671 ", "DE89 3704 ", "xoxb-", "[", "sk-a1-", "\n", "é", "Cookie: ",
)  # fmt: skip


def calls(value: Any) -> int:
    """Return how many Python and C functions one scrubbing calls."""
    payload = json.dumps(value, ensure_ascii=False).encode()
    counted = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        SCRUBBER.scrub(payload)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", ["text", "list"])
def test_twice_the_size_is_at_most_twice_the_calls(unit: str, shape: str) -> None:
    def event(times: int) -> Any:
        if shape == "text":
            return {"message": unit * times}
        return {"extra": {"a": [4111111111111111, unit] * times}}

    calls(event(4))
    small, large = calls(event(100)), calls(event(400))
    assert large <= 5 * small + 500
