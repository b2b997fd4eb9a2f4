"""``aftershock regroup --apply`` against a real ClickHouse: afterwards history is as if it had come under the rules."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from commandline import Commands

from pipeline.config.settings import load_settings
from pipeline.counts.issue_store import IssueStore
from pipeline.counts.reactions import Reaction
from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.errors import Unavailable
from pipeline.fingerprint import Grouping
from pipeline.intake.ledger import Ledger
from pipeline.issues.changes import read_wishes
from pipeline.records.record import Boundaries, Source
from pipeline.regrouping import history
from pipeline.regrouping import rewrite as rewriting
from pipeline.regrouping.rewrite import Rewriter
from pipeline.regrouping.tables import LOCK, Tables
from pipeline.stages.assemble import make_transform
from pipeline.store.migrate import migrate_clickhouse
from pipeline.store.view_targets import Aggregates, insert_token, stored_rows
from schemas.issue_change import IssueChange
from tests.stored_issues import content, messages_of, store

RULES = """
[[grouping.fingerprint]]
name = "numbers"
match = { type = "ValueError" }
fingerprint = ["all of them"]

[[grouping.fingerprint]]
name = "regions"
match = { type = "KeyError" }
fingerprint = ["{{ default }}", "{{ tags.region }}"]

[[grouping.frames]]
name = "not ours"
match = { function = "read" }
in_app = false
"""
DAY_S = 24 * 60 * 60
NOW = time.time()


def failure(kind: str, function: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an event with one frame, of one of seven users and three releases, from this week or the one before."""
    stack = {"frames": [{"function": function, "module": "shop", "in_app": True, "lineno": number + 1}]}
    return {
        "event_id": uuid.uuid4().hex,
        "timestamp": NOW - 60 - number - number % 2 * 7 * DAY_S,
        "platform": "python",
        "release": f"shop@1.{number % 3}",
        "environment": ("production", "staging")[number % 2],
        "user": {"id": str(number % 7)},
        "exception": {"values": [{"type": kind, "value": f"no {number}", "stacktrace": stack}]},
        **fields,
    }


def failures() -> list[dict[str, Any]]:
    """Return events of issues that RULES merges, splits, relabels and leaves as they are."""
    made = [failure("ValueError", f"parse{number % 4}", number) for number in range(24)]
    made += [failure("KeyError", "look_up", number, tags={"region": ("eu", "us")[number % 2]}) for number in range(12)]
    made += [failure("OSError", "read", number) for number in range(9)]
    return made + [failure("TypeError", "add", number) for number in range(9)]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The settings to be."""
    path = tmp_path / "other.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest.fixture
def fresh(aftershock: Commands) -> Iterator[ClickHouse]:
    """An empty database beside the test's own."""
    settings = load_settings(
        None, {**aftershock.environment, "AFTERSHOCK_DATABASE": aftershock.clickhouse.database + "f"}
    )
    database = ClickHouse(settings.clickhouse)
    migrate_clickhouse(database, settings.retention, lambda _line: None)
    yield database
    database.command(f"DROP DATABASE {database.database} SYNC", in_database=False)


def apply(aftershock: Commands, other: Path, *more: str) -> str:
    result = aftershock.run("regroup", "--since", "all", "--config", str(other), "--apply", "--yes", *more)
    assert result.exit_code == 0, f"{result.output} {result.exception}"
    return result.stdout


def assert_nothing_is_left(aftershock: Commands) -> None:
    tables = Tables(aftershock.clickhouse)
    assert not tables.left_over()
    assert tables.locked_by() is None
    assert tables.unfinished() == []


