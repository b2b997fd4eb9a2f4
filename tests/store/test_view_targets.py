"""Aggregates: which batches each holds is told by tokens, and nobody who reads them notices."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.errors import Unavailable
from pipeline.records.record import Boundaries, Source
from pipeline.store.migrate import migrate_clickhouse
from pipeline.store.view_targets import Aggregate, Aggregates, insert_token, stored_rows
from tests.delivered_rows import PAIRS, TARGETS, begun, content, migrate_to, rows_of, source_of

BATCHES = [Boundaries(0, 4), Boundaries(5, 9), Boundaries(10, 20)]


def quiet(_line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def migrated(clickhouse: str) -> ClickHouse:
    """Tables of this module's own."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database="t_aggregates"))
    server.command("DROP DATABASE IF EXISTS t_aggregates SYNC", in_database=False)
    migrate_clickhouse(server, RetentionSettings(), quiet)
    return server


@pytest.fixture
def database(migrated: ClickHouse) -> ClickHouse:
    """The same, empty."""
    for table in {*TARGETS, *(target for _, target in PAIRS), "batches", "topics"}:
        migrated.command(f"TRUNCATE TABLE {table} SYNC")
    return migrated


@pytest.fixture
def life(database: ClickHouse) -> str:
    """A topic's life that no other test uses."""
    return lived(database)


def lived(server: ClickHouse) -> str:
    """Begin another life of every topic."""
    name = secrets.token_hex(8)
    for table in TARGETS:
        topic = source_of(table).topic
        server.command(f"INSERT INTO topics (topic, incarnation) VALUES ('{topic}', '{name}')")
    return name


def monday(weeks_ago: int = 0) -> date:
    """Return the Monday of a week."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=today.weekday() + 7 * weeks_ago)


def insert(server: ClickHouse, table: str, source: Source, boundaries: Boundaries, part: str = "", **rows: Any) -> None:
    """Insert a batch as a worker does."""
    columns, lines = rows_of(server, table, range(boundaries.first, boundaries.last + 1), **rows)
    begun(server, source, boundaries)
    server.insert(table, columns, lines, insert_token(source, boundaries, table, part))


def lose(server: ClickHouse, table: str, condition: str = "1") -> None:
    server.command(f"DELETE FROM {table} WHERE {condition}", settings={"lightweight_deletes_sync": 2})


def named(server: ClickHouse, table: str, target: str) -> Aggregate:
    [found] = [one for one in Aggregates(server).of(table) if one.target == target]
    return found


def test_every_table_that_a_view_fills_is_known_with_the_table_that_workers_write(database: ClickHouse) -> None:
    found = Aggregates(database).all()
    assert {(one.source, one.target) for one in found} == set(PAIRS)
    assert len(found) == len(PAIRS)
    views = database.rows(
        "SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'"
    )
    # Sessions come to the releases by one view, counted and not counted.
    assert views[0]["n"] == len(PAIRS) - 1


@pytest.mark.parametrize(("table", "target"), PAIRS)
def test_batches_that_an_aggregate_lacks_are_found_and_added(
    database: ClickHouse, life: str, table: str, target: str
) -> None:
    source, aggregates, one = source_of(table, life), Aggregates(database), named(database, table, target)
    for boundaries in BATCHES:
        insert(database, table, source, boundaries)
    before = content(database, target)
    assert aggregates.unmarked(one, source, BATCHES, monday()) == []
    lose(database, target)
    assert aggregates.unmarked(one, source, BATCHES, monday()) == BATCHES
    assert aggregates.unmarked(one, source, BATCHES[1:2], monday()) == BATCHES[1:2]
    assert aggregates.unmarked(one, source, BATCHES, monday(1)) == []
    assert aggregates.unmarked(one, source, [], monday()) == []
    for boundaries in BATCHES:
        relation, token = stored_rows(table, source, boundaries), insert_token(source, boundaries, table)
        assert aggregates.mend(one, relation, token) == aggregates.missing(one, relation, "another")
        assert aggregates.mend(one, relation, token) == []
    assert aggregates.unmarked(one, source, BATCHES, monday()) == []
    assert content(database, target) == before


def test_a_batch_is_looked_for_in_each_of_its_weeks(database: ClickHouse, life: str) -> None:
    source, aggregates = source_of("errors", life), Aggregates(database)
    one = named(database, "errors", "errors_per_hour")
    insert(database, "errors", source, BATCHES[0])
    insert(database, "errors", source, BATCHES[1], weeks=(0, 2))
    before = content(database, "errors_per_hour")
    lose(database, "errors_per_hour", "hour < now() - INTERVAL 1 WEEK")
    assert aggregates.unmarked(one, source, BATCHES, monday()) == []
    assert aggregates.unmarked(one, source, BATCHES, monday(2)) == [BATCHES[1]]
    relation = stored_rows("errors", source, BATCHES[1])
    assert aggregates.mend(one, relation, insert_token(source, BATCHES[1], "errors")) == [monday(2).isoformat()]
    assert content(database, "errors_per_hour") == before


def test_what_need_not_be_there_is_not_missing(database: ClickHouse, life: str) -> None:
    """Spans that are no transactions, errors of no release, and batches that were inserted in pieces."""
    source, aggregates = source_of("errors", life), Aggregates(database)
    spans = source_of("spans", life)
    columns, lines = rows_of(database, "spans", range(5))
    begun(database, spans, BATCHES[0])
    lines = lines.replace(b"true", b"false")
    database.insert("spans", columns, lines, insert_token(spans, BATCHES[0], "spans"))
    for target in TARGETS["spans"]:
        assert content(database, target) == []
        assert aggregates.unmarked(named(database, "spans", target), spans, BATCHES, monday()) == []
    columns, lines = rows_of(database, "errors", range(5))
    begun(database, source, BATCHES[0])
    lines = lines.replace(b"shop@1.0", b"")
    database.insert("errors", columns, lines, insert_token(source, BATCHES[0], "errors"))
    insert(database, "errors", source, BATCHES[1], part="0ab")
    for target in TARGETS["errors"]:
        assert aggregates.unmarked(named(database, "errors", target), source, BATCHES, monday()) == []


def test_of_an_earlier_life_of_the_topic_nothing_is_counted(database: ClickHouse, life: str) -> None:
    one = named(database, "errors", "issues")
    earlier = source_of("errors", life)
    insert(database, "errors", earlier, BATCHES[0])
    while not database.rows("SELECT 1 FROM topics WHERE created_at < now64(3) - INTERVAL 5 MILLISECOND"):
        time.sleep(0.01)
    source = source_of("errors", lived(database))
    at_ms = int(time.time() * 1000) + 1000
    insert(database, "errors", source, BATCHES[0], at_ms=at_ms)
    rows = database.rows(f"SELECT count() AS n, min(received) AS at FROM {stored_rows('errors', source, BATCHES[0])}")
    assert (rows[0]["n"], int(rows[0]["at"].replace(tzinfo=UTC).timestamp())) == (5, at_ms // 1000)
    lose(database, "issues", f"has(blocks, '{insert_token(source, BATCHES[0], 'errors')}')")
    assert Aggregates(database).unmarked(one, source, BATCHES, monday()) == [BATCHES[0]]


def test_an_aggregate_that_does_not_keep_rows_is_given_up(
    database: ClickHouse, life: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has altered it: it must not be filled for ever."""
    source, one = source_of("errors", life), named(database, "errors", "issues")
    insert(database, "errors", source, BATCHES[0])
    aggregates = Aggregates(database)
    monkeypatch.setattr(aggregates, "missing", lambda *_: [monday().isoformat()])
    with pytest.raises(Unavailable, match="does not keep"):
        aggregates.mend(one, stored_rows("errors", source, BATCHES[0]), insert_token(source, BATCHES[0], "errors"))


