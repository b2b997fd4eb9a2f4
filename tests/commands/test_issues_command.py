"""``aftershock issues``, against a real broker and a real ClickHouse, without a worker between them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from commandline import Commands
from msgspec.json import Encoder

from pipeline.edges.kafka import ProducerRecord
from pipeline.errors import Misconfigured
from pipeline.records.record import Batch, Boundaries, Source
from pipeline.tables.each import Each
from pipeline.tables.issues import ISSUE_CHANGE_COLUMNS, ISSUE_CHANGES_TABLE, issue_change_rows
from schemas.issue_change import IssueChange, decode_issue_change

A, B, C, D = ("a1" * 16, "b2" * 16, "c3" * 16, "d4" * 16)
NOW_MS = int(time.time()) * 1000 - 3_600_000
FRAMES = ["type: TimeoutError", "frame: shop.pay in charge", "frame: shop.cart in checkout"]
COMPONENTS = {
    A: [*FRAMES, "frame: shop.retry in again"],
    B: [*FRAMES, "frame: shop.retry in once_more"],
    C: ["type: KeyError", "frame: shop.stock in count", "frame: shop.cart in checkout"],
    D: ["message: the mail to * was refused", "logger: mail"],
}


@pytest.fixture
def stored(aftershock: Commands) -> Commands:
    """Four issues of one project, seen one after the other in one release each."""
    rows: list[dict[str, Any]] = [
        {
            "project": "shop",
            "fingerprint": fingerprint,
            "timestamp": NOW_MS + number * 1000,
            "release": f"shop@1.{number + 8}",
            "title": f"title {fingerprint[0]}",
            "user_hash": user,
            "grouping_components": COMPONENTS[fingerprint],
        }
        for number, fingerprint in enumerate((A, B, C, D))
        for user in range(number + 1)
    ]
    aftershock.insert("errors", rows)
    return aftershock


def run(stored: Commands, *arguments: str) -> str:
    result = stored.run("issues", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def wishes(stored: Commands) -> dict[str, IssueChange]:
    """The latest change of each issue on the topic; ClickHouse is told, as a worker would."""
    records = [record for record in stored.on_topic("issue-changes") if record.key is not None]
    batch = Batch(Source("issue-changes", "life", 0), Boundaries(0, len(records)), records)
    rows = Each((ISSUE_CHANGES_TABLE,), issue_change_rows).process(batch).rows["issue_changes"]
    stored.clickhouse.insert("issue_changes", ISSUE_CHANGE_COLUMNS, Encoder().encode_lines(rows), "")
    changes = [decode_issue_change(record.key, record.value) for record in records]
    return {change.fingerprint: change for change in changes}


def listed(stored: Commands, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(stored, "list", "--json", *arguments).splitlines()]


def refused(stored: Commands, *arguments: str) -> str:
    result = stored.run("issues", *arguments)
    assert isinstance(result.exception, Misconfigured), result.output
    return str(result.exception)


def test_issues_are_listed_by_events_with_who_they_hit(stored: Commands) -> None:
    assert [
        (row["title"], row["status"], row["events"], row["users"]) for row in listed(stored, "--project", "shop")
    ] == [
        ("title d", "open", 4, 3),
        ("title c", "open", 3, 2),
        ("title b", "open", 2, 1),
        ("title a", "open", 1, 0),
    ]
    assert [row["title"] for row in listed(stored, "--sort", "first", "--limit", "1")] == ["title d"]
    assert listed(stored, "--project", "blog") == listed(stored, "--status", "resolved") == []


def test_resolve_and_who_did_it(stored: Commands) -> None:
    said = run(stored, "resolve", A[:6], B, "--by", "ada")
    assert said.splitlines() == [f"shop/{A}: resolved", f"shop/{B}: resolved"]
    found = wishes(stored)
    assert [(found[one].status, found[one].updated_by) for one in (A, B)] == [("resolved", "ada")] * 2
    assert [row["fingerprint"] for row in listed(stored, "--status", "resolved")] == [B, A]
    run(stored, "open", A)
    assert wishes(stored)[A].status == "open"


def test_resolved_in_the_next_release_is_after_the_newest(stored: Commands) -> None:
    """1.10 is newer than 1.9, although it sorts before it as text."""
    assert run(stored, "resolve", A, "--next-release") == f"shop/{A}: resolved after shop@1.11\n"
    run(stored, "resolve", B, "--in-release", "shop@1.9")
    run(stored, "resolve", C, "--in-release", "shop@2.0")
    found = wishes(stored)
    assert (found[A].after_release, found[A].in_release) == ("shop@1.11", "")
    assert found[B].in_release == "shop@1.9"
    assert found[B].release_first_seen is not None
    assert found[B].release_first_seen.timestamp() * 1000 == NOW_MS + 1000
    assert found[C].release_first_seen is None


def test_ignore_until_something_happens(stored: Commands) -> None:
    said = run(stored, "ignore", A, "--until-count", "5", "--until-users", "2", "--until", "8h")
    assert said.startswith(f"shop/{A}: ignored until 5 more events or 2 users or 20")
    change = wishes(stored)[A]
    assert (change.status, change.until_count, change.until_users) == ("ignored", 5, 2)
    assert change.until is not None
    assert (change.until - change.changed_at).total_seconds() == 8 * 3600
    assert "is over" in refused(stored, "ignore", A, "--until", "2001-01-01")
    assert "write a time" in refused(stored, "ignore", A, "--until", "tomorrow")


def test_an_assignment_leaves_the_rest_as_it_was(stored: Commands) -> None:
    run(stored, "resolve", A)
    before = wishes(stored)[A]
    run(stored, "assign", A, "--to", "ada")
    after = wishes(stored)[A]
    assert (after.id, after.changed_at, after.status, after.assignee) == (
        before.id,
        before.changed_at,
        "resolved",
        "ada",
    )
    assert [row["assignee"] for row in listed(stored, "--assignee", "ada", "--status", "all")] == ["ada"]
    run(stored, "assign", A, "--nobody")
    assert wishes(stored)[A].assignee == ""
    assert "say who" in refused(stored, "assign", A)


def test_merge_goes_to_the_last_and_unmerge_takes_one_out(stored: Commands) -> None:
    run(stored, "merge", A, "--into", B)
    run(stored, "merge", B, "--into", C)
    assert {one: found.merged_into for one, found in wishes(stored).items()} == {A: C, B: C}
    (first, _) = listed(stored)
    assert (first["fingerprint"], first["events"], first["users"]) == (C, 6, 2)
    assert f"is merged into {C}" in refused(stored, "resolve", A)
    assert "merged          " in run(stored, "show", A)
    run(stored, "unmerge", A)
    wishes(stored)
    assert [row["events"] for row in listed(stored)] == [5, 4, 1]
    assert "is not merged" in refused(stored, "unmerge", A)


def test_delete_erases_every_row_and_says_so_first(stored: Commands) -> None:
    run(stored, "merge", A, "--into", B)
    assert stored.run("issues", "delete", B).exit_code != 0
    assert "erased from errors" in run(stored, "delete", B, "--discard", "--yes")
    assert wishes(stored)[B].deleted == "discard"
    for table in ("errors", "issues", "errors_per_minute", "errors_per_hour"):
        left = stored.clickhouse.rows(f"SELECT DISTINCT fingerprint FROM {table} ORDER BY fingerprint")
        assert [row["fingerprint"] for row in left] == [C, D], table
    run(stored, "open", B)
    assert wishes(stored)[B].deleted == ""


def test_show_has_what_was_done_and_what_came_of_it(stored: Commands) -> None:
    run(stored, "resolve", A, "--in-release", "shop@1.9", "--by", "ada")
    change = wishes(stored)[A]
    reaction = {
        "project": "shop",
        "fingerprint": A,
        "change_id": change.id,
        "kind": "regressed",
        "at": NOW_MS + 7_200_000,
    }
    stored.insert("issue_reactions", [reaction])
    shown = json.loads(run(stored, "show", A, "--json"))
    assert (shown["status"], shown["title"]) == ("regressed", "title a")
    assert [(entry["what"], entry["by"]) for entry in shown["history"]] == [
        ("regressed", ""),
        ("resolved in shop@1.9", "ada"),
    ]
    run(stored, "ignore", A, "--until-count", "5", "--until-users", "7")
    run(stored, "assign", A, "--to", "eve")
    wishes(stored)
    shown = run(stored, "show", A)
    assert "ignored until 5 events until 7 users, assigned to eve" in shown
    assert "regressed" in shown


def test_similar_issues_are_those_with_rare_parts_in_common(stored: Commands) -> None:
    rows = [json.loads(line) for line in run(stored, "similar", A, "--json").splitlines()]
    assert [row["fingerprint"] for row in rows] == [B]
    assert rows[0]["in_common"] == sorted(FRAMES)
    assert 0.4 < rows[0]["similarity"] < 0.8
    assert (rows[0]["events"], rows[0]["title"]) == (2, "title b")
    every = [json.loads(line) for line in run(stored, "similar", A, "--least", "0.01", "--json").splitlines()]
    assert [row["fingerprint"] for row in every] == [B, C]
    assert run(stored, "similar", D).split() == [
        "similarity",
        "fingerprint",
        "status",
        "events",
        "users",
        "last_seen",
        "title",
    ]


def test_messages_are_compared_word_by_word(stored: Commands) -> None:
    other = {"project": "shop", "fingerprint": "e5" * 16, "timestamp": NOW_MS, "title": "title e"}
    stored.insert("errors", [{**other, "grouping_components": ["message: the mail to * was delayed", "logger: mail"]}])
    (row,) = [json.loads(line) for line in run(stored, "similar", D, "--json").splitlines()]
    assert (row["title"], row["in_common"]) == ("title e", ["logger: mail"])


def test_merged_issues_are_compared_as_one_and_no_candidates(stored: Commands) -> None:
    run(stored, "merge", B, "--into", A)
    wishes(stored)
    assert [
        json.loads(line)["fingerprint"] for line in run(stored, "similar", B, "--least", "0", "--json").splitlines()
    ] == [
        C,
        D,
    ]


def test_a_fingerprint_that_is_none_or_several_is_refused(stored: Commands) -> None:
    stored.insert("errors", [{"project": "blog", "fingerprint": A, "timestamp": NOW_MS}])
    assert "give more digits, or --project" in refused(stored, "resolve", A)
    assert run(stored, "resolve", A, "--project", "blog").startswith("blog/")
    assert "no issue begins with" in refused(stored, "resolve", "f" * 6)
    assert "first 6 to 32" in refused(stored, "resolve", "hunter")
    assert "exclude each other" in refused(stored, "resolve", B, "--next-release", "--in-release", "1.0")
    assert "no release of blog" in refused(stored, "resolve", A, "--project", "blog", "--next-release")


def test_messages_that_are_no_changes_are_passed_over(stored: Commands) -> None:
    stored.put([ProducerRecord("issue-changes", b"shop/" + A.encode(), b"hunter2")])
    assert run(stored, "resolve", A) == f"shop/{A}: resolved\n"


def test_without_the_topic_it_says_what_to_run(bare: Commands) -> None:
    assert "aftershock migrate" in refused(bare, "resolve", A)