def test_afterwards_every_table_is_what_a_fresh_ingestion_gives(
    aftershock: Commands, other: Path, fresh: ClickHouse
) -> None:
    messages = messages_of(failures(), int(NOW * 1000))
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages)
    store(fresh, make_transform(load_settings(other, aftershock.environment)), messages)
    assert content(aftershock.clickhouse) != content(fresh)

    said = apply(aftershock, other)

    weeks = aftershock.clickhouse.rows("SELECT uniqExact(toMonday(timestamp)) AS n FROM errors")[0]["n"]
    assert said.count('"kind":"week"') == weeks >= 2
    assert content(aftershock.clickhouse) == content(fresh)
    assert_nothing_is_left(aftershock)
    again = apply(aftershock, other)
    assert '"moved_rows":0' in again
    assert '"kind":"week"' not in again


def test_aggregates_hold_the_batches_afterwards_that_they_held_before(aftershock: Commands, other: Path) -> None:
    """A batch that comes again is not taken for one that they lack; of erased events they hold it too."""
    source, boundaries = Source("errors", "life", 0), Boundaries(0, 53)
    token = insert_token(source, boundaries, "errors")
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)), token)
    rows = stored_rows("errors", source, boundaries)
    aftershock.clickhouse.command("DELETE FROM errors WHERE kafka_offset % 9 = 0")

    apply(aftershock, other)

    aggregates = Aggregates(aftershock.clickhouse)
    found = aggregates.of("errors")
    assert {one.target for one in found} == {"issues", "errors_per_minute", "errors_per_hour", "releases"}
    for one in found:
        assert aggregates.missing(one, rows, token) == []
        assert aggregates.missing(one, rows, "another") != []
    counted = "SELECT sum(count) AS n, uniq(fingerprint) AS issues, min(first_seen) > '2000-01-01' AS right FROM {}"
    said = [aftershock.clickhouse.rows(counted.format(one.target))[0] for one in found if one.target != "releases"]
    assert [(one["n"], one["right"]) for one in said] == [(54, 1)] * 3


def test_states_of_issues_go_to_what_becomes_of_them(aftershock: Commands, other: Path) -> None:
    """A split issue that was resolved and had come back, and one of several that merge."""
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)))
    by_title = "SELECT any(fingerprint) AS one FROM issues WHERE startsWith(title, '{}')"
    split, merged = (aftershock.clickhouse.rows(by_title.format(kind))[0]["one"] for kind in ("KeyError", "ValueError"))
    assert aftershock.run("issues", "resolve", split, "--by", "ada").exit_code == 0
    assert aftershock.run("issues", "assign", merged, "--to", "ada").exit_code == 0
    (change,) = [one for one in wishes(aftershock).values() if one.status == "resolved"]
    reaction = Reaction("regressed", change.id, "shop", split, "production", "shop@1.2", int(NOW * 1000), ())
    IssueStore(aftershock.clickhouse).note([reaction])

    planned = aftershock.run("regroup", "--since", "all", "--config", str(other)).stdout
    assert wishes(aftershock).keys() == {split, merged}, "a dry run sends nothing"
    away = aftershock.run("regroup", "--since", "all", "--config", str(other), AFTERSHOCK_KAFKA="127.0.0.1:1")
    assert (away.exit_code, '"kind":"summary"' in away.stdout) == (0, True)
    assert "what becomes of the states of issues cannot be said" in away.stderr
    said = apply(aftershock, other)

    def states(text: str) -> list[dict[str, Any]]:
        return [one for one in map(json.loads, text.splitlines()) if one["kind"] == "state"]

    assert states(said) == states(planned)
    assert [(one["fingerprint"], one["state"], one["carried"]) for one in states(said)] == [
        (split, "regressed", True),
        (split, "regressed", True),
        (merged, "assigned to ada", False),
    ]
    parts = {one["into"] for one in states(said) if one["carried"]}
    rows = aftershock.clickhouse.rows("SELECT DISTINCT fingerprint FROM errors WHERE has(exception_types, 'KeyError')")
    assert parts == {row["fingerprint"] for row in rows}
    after = wishes(aftershock)
    assert {(after[one].id, after[one].status, after[one].updated_by) for one in parts} == {(change.id, "open", "ada")}
    kinds = "SELECT DISTINCT fingerprint, kind, change_id FROM issue_reactions FINAL"
    assert {tuple(row.values()) for row in aftershock.clickhouse.rows(kinds)} == {
        (one, "regressed", change.id) for one in (split, *parts)
    }
    assert states(apply(aftershock, other)) == []
    assert wishes(aftershock) == after


