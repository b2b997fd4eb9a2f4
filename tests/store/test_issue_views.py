"""What ClickHouse says of issues: one row for those that are merged, and what people and events made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.json import Encoder

from pipeline.counts.issue_store import IssueStore
from pipeline.counts.reactions import Reaction
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.store.migrate import migrate_clickhouse
from pipeline.tables.each import Each
from pipeline.tables.issues import ISSUE_CHANGE_COLUMNS, ISSUE_CHANGES_TABLE, issue_change_rows
from schemas.issue_change import key_of
from tests.records import Message, batch_of

A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
NOW_MS = 1_790_000_000_000


@pytest.fixture
def server(clickhouse: str, names: Any) -> ClickHouse:
    made = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_clickhouse(made, RetentionSettings(errors_days=3650), lambda _line: None)
    rows = [
        (
            "shop",
            fingerprint,
            NOW_MS + hour * 3_600_000,
            user,
            f"shop@1.{hour}",
            "production",
            f"title {fingerprint[0]}",
        )
        for fingerprint, hour, user in ((A, 0, 1), (A, 1, 2), (B, 2, 2), (C, 3, 3), (D, 4, 9))
    ]
    columns = ("project", "fingerprint", "timestamp", "user_hash", "release", "environment", "title")
    made.insert("errors", columns, Encoder().encode_lines(rows), "")
    return made


@pytest.fixture
def change(server: ClickHouse) -> Callable[..., None]:
    """Store a change of an issue, as the topic would carry it."""
    offsets = iter(range(1000))

    def store(fingerprint: str, *, taken_back: bool = False, **fields: Any) -> None:
        wish = {
            "project": "shop",
            "fingerprint": fingerprint,
            "id": "1",
            "changed_at": "2026-09-21T00:00:00Z",
            **fields,
        }
        value = None if taken_back else Encoder().encode(wish)
        offset = next(offsets)
        message = Message(value, offset, topic="issue-changes", key=key_of("shop", fingerprint))
        (row,) = (
            Each((ISSUE_CHANGES_TABLE,), issue_change_rows)
            .process(batch_of(message, topic="issue-changes"))
            .rows["issue_changes"]
        )
        server.insert("issue_changes", ISSUE_CHANGE_COLUMNS, Encoder().encode_lines([row]), f"{offset}")

    return store


def issues(server: ClickHouse, columns: str, view: str = "all_issues") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in server.rows(f"SELECT {columns} FROM {view} ORDER BY fingerprint")]


def test_issues_that_nobody_touched_are_open(server: ClickHouse) -> None:
    assert issues(server, "fingerprint, status, events, assignee", "open_issues") == [
        (A, "open", 2, ""),
        (B, "open", 1, ""),
        (C, "open", 1, ""),
        (D, "open", 1, ""),
    ]


def test_merged_issues_are_one_row_and_two_again_afterwards(server: ClickHouse, change: Callable[..., None]) -> None:
    change(A, merged_into=B)
    change(B, merged_into=C)
    (merged, other) = issues(server, "fingerprint, title, events, users_affected, first_release, last_release, merged")
    assert (*merged[:-1], sorted(merged[-1])) == (C, "title c", 4, 3, "shop@1.0", "shop@1.3", [A, B])
    assert other[:2] == (D, "title d")
    columns = "fingerprint, sum(events) AS events, max(users_affected) AS users"
    by_day = server.rows(f"SELECT {columns} FROM users_affected GROUP BY fingerprint ORDER BY fingerprint")
    assert [row["events"] for row in by_day] == [4, 1]
    assert issues(server, "fingerprint, release, events", "new_in_release") == [(C, "shop@1.0", 4), (D, "shop@1.4", 1)]
    change(B)
    assert issues(server, "fingerprint, events, users_affected") == [(B, 3, 2), (C, 1, 1), (D, 1, 1)]
    change(A, taken_back=True)
    assert [row[0] for row in issues(server, "fingerprint")] == [A, B, C, D]


def test_a_circle_of_merges_merges_nothing(server: ClickHouse, change: Callable[..., None]) -> None:
    for one, other in ((A, B), (B, A), (D, A)):
        change(one, merged_into=other)
    assert [row[0] for row in issues(server, "fingerprint")] == [A, B, C, D]
    change(B)
    assert [row[0] for row in issues(server, "fingerprint")] == [B, C]


def test_the_status_is_what_people_wish_and_what_the_issue_did_since(
    server: ClickHouse, change: Callable[..., None]
) -> None:
    store = IssueStore(server)
    change(A, status="resolved", assignee="ada")
    change(B, status="ignored", until_count=5)
    change(C, status="ignored", until="2001-01-01T00:00:00Z")
    change(D, status="resolved")
    regressed = Reaction("regressed", "1", "shop", D, "production", "shop@1.4", NOW_MS, ())
    store.note([regressed])
    store.note([regressed])
    assert issues(server, "fingerprint, status, assignee, isNull(came_back_at)") == [
        (A, "resolved", "ada", 1),
        (B, "ignored", "", 1),
        (C, "open", "", 1),
        (D, "regressed", "", 0),
    ]
    change(D, status="resolved", id="2")
    store.note([Reaction("unignored", "1", "shop", B, "production", "shop@1.4", NOW_MS, ())])
    assert [row[:2] for row in issues(server, "fingerprint, status")][1::2] == [(B, "open"), (D, "resolved")]
    assert [row[0] for row in issues(server, "fingerprint", "open_issues")][:1] == [B]


def test_releases_are_known_with_their_first_events(server: ClickHouse) -> None:
    store = IssueStore(server)
    assert store.first_seen([("shop", "shop@1.2"), ("shop", "gone"), ("blog", "shop@1.1")]) == [
        ("shop", "shop@1.2", NOW_MS + 2 * 3_600_000)
    ]
    assert store.first_seen([("shop", "shop@2.0")]) == []
    columns = ("project", "release", "kind", "at")
    server.insert("release_changes", columns, Encoder().encode_lines([("shop", "shop@2.0", "created", NOW_MS)]), "")
    assert store.first_seen([("shop", "shop@2.0")]) == [("shop", "shop@2.0", NOW_MS)]
    assert sorted(store.releases("shop"))[:-1] == [f"shop@1.{hour}" for hour in range(5)]
