"""Repeated inserts: every table has a batch once, also where ClickHouse knows its token and has lost its rows."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import pipeline.store.repeated_inserts
from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.records.record import Boundaries, Source
from pipeline.runtime.metrics import Metrics
from pipeline.store.migrate import migrate_clickhouse
from pipeline.store.repeated_inserts import PREFIX, Repeats
from pipeline.store.view_targets import insert_token
from tests.delivered_rows import (
    ALL_COLUMNS,
    PAIRS,
    TARGETS,
    begun,
    content,
    migrate_to,
    rows_of,
    source_of,
)

SOURCES = sorted(ALL_COLUMNS)
TABLES = sorted({*SOURCES, *(target for _, target in PAIRS)})


@pytest.fixture(scope="module")
def migrated(clickhouse: str) -> ClickHouse:
    """Tables of this module's own."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database="t_repeats"))
    server.command("DROP DATABASE IF EXISTS t_repeats SYNC", in_database=False)
    migrate_clickhouse(server, RetentionSettings(), lambda _line: None)
    return server


@pytest.fixture
def database(migrated: ClickHouse) -> Iterator[ClickHouse]:
    """The same, empty; afterwards no table of a repeat is left."""
    empty(migrated)
    yield migrated
    assert migrated.rows(f"SELECT name FROM system.tables WHERE startsWith(name, '{PREFIX}')") == []


def empty(server: ClickHouse) -> None:
    """Empty the tables that have rows."""
    for row in server.rows("SELECT DISTINCT table FROM system.parts WHERE database = currentDatabase() AND active"):
        if row["table"] in TABLES:
            server.command(f"TRUNCATE TABLE {row['table']} SYNC")


@pytest.fixture
def life() -> str:
    """A topic's life that no other test uses; ClickHouse remembers tokens longer than rows."""
    return secrets.token_hex(8)


class Insert:
    """The insert of one batch into one table, for the first time and again."""

    def __init__(
        self, server: ClickHouse, table: str, life: str, *, first: int = 0, last: int = 9, **options: Any
    ) -> None:
        self.server, self.table = server, table
        self.source, self.boundaries = source_of(table, life), Boundaries(first, last)
        self.columns, self.lines = rows_of(server, table, range(first, last + 1), **options)
        self.token = insert_token(self.source, self.boundaries, table)
        self.metrics = Metrics()
        begun(server, self.source, self.boundaries)

    def once(self) -> None:
        """Insert as it is done for the first time, and as it always was done again."""
        self.server.insert(self.table, self.columns, self.lines, self.token)

    def again(self) -> None:
        """Insert once more."""
        repeats = Repeats(self.server, self.metrics)
        repeats.insert(self.source, self.boundaries, self.table, self.columns, self.lines, self.token)

    def restored(self) -> dict[str, float]:
        """Return how many blocks were added, by table."""
        (metric,) = self.metrics.restored.collect()
        found = metric.samples
        return {sample.labels["table"]: sample.value for sample in found if sample.name.endswith("_total")}


def everything(server: ClickHouse) -> dict[str, list[list[str]]]:
    """Return what all tables have."""
    rows = server.rows("SELECT DISTINCT table FROM system.parts WHERE database = currentDatabase() AND active")
    return {row["table"]: content(server, row["table"]) for row in rows if row["table"] in TABLES}


def in_order(found: dict[str, list[list[str]]]) -> dict[str, list[list[str]]]:
    """Return the same, rows of the same offset in an order that does not depend on when they came."""
    return {table: sorted(rows) for table, rows in found.items()}


def lose(server: ClickHouse, table: str, condition: str = "1") -> None:
    """Take rows out of a table whose tokens stay known, as a kill between the two leaves it."""
    server.command(f"DELETE FROM {table} WHERE {condition}", settings={"lightweight_deletes_sync": 2})


@pytest.mark.parametrize("table", SOURCES)
def test_a_table_that_has_a_batch_does_not_get_it_again(database: ClickHouse, life: str, table: str) -> None:
    insert = Insert(database, table, life)
    insert.once()
    before = everything(database)
    assert len(before[table]) == 10
    assert all(before[target] for target in TARGETS.get(table, ()))
    for _ in range(2):
        insert.again()
    assert everything(database) == before
    assert insert.restored() == {}


@pytest.mark.parametrize("table", SOURCES)
def test_a_table_that_has_nothing_of_a_batch_gets_it_as_at_the_first_time(
    database: ClickHouse, life: str, table: str
) -> None:
    insert, other = Insert(database, table, life), Insert(database, table, f"{life}-other")
    insert.again()
    got = everything(database)
    empty(database)
    other.lines = insert.lines
    other.once()
    assert everything(database) == got
    assert insert.restored() == {}