def wishes(aftershock: Commands) -> dict[str, IssueChange]:
    """The latest change of each issue, by fingerprint."""
    changes = asyncio.run(read_wishes(aftershock.settings.kafka)).changes
    return {fingerprint: change for (_project, fingerprint), change in changes.items()}


def test_a_batch_that_is_sent_again_afterwards_adds_nothing(aftershock: Commands, other: Path) -> None:
    """Its worker died before it committed: it sends it under the same token, made by the old rules or the new."""
    messages = messages_of(failures(), int(NOW * 1000))
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages, "a batch")
    apply(aftershock, other)
    before = content(aftershock.clickhouse)
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages, "a batch")
    store(aftershock.clickhouse, make_transform(load_settings(other, aftershock.environment)), messages, "a batch")
    assert content(aftershock.clickhouse) == before


def test_issues_that_came_to_be_are_known_and_raise_no_alarm(aftershock: Commands, other: Path) -> None:
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)))
    before = {row["fingerprint"] for row in aftershock.clickhouse.rows("SELECT DISTINCT fingerprint FROM errors")}
    apply(aftershock, other)
    after = aftershock.clickhouse.rows("SELECT DISTINCT project, environment, fingerprint FROM errors")
    new = {tuple(row.values()) for row in after if row["fingerprint"] not in before}
    assert len({fingerprint for _, _, fingerprint in new}) == 3
    assert new <= set(Ledger(aftershock.clickhouse).known_issues("errors"))


def test_counts_of_erased_events_stay_and_move_with_their_issue(aftershock: Commands, other: Path) -> None:
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)))
    totals = "SELECT sum(count) AS n FROM {}"
    assert aftershock.run("forget", "--user", "3", "--yes").exit_code == 0
    left = aftershock.clickhouse.rows("SELECT count() AS n FROM errors")[0]["n"]
    assert left < 54
    apply(aftershock, other)
    for table in ("issues", "errors_per_minute", "errors_per_hour"):
        assert aftershock.clickhouse.rows(totals.format(table)) == [{"n": 54}], table
    values = aftershock.clickhouse.rows(
        "SELECT sum(count) AS n FROM issues WHERE fingerprint IN "
        "(SELECT fingerprint FROM errors WHERE has(exception_types, 'ValueError'))"
    )
    assert values == [{"n": 24}]
    assert aftershock.clickhouse.rows("SELECT count() AS n FROM errors") == [{"n": left}]


def test_weights_are_kept(aftershock: Commands, other: Path) -> None:
    messages = messages_of(failures(), int(NOW * 1000))
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages)
    aftershock.clickhouse.command(
        "INSERT INTO errors SELECT * REPLACE (10 AS sample_weight, kafka_offset + 1000 AS kafka_offset) FROM errors"
    )
    apply(aftershock, other)
    for table, column in (("errors", "sample_weight"), ("issues", "count"), ("errors_per_minute", "count")):
        found = aftershock.clickhouse.rows(f"SELECT sum({column}) AS n FROM {table}")
        assert found == [{"n": 54 * 11}], table


def test_one_project_is_rewritten_and_the_others_stay(aftershock: Commands, other: Path) -> None:
    processor = make_transform(aftershock.settings)
    now = int(NOW * 1000)
    store(aftershock.clickhouse, processor, messages_of(failures(), now))
    store(aftershock.clickhouse, processor, messages_of(failures(), now, project="bank", first=1000))
    of_bank = "SELECT fingerprint, sum(count) AS n FROM issues WHERE project = 'bank' GROUP BY fingerprint ORDER BY n"
    before = aftershock.clickhouse.rows(of_bank)
    apply(aftershock, other, "--project", "shop")
    assert aftershock.clickhouse.rows(of_bank) == before
    summary = aftershock.run("regroup", "--since", "all", "--config", str(other), "--project", "shop").stdout
    assert '"moved_rows":0}' in summary


