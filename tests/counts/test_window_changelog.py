"""What stands of the changelog: the later entry, unless an overtaken worker wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.counts.window_state import (
    KNOWN,
    REACTION,
    SOURCE,
    STATE_VERSION,
    WINDOW,
    Changelog,
    KnownEntry,
    ReactionEntry,
    SourceEntry,
    WindowEntry,
    encode,
)

KEY = (WINDOW, "rule", "shop", "production", "aa")
Value = WindowEntry | KnownEntry | ReactionEntry | SourceEntry


def window(asof: int, *, quiet_until: float = 0.0, definition: str = "one", life: str = "life") -> WindowEntry:
    return WindowEntry(STATE_VERSION, definition, asof, [], quiet_until, None, life)


def reaction(asof: int, *, change: str = "one") -> ReactionEntry:
    return ReactionEntry(STATE_VERSION, change, asof=asof, incarnation="life")


def standing(key: tuple[str, ...], values: Sequence[Value | None]) -> list[tuple[bytes, bytes]]:
    changelog = Changelog()
    for value in values:
        changelog.put(encode(key), encode(value) if value is not None else None)
    return list(changelog.items())


@pytest.mark.parametrize(
    ("key", "behind", "ahead"),
    [
        (KEY, window(4), window(9)),
        ((REACTION, "shop", "aa"), reaction(4), reaction(9)),
        ((SOURCE, "errors", "life", "0"), SourceEntry(STATE_VERSION, 4), SourceEntry(STATE_VERSION, 9)),
        (
            (KNOWN, "shop", "aa"),
            KnownEntry(STATE_VERSION, ["production"]),
            KnownEntry(STATE_VERSION, ["production", "test"]),
        ),
    ],
)
def test_what_was_applied_further_stands_in_whichever_order_it_was_written(
    key: tuple[str, ...], behind: Value, ahead: Value
) -> None:
    assert standing(key, [behind, ahead]) == [(encode(key), encode(ahead))]
    assert standing(key, [ahead, behind]) == [(encode(key), encode(ahead))]


@pytest.mark.parametrize(
    ("key", "earlier", "later"),
    [
        (KEY, window(9), window(9, quiet_until=1.0)),
        (KEY, window(9), window(4, definition="two")),
        (KEY, window(9), window(4, life="another")),
        ((REACTION, "shop", "aa"), reaction(9), reaction(4, change="two")),
    ],
)
def test_the_later_one_stands_where_neither_is_ahead_of_the_other(
    key: tuple[str, ...], earlier: Value, later: Value
) -> None:
    assert standing(key, [earlier, later]) == [(encode(key), encode(later))]


def test_what_was_deleted_is_gone_until_it_is_written_again() -> None:
    assert standing(KEY, [window(9), None]) == []
    assert standing(KEY, [window(9), None, window(4)]) == [(encode(KEY), encode(window(4)))]
