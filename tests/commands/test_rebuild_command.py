"""``aftershock rebuild`` on tables that a test has filled by hand."""

from __future__ import annotations

import time
from typing import Any

from commandline import Commands
from logbook import Logbook, store

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
SPAN = ("--from", TODAY, "--to", TODAY)


def total(aftershock: Commands, table: str, column: str = "count") -> Any:
    return aftershock.clickhouse.rows(f"SELECT sum({column}) AS n FROM {table}")[0]["n"]


def test_every_aggregate_that_is_kept_by_weeks_is_made_anew_as_it_was(aftershock: Commands) -> None:
    for topic in ("errors", "spans", "sessions"):
        log = Logbook(aftershock, topic)
        log.produce(20)
        log.batch(0, 19)
        log.commit(20)
    store(aftershock, 0, range(20), user_hash=7)
    now = int(time.time() * 1000)
    place = {"project": "shop", "received": now, "kafka_partition": 0, "kafka_offset": 0}
    span = {**place, "timestamp": now, "kafka_topic": "spans", "is_transaction": True, "duration_ms": 12.5}
    aftershock.insert("spans", [{**span, "user_hash": number} for number in range(5)])
    session = {**place, "timestamp": now, "started": now, "status": "ok", "latest": 1}
    aftershock.insert("sessions", [{**session, "session_id": name} for name in ("a", "b", "c")])
    aftershock.insert("session_aggregates", [{**place, "started": now, "exited": 5, "crashed": 1}])
    of_events = "sum(count) AS n, uniqMerge(users) AS u, min(first_seen) AS f, max(last_seen) AS l"
    questions = {
        "errors_per_minute": of_events,
        "errors_per_hour": of_events,
        "issues": f"{of_events}, argMinMerge(first_release) AS r, groupUniqArrayArray(releases) AS a",
        "transactions_per_minute": "sum(count) AS n, uniqMerge(users) AS u, max(slowest_ms) AS s, "
        "quantilesTDigestMerge(0.5, 0.75, 0.95, 0.99)(duration_ms) AS q",
        "sessions_per_hour": "uniqExactMerge(session_ids) AS n, sum(aggregated) AS a, sum(aggregated_crashed) AS c, "
        "min(first_started) AS s",
    }
    for table, question in questions.items():
        sql = f"SELECT {question} FROM {table}"
        before = aftershock.clickhouse.rows(sql)
        aftershock.clickhouse.command(f"INSERT INTO {table} SELECT * FROM {table}")
        result = aftershock.run("rebuild", table, *SPAN, "--yes")
        assert result.exit_code == 0, result.output
        assert aftershock.clickhouse.rows(sql) == before, table
    assert not aftershock.clickhouse.rows("SELECT name FROM system.tables WHERE startsWith(name, 'rebuild_')")


def test_a_dry_run_changes_nothing_and_says_what_there_is(aftershock: Commands) -> None:
    store(aftershock, 0, range(10))
    aftershock.clickhouse.command("TRUNCATE TABLE errors_per_minute")
    result = aftershock.run("rebuild", "errors_per_minute", *SPAN, "--dry-run")
    assert result.exit_code == 0
    assert "of 10 rows of errors" in result.stdout
    assert total(aftershock, "errors_per_minute") == 0


def test_a_week_without_rows_is_left_as_it_is(aftershock: Commands) -> None:
    store(aftershock, 0, range(10))
    aftershock.clickhouse.command("TRUNCATE TABLE errors")
    result = aftershock.run("rebuild", "errors_per_hour", *SPAN, "--yes")
    assert "left as it is" in result.stdout
    assert total(aftershock, "errors_per_hour") == 10


def test_errors_name_the_remedy(aftershock: Commands) -> None:
    expired = aftershock.run("rebuild", "errors_per_minute", "--from", "2020-01-06", "--to", TODAY, "--yes")
    assert expired.exit_code == 2
    assert "begin with 20" in str(expired.exception)
    unknown = aftershock.run("rebuild", "errors", *SPAN)
    assert unknown.exit_code == 2
    assert "use one of errors_per_hour, errors_per_minute, issues" in str(unknown.exception)
    turned = aftershock.run("rebuild", "issues", "--from", TODAY, "--to", "2020-01-06")
    assert turned.exit_code == 2
    assert "write the later day" in str(turned.exception)


def test_batches_that_are_not_committed_are_waited_for(aftershock: Commands, monkeypatch: Any) -> None:
    monkeypatch.setattr("pipeline.auditing.rebuild.LONGEST_WAIT_S", 0.5)
    log = Logbook(aftershock)
    log.produce(20)
    log.batch(0, 9)
    log.batch(10, 19)
    log.commit(10)
    log.rows(range(10))
    log.rows(range(10, 20))
    result = aftershock.run("rebuild", "errors_per_hour", *SPAN, "--yes")
    assert result.exit_code == 4
    assert "errors-0" in str(result.exception)
    assert "start a worker" in str(result.exception)
    assert total(aftershock, "errors_per_hour") == 10
    log.commit(20)
    assert aftershock.run("rebuild", "errors_per_hour", *SPAN, "--yes").exit_code == 0
    assert total(aftershock, "errors_per_hour") == 20


def test_an_unfinished_repair_comes_first(aftershock: Commands) -> None:
    log = Logbook(aftershock)
    log.batch(0, 9)
    aftershock.insert("repairs", [{"topic": "errors", "incarnation": log.incarnation, "step": "begun"}])
    store(aftershock, 0, range(10))
    result = aftershock.run("rebuild", "errors_per_hour", *SPAN, "--yes")
    assert result.exit_code == 4
    assert "run `aftershock audit --repair`" in str(result.exception)


def test_the_help_has_examples(aftershock: Commands) -> None:
    assert "Examples:" in aftershock.run("rebuild", "--help").stdout