def test_while_the_intake_is_held_inserts_are_refused_and_queries_answered(aftershock: Commands) -> None:
    tables = Tables(aftershock.clickhouse)
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)))
    tables.hold()
    assert tables.is_held()
    with pytest.raises(RequestRejected) as refused:
        store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)))
    assert refused.value.code == 469
    assert aftershock.clickhouse.rows("SELECT count() AS n FROM errors") == [{"n": 54}]
    tables.release()
    assert not tables.is_held()


def test_two_cannot_rewrite_history_at_once(aftershock: Commands, other: Path) -> None:
    Tables(aftershock.clickhouse).lock(take_over=False)
    refused = aftershock.run("regroup", "--config", str(other), "--apply", "--yes")
    assert isinstance(refused.exception, Unavailable)
    assert f"process {os.getpid()}" in str(refused.exception)
    erased = aftershock.run("forget", "--user", "3", "--yes")
    assert isinstance(erased.exception, Unavailable)
    apply(aftershock, other, "--take-over")
    assert_nothing_is_left(aftershock)


KILLED = """
import os, signal, sys
from pipeline.edges.clickhouse import ClickHouse
from pipeline.commands import main

seen = 0
run = ClickHouse.command

def command(self, sql, **options):
    global seen
    seen += sys.argv[1] in sql
    if seen == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    run(self, sql, **options)

ClickHouse.command = command
main(["regroup", "--since", "all", "--config", sys.argv[3], "--apply", "--yes"])
"""
"""Ends itself as kill -9 does, before a statement."""
MOMENTS = (
    ("CREATE MATERIALIZED VIEW regroup_tail", 1),  # the intake is held
    ("INSERT INTO regroup_errors ", 1),  # it is open again
    ("INSERT INTO regrouped_issues", 1),  # it is held again, swapping has not begun
    ("ALTER TABLE errors REPLACE", 1),  # it has, and nothing is swapped
    ("ALTER TABLE issues REPLACE", 1),  # something is
    ("DROP TABLE IF EXISTS regroup_errors ", 1),  # all is
    ("DROP CONSTRAINT", 3),  # and the intake is still held
)