# Nobody notices


def views(server: ClickHouse) -> dict[str, list[tuple[str, ...]]]:
    """Return what every documented view says, but for what depends on the order of merges."""
    names = server.rows("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
    return {
        row["name"]: sorted(
            tuple(str(value) for value in found.values()) for found in server.rows(f"SELECT * FROM {row['name']}")
        )
        for row in names
    }


@pytest.fixture
def before(clickhouse: str, names: Any) -> Iterator[ClickHouse]:
    """A database as it was before migration 9."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_to(server, 8)
    yield server
    server.close()


def test_views_say_the_same_with_tokens_as_without(database: ClickHouse, before: ClickHouse, life: str) -> None:
    at_ms = int(time.time() * 1000) - 60_000
    assert Aggregates(before).all() == []
    for server in (database, before):
        for table in TARGETS:
            for boundaries in BATCHES:
                insert(server, table, source_of(table, life), boundaries, weeks=(0, 1), names=3, at_ms=at_ms)
    wanted = views(before)
    assert all(wanted[name] for name in ("open_issues", "errors_trend", "slowest_transactions", "release_overview"))
    assert views(database) == wanted
    for _, target in PAIRS:
        database.command(f"OPTIMIZE TABLE {target} FINAL")
    assert views(database) == wanted
    migrate_clickhouse(before, RetentionSettings(), quiet)
    assert views(before) == wanted


def test_the_migration_loses_and_doubles_nothing_of_inserts_that_go_on(before: ClickHouse) -> None:
    """And may be interrupted and applied again."""
    ended, sent = threading.Event(), list[int]()

    def go_on(partition: int) -> None:
        source, first = Source("errors", "life", partition), 0
        while not ended.is_set() or first < 50:
            boundaries = Boundaries(first, first + 9)
            columns, lines = rows_of(before, "errors", range(first, first + 10), weeks=(0, 1))
            for _ in range(2):
                before.insert("errors", columns, lines, insert_token(source, boundaries, "errors"))
            sent.append(10)
            first += 10

    threads = [threading.Thread(target=go_on, args=(partition,)) for partition in range(3)]
    for thread in threads:
        thread.start()
    while len(sent) < 6:
        time.sleep(0.01)
    for _ in range(3):
        migrate_clickhouse(before, RetentionSettings(), quiet)
        before.command("ALTER TABLE migrations DELETE WHERE version = 9 SETTINGS mutations_sync = 1")
    ended.set()
    for thread in threads:
        thread.join()
    found = before.rows(
        "SELECT (SELECT count() FROM errors) AS errors, (SELECT sum(count) FROM issues) / 2 AS issues, "
        "(SELECT sum(count) FROM errors_per_minute) / 2 AS minutes, (SELECT sum(count) FROM errors_per_hour) / 2 "
        "AS hours, (SELECT sum(errors) FROM releases) / 2 AS releases"
    )
    assert found == [dict.fromkeys(("errors", "issues", "minutes", "hours", "releases"), sum(sent))]