@pytest.mark.parametrize("table", SOURCES)
def test_rows_that_are_lost_though_their_token_is_known_are_added_and_counted_once(
    database: ClickHouse, life: str, table: str
) -> None:
    insert = Insert(database, table, life)
    insert.once()
    before = everything(database)
    lose(database, table)
    insert.once()
    assert content(database, table) == [], "without more care they are lost for good"
    insert.again()
    assert everything(database) == before
    insert.again()
    insert.once()
    assert everything(database) == before
    assert insert.restored() == {table: 1}


@pytest.mark.parametrize(("table", "target"), PAIRS)
def test_what_an_aggregate_has_lost_is_added_there_alone(
    database: ClickHouse, life: str, table: str, target: str
) -> None:
    insert = Insert(database, table, life)
    insert.once()
    before = everything(database)
    lose(database, target)
    insert.once()
    assert content(database, target) == [], "without more care it is lost for good"
    insert.again()
    assert everything(database) == before
    insert.again()
    insert.once()
    assert everything(database) == before
    assert insert.restored() == {target: 1}


@pytest.mark.parametrize("table", TARGETS)
def test_what_is_lost_everywhere_is_added_everywhere(database: ClickHouse, life: str, table: str) -> None:
    insert = Insert(database, table, life)
    insert.once()
    before = everything(database)
    for one in (table, *TARGETS[table]):
        lose(database, one)
    insert.again()
    assert everything(database) == before
    assert insert.restored() == dict.fromkeys((table, *TARGETS[table]), 1)


@pytest.mark.parametrize(
    ("target", "week"), [("errors", "timestamp"), ("errors_per_hour", "hour"), ("errors_per_minute", "minute")]
)
@pytest.mark.parametrize("lost", ["<", ">="])
def test_of_two_weeks_the_one_that_is_lost_is_added(
    database: ClickHouse, life: str, target: str, week: str, lost: str
) -> None:
    insert = Insert(database, "errors", life, weeks=(0, 2))
    insert.once()
    before = everything(database)
    lose(database, target, f"{week} {lost} now() - INTERVAL 1 WEEK")
    assert len(content(database, target)) < len(before[target])
    insert.again()
    assert everything(database) == before
    assert insert.restored() == {target: 1}


def test_other_batches_of_the_same_issues_hide_nothing(database: ClickHouse, life: str) -> None:
    at_ms = int(time.time() * 1000)
    batches = [(0, 9), (10, 19), (20, 29)]

    def inserts(of: str) -> list[Insert]:
        return [Insert(database, "errors", of, first=one, last=last, names=5, at_ms=at_ms) for one, last in batches]

    for insert in inserts(f"{life}-other"):
        insert.once()
    wanted = everything(database)
    lose_all(database)
    first, lost, last = inserts(life)
    lost.once()
    lose_all(database)
    for insert in (first, last):
        insert.once()
    for table in TARGETS["errors"]:
        database.command(f"OPTIMIZE TABLE {table} FINAL")
    for insert in (first, lost, last, lost):
        insert.again()
    assert everything(database) == wanted
    assert first.restored() == last.restored() == {}
    assert lost.restored() == dict.fromkeys(("errors", *TARGETS["errors"]), 1)


def lose_all(server: ClickHouse) -> None:
    """Take out all that errors make."""
    for table in ("errors", *TARGETS["errors"]):
        lose(server, table)


PLAIN = sorted(set(SOURCES) - {"alerts", "issue_changes", "release_commits", "release_refs", "sessions"})


@pytest.mark.parametrize("table", PLAIN)
def test_an_earlier_life_of_the_topic_is_not_taken_for_this_one(database: ClickHouse, life: str, table: str) -> None:
    now, hour = int(time.time() * 1000), 3_600_000
    topics = [(f"{life}-earlier", now - 3 * hour), (life, now - hour)]
    for name, born in topics:
        database.command(
            "INSERT INTO topics (topic, incarnation, created_at) "
            f"VALUES ('{source_of(table).topic}', '{name}', fromUnixTimestamp64Milli({born}, 'UTC'))"
        )
    earlier = Insert(database, table, f"{life}-earlier", at_ms=now - 2 * hour)
    insert = Insert(database, table, life, at_ms=now)
    earlier.once()
    insert.once()
    wanted = everything(database)
    lost = dict.fromkeys((table, *TARGETS.get(table, ())), 1)
    for one in lost:
        lose(database, one)
    earlier.again()
    assert earlier.restored() == lost
    insert.again()
    assert insert.restored() == lost
    assert in_order(everything(database)) == in_order(wanted)
    for repeated in (insert, earlier):
        repeated.again()
    assert in_order(everything(database)) == in_order(wanted)


@pytest.mark.parametrize("table", PLAIN)
def test_a_row_that_was_received_at_another_time_when_it_is_made_again_is_the_same(
    database: ClickHouse, life: str, table: str
) -> None:
    """Where Kafka's time cannot be, that of the processing stands for it."""
    now = int(time.time() * 1000)
    topic = source_of(table).topic
    database.command(f"INSERT INTO topics (topic, incarnation) VALUES ('{topic}', '{life}')")
    insert = Insert(database, table, life, at_ms=now)
    insert.once()
    before = everything(database)
    insert.lines = insert.lines.replace(str(now).encode(), str(now + 1234).encode())
    insert.again()
    assert everything(database) == before
    assert insert.restored() == {}


