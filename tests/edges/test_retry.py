"""The same work again while a server is away, and only then."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.edges import retry
from pipeline.errors import Misconfigured, Unavailable


class Away:
    """Work that a server refuses so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.left = times
        self.error = error
        self.retried = 0

    async def work(self) -> str:
        if self.left:
            self.left -= 1
            raise self.error
        return "done"

    def note(self) -> None:
        self.retried += 1


def test_work_is_repeated_until_the_server_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    away = Away(5, Unavailable("away"))
    assert asyncio.run(retry.until_available(away.work, away.note)) == "done"
    assert away.retried == 5


def test_the_pause_grows_to_a_limit(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE_S", 0.004)
    away = Away(5, Unavailable("ClickHouse at x is away"))
    asyncio.run(retry.until_available(away.work, away.note))
    assert len(caplog.messages) == 5
    assert caplog.messages[0].startswith("ClickHouse at x is away; trying again")
    assert away.left == 0


def test_another_error_is_not_for_repeating() -> None:
    away = Away(1, Misconfigured("mend it"))
    with pytest.raises(Misconfigured):
        asyncio.run(retry.until_available(away.work, away.note))
    assert away.retried == 0