def test_killed_anywhere_it_is_finished_by_the_next_run(aftershock: Commands, other: Path, fresh: ClickHouse) -> None:
    messages = messages_of([one for one in failures() if one["timestamp"] > NOW - DAY_S], int(NOW * 1000))
    store(fresh, make_transform(load_settings(other, aftershock.environment)), messages)
    expected = content(fresh)
    old = make_transform(aftershock.settings)
    for moment in MOMENTS:
        for table in ("errors", "issues", "errors_per_minute", "errors_per_hour"):
            aftershock.clickhouse.command(f"TRUNCATE TABLE {table} SYNC")
        store(aftershock.clickhouse, old, messages)
        died = subprocess.run(
            [sys.executable, "-c", KILLED, *map(str, moment), str(other)],
            env={**os.environ, **aftershock.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert died.returncode == -9, f"{moment}: {died.stderr}"
        assert aftershock.clickhouse.rows("SELECT count() AS n FROM errors") == [{"n": len(messages)}], moment
        apply(aftershock, other)
        assert content(aftershock.clickhouse) == expected, f"killed before {moment}"
        assert_nothing_is_left(aftershock)


def test_the_lock_names_who_has_it(aftershock: Commands) -> None:
    tables = Tables(aftershock.clickhouse)
    tables.lock(take_over=False)
    owner = tables.locked_by()
    assert owner is not None
    assert (owner.process, owner.is_gone()) == (os.getpid(), False)
    tables.unlock()
    assert (
        aftershock.clickhouse.rows(
            f"SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = '{LOCK}'"
        )
        == []
    )


class Interrupted(ClickHouse):
    """A server on which something happens when the copy has its first rows."""

    def __init__(self, aftershock: Commands, happens: Callable[[], None]) -> None:
        super().__init__(aftershock.settings.clickhouse)
        self._happens: Callable[[], None] | None = happens

    def command(self, sql: str, *, in_database: bool = True, settings: Mapping[str, Any] | None = None) -> None:
        super().command(sql, in_database=in_database, settings=settings)
        if sql.startswith("INSERT INTO regroup_errors ") and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()


def rewrite(aftershock: Commands, other: Path, happens: Callable[[], None]) -> None:
    """Rewrite this week, and let something happen meanwhile."""
    server = Interrupted(aftershock, happens)
    weeks = [week.monday for week in history.weeks(server, None)]
    for monday in weeks:
        Rewriter(server, Grouping(load_settings(other, aftershock.environment).grouping)).rewrite(monday)


@pytest.mark.parametrize("short_tail", [5, 2000])
def test_what_arrives_meanwhile_and_what_is_sent_again_is_there_once(
    aftershock: Commands, other: Path, fresh: ClickHouse, monkeypatch: pytest.MonkeyPatch, short_tail: int
) -> None:
    """A tail that is too long to be grouped with the intake held is grouped before, as often as it takes."""
    monkeypatch.setattr(rewriting, "SHORT_TAIL", short_tail)
    monkeypatch.setattr(rewriting, "MOST_ATTEMPTS", 1)
    first = messages_of(failures(), int(NOW * 1000))
    later = messages_of(failures(), int(NOW * 1000), first=1000)
    old, new = make_transform(aftershock.settings), make_transform(load_settings(other, aftershock.environment))
    store(aftershock.clickhouse, old, first, "first")

    def happens() -> None:
        store(aftershock.clickhouse, old, first, "first")
        store(aftershock.clickhouse, old, later[:30], "later")
        store(aftershock.clickhouse, old, later[:30], "later")
        store(aftershock.clickhouse, new, later[30:], "new workers")

    rewrite(aftershock, other, happens)
    store(fresh, new, first)
    store(fresh, new, later)
    assert content(aftershock.clickhouse) == content(fresh)


def test_who_is_erased_meanwhile_does_not_come_back(
    aftershock: Commands, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "PAUSE_S", 0)
    store(aftershock.clickhouse, make_transform(aftershock.settings), messages_of(failures(), int(NOW * 1000)))
    erase = "ALTER TABLE errors DELETE WHERE user_id = '3' SETTINGS mutations_sync = 2"
    rewrite(aftershock, other, lambda: aftershock.clickhouse.command(erase))
    assert aftershock.clickhouse.rows("SELECT count() AS n FROM errors WHERE user_id = '3'") == [{"n": 0}]
    assert aftershock.clickhouse.rows("SELECT sum(count) AS n FROM issues") == [{"n": 54}]
    assert '"moved_rows":0' in aftershock.run("regroup", "--since", "all", "--config", str(other)).stdout


def test_a_batch_that_has_arrived_by_half_is_waited_for(
    aftershock: Commands, other: Path, fresh: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server died after errors had it and before the aggregates had; its worker sends it again."""
    monkeypatch.setattr(rewriting, "PAUSE_S", 0)
    messages = messages_of(failures(), int(NOW * 1000))
    old, new = make_transform(aftershock.settings), make_transform(load_settings(other, aftershock.environment))
    aftershock.clickhouse.command("DETACH TABLE errors_per_hour_from_errors SYNC")
    store(aftershock.clickhouse, old, messages, "half")
    aftershock.clickhouse.command("ATTACH TABLE errors_per_hour_from_errors")

    with pytest.raises(Unavailable, match="run the same again"):
        rewrite(aftershock, other, lambda: None)
    assert not Tables(aftershock.clickhouse).left_over()
    rewrite(aftershock, other, lambda: store(aftershock.clickhouse, old, messages, "half"))
    store(fresh, new, messages)
    assert content(aftershock.clickhouse) == content(fresh)