@pytest.mark.parametrize("lost", [False, True])
def test_a_batch_of_before_the_migration_is_dropped_where_it_is_known(clickhouse: str, names: Any, lost: bool) -> None:
    """Views of before wrote no tokens, so a token that is missing says nothing; views of after drop what they know."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_to(server, 8)
    inserts = [Insert(server, table, "life") for table in TARGETS]
    for insert in inserts:
        insert.once()
    before = everything(server)
    assert migrate_clickhouse(server, RetentionSettings(), lambda _line: None) > 0
    assert everything(server) == before
    if lost:
        lose(server, "errors")
    for insert in inserts:
        insert.again()
        insert.once()
    assert everything(server) == before
    assert [insert.restored() for insert in inserts if insert.restored()] == ([{"errors": 1}] if lost else [])
    after = Insert(server, "errors", "life", first=10, last=19)
    after.once()
    before = everything(server)
    lose(server, "issues", f"has(blocks, '{after.token}')")
    lose(server, "errors_per_hour", "1")
    after.again()
    assert "errors_per_hour" in after.restored()


def test_many_that_repeat_one_batch_at_a_time_add_it_once(database: ClickHouse, life: str) -> None:
    insert = Insert(database, "errors", life, weeks=(0, 1))
    insert.once()
    before = everything(database)
    for table in ("errors", "issues", "errors_per_hour", "releases"):
        lose(database, table)
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(insert.again) for _ in range(12)] + [threads.submit(insert.once) for _ in range(6)]:
            done.result()
    assert everything(database) == before


def slowly(server: ClickHouse, table: str, seconds: float) -> Callable[[], None]:
    """Let every insert into a table take so long between the table and its views; returns what ends that."""
    server.command("CREATE TABLE slow_rows (n UInt8) ENGINE = Null")
    server.command(f"CREATE MATERIALIZED VIEW slow TO slow_rows AS SELECT sleep({seconds}) AS n FROM {table}")

    def end() -> None:
        server.command("DROP TABLE slow SYNC")
        server.command("DROP TABLE slow_rows SYNC")

    return end


def test_an_insert_that_still_runs_is_not_added_beside(database: ClickHouse, life: str) -> None:
    """Its connection is gone, and ClickHouse goes on with it."""
    insert = Insert(database, "errors", life)
    insert.once()
    before = everything(database)
    empty(database)
    other = Insert(database, "errors", f"{life}-other")
    other.lines = insert.lines
    end = slowly(database, "errors", 1.5)
    try:
        running = threading.Thread(target=other.once)
        running.start()
        while not database.rows("SELECT 1 FROM system.processes WHERE query_kind = 'Insert'"):
            time.sleep(0.01)
        other.again()
        running.join()
    finally:
        end()
    assert everything(database) == before
    assert other.restored() == {}


def test_a_session_that_was_heard_of_again_since_is_not_missing(database: ClickHouse, life: str) -> None:
    first = Insert(database, "sessions", life)
    second = Insert(database, "sessions", life, first=10, last=19)
    columns = second.columns
    second.lines = second.lines.replace(b"session_id-1", b"session_id-")
    assert "latest" in columns
    first.once()
    second.once()
    database.command("OPTIMIZE TABLE sessions FINAL")
    assert database.rows("SELECT count() AS n, min(kafka_offset) AS first FROM sessions") == [{"n": 10, "first": 10}]
    before = everything(database)
    for insert in (first, second, first):
        insert.again()
    database.command("OPTIMIZE TABLE sessions FINAL")
    assert everything(database) == before
    assert first.restored() == second.restored() == {}


def test_a_row_that_is_refused_is_refused_here_too(database: ClickHouse, life: str) -> None:
    insert = Insert(database, "errors", life)
    insert.lines += b'["hunter2"]\n'
    with pytest.raises(RequestRejected) as refused:
        insert.again()
    assert "hunter2" not in str(refused.value)
    assert content(database, "errors") == []


def test_tables_that_a_worker_left_behind_are_dropped(
    database: ClickHouse, life: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.store.repeated_inserts, "LEFT_AFTER_S", 0)
    database.command(f"CREATE TABLE {PREFIX}errors_left (n UInt8) ENGINE = Memory")
    while not database.rows(
        f"SELECT 1 FROM system.tables WHERE name = '{PREFIX}errors_left' AND metadata_modification_time < now()"
    ):
        time.sleep(0.05)
    Insert(database, "logs", life).again()


def test_the_ledger_says_from_when_on_tokens_can_be_expected(database: ClickHouse) -> None:
    assert not Repeats(database, Metrics())._aggregates.hold(Source("errors", "unknown", 0), Boundaries(0, 1))
