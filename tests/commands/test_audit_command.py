"""``aftershock audit`` against real servers, on ledgers and tables that were made to be wrong."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from commandline import Commands
from logbook import Logbook, store

from deploy.local.embedded_broker import EmbeddedBroker


def audit(aftershock: Commands, *options: str) -> tuple[int, list[dict[str, Any]]]:
    result = aftershock.run("audit", "--json", *options)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def only(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in found if one["kind"] == kind]


def test_a_fresh_installation_is_clean(aftershock: Commands) -> None:
    code, found = audit(aftershock)
    assert code == 0
    assert [one["kind"] for one in found] == ["summary"]


def test_transaction_markers_in_an_older_ledger_are_no_loss(aftershock: Commands, broker_type: type) -> None:
    if broker_type is EmbeddedBroker:
        pytest.skip("the embedded broker has no transactions")
    log = Logbook(aftershock)
    log.produce(5, transactional=True)
    log.produce(3)
    log.produce(4, transactional=True)
    log.batch(0, 4)
    log.batch(6, 12)
    log.rows([*range(5), *range(6, 13)])
    log.commit(14)
    code, found = audit(aftershock)
    assert code == 0, repr(found[:2])
    assert [(one["first"], one["last"], one["verdict"]) for one in only(found, "hole")] == [
        (5, 5, "nothing there"),
        (13, 13, "nothing there"),
    ]
    assert "compaction or transaction markers" in aftershock.run("audit").stdout
    assert "repaired" not in aftershock.run("audit", "--repair").stdout


def test_what_has_expired_is_lost_and_said_to_be_beyond_repair(aftershock: Commands, broker_type: type) -> None:
    if broker_type is EmbeddedBroker:
        pytest.skip("the embedded broker deletes no records")
    log = Logbook(aftershock)
    log.produce(30)
    log.batch(0, 9)
    log.batch(20, 29)
    log.rows([*range(10), *range(20, 30)])
    log.commit(30)
    code, found = audit(aftershock)
    assert code == 1
    assert [(one["first"], one["last"], one["verdict"], one["records"]) for one in only(found, "hole")] == [
        (10, 19, "lost", 10)
    ]
    log.expire(15)
    code, found = audit(aftershock)
    assert code == 1
    assert [(one["first"], one["last"], one["verdict"], one["records"]) for one in only(found, "hole")] == [
        (10, 14, "expired", 0),
        (15, 19, "lost", 5),
    ]
    said = aftershock.run("audit", "--topic", "errors").stdout
    assert "cannot be read again" in said
    assert "run `aftershock audit --repair` while Kafka has it" in said


def test_a_range_whose_rows_are_there_is_not_repaired(aftershock: Commands) -> None:
    log = Logbook(aftershock)
    log.produce(30)
    log.batch(0, 9)
    log.batch(25, 29)
    log.rows([*range(20), *range(25, 30)])
    log.commit(30)
    [hole] = only(audit(aftershock)[1], "hole")
    assert (hole["verdict"], hole["records"], hole["stored"]) == ("unclear", 15, 10)
    log.rows(range(20, 25))
    code, found = audit(aftershock, "--repair")
    [hole] = only(found, "hole")
    assert (code, hole["verdict"], hole["stored"]) == (0, "stored", 15)
    assert only(found, "repaired") == []


def test_a_batch_that_nobody_began_again_and_that_left_no_row_is_lost(aftershock: Commands) -> None:
    """As in an installation that lost records at a rebalance: the batch is in the ledger, and nothing of it stored."""
    log = Logbook(aftershock)
    log.produce(30)
    log.batch(0, 9, generation=2)
    log.batch(10, 19, generation=2)
    log.batch(20, 29, generation=3)
    log.rows([*range(10), *range(20, 30)])
    log.commit(30)
    code, found = audit(aftershock)
    assert code == 1
    assert [(one["first"], one["last"], one["records"]) for one in only(found, "not stored")] == [(10, 19, 10)]
    log.rows([12])
    assert audit(aftershock)[0] == 0


def test_offsets_that_are_twice_are_named(aftershock: Commands) -> None:
    log = Logbook(aftershock)
    log.produce(20)
    log.batch(0, 9)
    log.batch(5, 19)
    log.rows(range(20))
    log.rows(range(5, 8))
    log.commit(20)
    code, found = audit(aftershock)
    assert code == 1
    [overlap] = only(found, "overlap")
    assert (overlap["first"], overlap["last"], overlap["batches"]) == (5, 9, [[0, 9], [5, 19]])
    [doubled] = only(found, "doubled")
    assert (doubled["table"], doubled["first"], doubled["last"], doubled["offsets"]) == ("errors", 5, 7, 3)


def test_spans_of_one_transaction_are_not_taken_for_doubled(aftershock: Commands) -> None:
    log = Logbook(aftershock, "spans")
    log.produce(2)
    log.batch(0, 1)
    log.commit(2)
    now = int(time.time() * 1000)
    row = {"project": "shop", "timestamp": now, "received": now, "kafka_topic": "spans", "kafka_partition": 0}
    spans = [{**row, "kafka_offset": 0, "span_id": name, "is_transaction": name == "a"} for name in ("a", "b", "b")]
    aftershock.insert("spans", spans)
    assert only(audit(aftershock)[1], "doubled") == []
    # Not the same block: ClickHouse would drop that by itself.
    aftershock.insert("spans", [{**span, "description": "again"} for span in spans])
    [doubled] = only(audit(aftershock)[1], "doubled")
    assert (doubled["table"], doubled["offsets"], doubled["rows"]) == ("spans", 1, 3)


def test_an_aggregate_short_by_a_block_is_named(aftershock: Commands) -> None:
    store(aftershock, 0, range(10))
    store(aftershock, 1, range(4), project="checkout", release="2.0", sample_weight=2.5)
    assert audit(aftershock)[0] == 0
    for table in ("errors_per_hour", "issues", "releases"):
        where = "project = 'checkout'"
        aftershock.clickhouse.command(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 2")
    code, found = audit(aftershock)
    assert code == 1
    differences = {one["table"]: one for one in only(found, "difference")}
    assert differences.keys() == {"errors_per_hour", "issues", "releases"}
    for one in differences.values():
        assert (one["project"], one["expected"], one["found"], one["source"]) == ("checkout", 10, 0, "errors")
    assert differences["releases"]["release"] == "2.0"
    today, monday = differences["errors_per_hour"]["day"], differences["issues"]["day"]
    assert monday <= today == time.strftime("%Y-%m-%d", time.gmtime())
    said = aftershock.run("audit").stdout
    assert f"run `aftershock rebuild errors_per_hour --from {today} --to {today}`" in said
    assert f"run `aftershock rebuild issues --from {monday} --to {monday}`" in said
    assert f"--to {today}`" in next(line for line in said.splitlines() if "aftershock rebuild releases" in line)


def test_an_aggregate_with_a_block_too_many_is_named_and_what_was_erased_is_not(aftershock: Commands) -> None:
    store(aftershock, 0, range(10))
    aftershock.clickhouse.command("INSERT INTO errors_per_hour SELECT * FROM errors_per_hour")
    code, found = audit(aftershock)
    assert code == 1
    # What is put into the hours goes on to the releases.
    assert {one["table"]: (one["expected"], one["found"], one["erased"]) for one in only(found, "difference")} == {
        "errors_per_hour": (10, 20, False),
        "releases": (10, 20, False),
    }
    aftershock.clickhouse.command("TRUNCATE TABLE errors_per_hour")
    aftershock.clickhouse.command("ALTER TABLE errors DELETE WHERE kafka_offset = 3 SETTINGS mutations_sync = 2")
    code, found = audit(aftershock)
    assert {one["table"]: one["erased"] for one in only(found, "difference") if one["found"] > one["expected"]} == {
        "errors_per_minute": True,
        "issues": True,
        "releases": True,
    }
    assert code == 1  # the hours are gone


def test_sessions_are_compared_by_their_sets_and_sums(aftershock: Commands) -> None:
    now = int(time.time() * 1000)
    place = {"project": "shop", "environment": "production", "release": "1.0", "started": now, "received": now}
    session = {**place, "timestamp": now, "status": "ok", "latest": 1, "sample_weight": 2}
    aftershock.insert("sessions", [{**session, "session_id": name, "kafka_offset": 1} for name in ("a", "b")])
    aftershock.insert("session_aggregates", [{**place, "exited": 5, "crashed": 1, "kafka_offset": 2}])
    assert audit(aftershock)[0] == 0
    aftershock.clickhouse.command("TRUNCATE TABLE sessions_per_hour")
    found = only(audit(aftershock)[1], "difference")
    assert {one["source"]: (one["expected"], one["found"]) for one in found} == {
        "sessions": (4, 0),
        "session_aggregates": (6, 0),
    }


def test_inserts_under_way_are_not_taken_for_faults(aftershock: Commands) -> None:
    enough = threading.Event()

    def insert(partition: int) -> None:
        number = 0
        while not enough.is_set():
            store(aftershock, partition, range(number, number + 50))
            number += 50

    threads = [threading.Thread(target=insert, args=(partition,)) for partition in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            code, found = audit(aftershock)
            assert (code, only(found, "difference")) == (0, [])
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert aftershock.clickhouse.rows("SELECT count() AS n FROM errors")[0]["n"] > 1000


def test_a_wrong_span_of_time_is_refused_with_the_remedy(aftershock: Commands) -> None:
    result = aftershock.run("audit", "--since", "30d")
    assert result.exit_code == 2
    assert "write 7d or less" in str(result.exception)


def test_the_help_has_examples_and_exit_codes(aftershock: Commands) -> None:
    said = aftershock.run("audit", "--help").stdout
    assert "Examples:" in said
    assert "Exit codes:" in said
