"""What is said about releases becomes messages of bounded size, and rows without personal data."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pipeline.releases.changes import LARGEST_PART, MOST_COMMITS, message_of, with_commits
from pipeline.scrub import Policy, Scrubber
from pipeline.tables.each import Each
from pipeline.tables.releases import (
    RELEASE_CHANGE_COLUMNS,
    RELEASE_COMMIT_COLUMNS,
    RELEASE_REF_COLUMNS,
    RELEASE_TABLES,
    ReleaseRows,
)
from pipeline.tables.result import BatchResult
from schemas.release import Commit, Deploy, Ref, ReleaseChange
from tests.records import EXAMPLES, NOON_MS, Message, batch_of, message

COLUMNS = dict(zip(RELEASE_TABLES, (RELEASE_CHANGE_COLUMNS, RELEASE_COMMIT_COLUMNS, RELEASE_REF_COLUMNS), strict=True))
CHANGE = ReleaseChange("shop", "shop@1.4.2", "created", NOON_MS / 1000)
MAKE = ReleaseRows(Scrubber(Policy()), b"a key for tests")


def process(*payloads: Any) -> BatchResult:
    messages = [
        message(msgspec.json.encode(one) if isinstance(one, ReleaseChange) else one, offset, topic="releases")
        for offset, one in enumerate(payloads)
    ]
    return Each(RELEASE_TABLES, MAKE, now_ms=lambda: NOON_MS).process(batch_of(*messages, topic="releases"))


def rows(table: str, *payloads: Any) -> list[dict[str, Any]]:
    outcome = process(*payloads)
    assert outcome.dead == []
    return [dict(zip(COLUMNS[table], row, strict=True)) for row in outcome.rows[table]]


def changed(**fields: Any) -> ReleaseChange:
    return msgspec.structs.replace(CHANGE, **fields)


def test_each_kind_of_change_goes_to_its_table() -> None:
    deploy = Deploy("production", "first", "https://ci.example.com/1", None, NOON_MS / 1000)
    made, finalized, deployed = rows(
        "release_changes", CHANGE, changed(kind="finalized"), changed(kind="deploy", deploy=deploy)
    )
    assert (made["kind"], made["project"], made["release"], made["at"]) == ("created", "shop", "shop@1.4.2", NOON_MS)
    assert finalized["kind"] == "finalized"
    assert (deployed["environment"], deployed["name"], deployed["deploy_began"]) == ("production", "first", None)
    (ref,) = rows("release_refs", changed(kind="refs", refs=[Ref("acme/shop", "8a3d", "7b2c")]))
    assert (ref["repository"], ref["commit"], ref["previous_commit"]) == ("acme/shop", "8a3d", "7b2c")


def test_commits_are_scrubbed_and_their_authors_addresses_are_not_stored() -> None:
    message_text = "Pay faster\n\nCo-authored-by: Jo <jo@example.com>\ncard 4111111111111111"
    commit = Commit("8a3d", "acme/shop", message_text, "Jane Doe", "jane@example.com", "2025-11-25T10:00:00Z", ["a.py"])
    by_address = Commit("7b2c", author_name="jane@example.com")
    first, second = rows("release_commits", changed(kind="commits", commits=[commit, by_address]))
    assert (first["position"], first["commit"], first["files"], first["author"]) == (0, "8a3d", ["a.py"], "Jane Doe")
    assert first["committed_at"] == NOON_MS - 2 * 3600 * 1000
    assert (second["position"], second["author"]) == (1, "")
    assert first["user_hash"] != 0
    for secret in ("jo@", "jane@", "4111"):
        assert secret not in json.dumps([first, second])


def test_many_commits_are_several_messages_that_no_topic_refuses() -> None:
    commits = [Commit(f"{number:040x}", "acme/shop", "m" * 20_000, files=["f" * 1000] * 1000) for number in range(30)]
    parts = list(with_commits(changed(kind="commits"), commits))
    messages = [message_of(part) for part in parts]
    assert len({key for key, _ in messages}) == len(parts) > 1
    assert all(len(value) < 2 * LARGEST_PART for _, value in messages)
    found = rows("release_commits", *parts)
    assert [row["position"] for row in found] == list(range(30))
    assert [row["commit"] for row in found] == [commit.id for commit in commits]
    assert len(list(with_commits(changed(kind="commits"), []))) == 1
    many = list(with_commits(changed(kind="commits"), [Commit("a")] * (MOST_COMMITS + 1)))
    assert sum(len(part.commits) for part in many) == MOST_COMMITS


def test_a_tombstone_says_nothing_and_what_is_no_change_is_a_dead_letter() -> None:
    tombstone = batch_of(Message(None, 0, topic="releases"), topic="releases")
    assert Each(RELEASE_TABLES, MAKE, now_ms=lambda: NOON_MS).process(tombstone).dead == []
    for payload in (b"", b"secret", {"project": "shop"}, changed(release=" "), {"kind": "secret"}):
        ((_, letter),) = process(payload).dead
        assert "secret" not in letter.reason


def test_the_examples_are_taken() -> None:
    outcome = process(*(path.read_bytes() for path in sorted((EXAMPLES / "releases").glob("*.json"))))
    assert outcome.dead == []
    assert [len(outcome.rows[table]) for table in RELEASE_TABLES] == [1, 1, 0]
