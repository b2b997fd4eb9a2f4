"""The edge to ClickHouse: what a repeated insert adds, and what driver errors become."""

from __future__ import annotations

import itertools
import secrets
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from msgspec.json import Encoder

from deploy.local.clickhouse import ClickHouse as Server
from deploy.local.ports import free_port
from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.errors import Unavailable
from pipeline.store.batch_inserts import UNACCEPTABLE_ROW
from pipeline.store.inserts import GivenUp
from pipeline.store.migrate import migrate_clickhouse
from pipeline.tables.rows import ERROR_COLUMNS, SPAN_COLUMNS
from tests.transformed import outcome_now

SECRET = "(HUNTER_TWO)"
DAY_S = 24 * 60 * 60

SUMS = """
SELECT
    (SELECT count() FROM errors) AS errors,
    (SELECT sum(count) FROM issues) AS issues,
    (SELECT sum(count) FROM errors_per_minute) AS minutes,
    (SELECT sum(count) FROM errors_per_hour) AS hours,
    (SELECT uniqMerge(users) FROM issues) AS users
"""
VIEWS = ("issues_from_errors", "errors_per_minute_from_errors", "errors_per_hour_from_errors")


TABLES = ("errors", "spans", "issues", "errors_per_minute", "errors_per_hour", "transactions_per_minute")


@pytest.fixture(scope="module")
def migrated(clickhouse: str) -> ClickHouse:
    """Tables of this module's own."""
    server = ClickHouse(ClickHouseSettings(url=clickhouse, database="t_clickhouse"))
    server.command("DROP DATABASE IF EXISTS t_clickhouse SYNC", in_database=False)
    migrate_clickhouse(server, RetentionSettings(), lambda _line: None)
    return server


@pytest.fixture
def database(migrated: ClickHouse) -> ClickHouse:
    """The same, empty."""
    for table in TABLES:
        migrated.command(f"TRUNCATE TABLE {table} SYNC")
    return migrated


@pytest.fixture
def batch() -> str:
    """A token that no other test uses; ClickHouse remembers it longer than the rows."""
    return secrets.token_hex(8)


def lines(count: int, size: int = 0, days: tuple[int, ...] = (0,)) -> bytes:
    """Return rows of so many errors of three issues, spread over days ago."""
    now = time.time()
    events = [
        {
            "message": f"issue {'abc'[index % 3]}",
            "user": {"id": str(index)},
            "timestamp": now - days[index % len(days)] * DAY_S,
            "extra": {"padding": "x" * size},
        }
        for index in range(count)
    ]
    return Encoder().encode_lines(outcome_now(*events).rows["errors"])


def sums(server: ClickHouse) -> list[int]:
    return [int(value) for value in server.rows(SUMS)[0].values()]


def test_an_insert_repeated_with_its_token_adds_nothing_anywhere(database: ClickHouse, batch: str) -> None:
    rows = lines(60)
    for _ in range(3):
        database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-59")
    assert sums(database) == [60, 60, 60, 60, 60]
    database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/60-119")
    assert sums(database) == [120, 120, 120, 120, 60]


def test_a_repeated_insert_adds_nothing_though_its_rows_came_out_otherwise(database: ClickHouse, batch: str) -> None:
    """The settings of scrubbing or grouping may have changed between the two."""
    database.insert("errors", ERROR_COLUMNS, lines(60), f"{batch}/0-59")
    database.insert("errors", ERROR_COLUMNS, lines(60).replace(b"issue", b"other"), f"{batch}/0-59")
    assert sums(database)[:4] == [60, 60, 60, 60]


def test_a_repeated_insert_over_several_partitions_adds_nothing(database: ClickHouse, batch: str) -> None:
    rows = lines(80, days=(0, 8, 15, 28))
    for _ in range(3):
        database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-79")
    assert sums(database) == [80, 80, 80, 80, 80]
    weeks = database.rows("SELECT uniqExact(toMonday(timestamp)) AS weeks FROM errors")
    assert weeks[0]["weeks"] >= 4


def test_a_large_batch_is_one_block(database: ClickHouse, batch: str) -> None:
    rows = lines(2_000, size=16_000)
    assert len(rows) > 30_000_000
    for _ in range(2):
        database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-1999")
    assert sums(database) == [2000, 2000, 2000, 2000, 2000]


def pieces(rows: bytes, size: int = 1_000_000) -> Iterator[bytes]:
    """Yield rows in pieces, wherever they begin and end."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def test_rows_that_come_in_pieces_are_one_block_too(database: ClickHouse, batch: str) -> None:
    rows = lines(2_000, size=16_000)
    for _ in range(2):
        database.insert("errors", ERROR_COLUMNS, pieces(rows), f"{batch}/0-1999")
    assert sums(database) == [2000, 2000, 2000, 2000, 2000]


@pytest.mark.parametrize("after", [0, 1, 20])
def test_an_insert_that_is_broken_off_leaves_nothing_and_may_be_made_again(
    database: ClickHouse, batch: str, after: int
) -> None:
    """The worker gives a batch up while its rows are on their way; whoever has it next sends them again."""
    rows = lines(2_000, size=16_000)

    def broken() -> Iterator[bytes]:
        yield from itertools.islice(pieces(rows), after)
        raise GivenUp

    for _ in range(2):
        with pytest.raises(GivenUp):
            database.insert("errors", ERROR_COLUMNS, broken(), f"{batch}/0-1999")
    # What it may still be doing with what it has, it does before it answers this.
    time.sleep(0.5)
    assert sums(database)[0] == 0
    database.insert("errors", ERROR_COLUMNS, pieces(rows), f"{batch}/0-1999")
    assert sums(database) == [2000, 2000, 2000, 2000, 2000]


@pytest.mark.parametrize("at", [0, 1_000, 1_999])
def test_a_row_that_is_refused_while_others_are_on_their_way_is_told_from_a_broken_connection(
    database: ClickHouse, batch: str, at: int
) -> None:
    rows = lines(2_000, size=16_000).splitlines(keepends=True)
    rows[at] = b'["hunter2", {}]\n'
    with pytest.raises(RequestRejected) as refused:
        database.insert("errors", ERROR_COLUMNS, pieces(b"".join(rows)), f"{batch}/0-1999")
    assert refused.value.code in UNACCEPTABLE_ROW
    assert sums(database)[0] == 0


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("days", [(0,), (0, 8, 15)])
def test_an_insert_that_failed_between_table_and_views_is_completed_by_the_next(
    database: ClickHouse, batch: str, view: str, days: tuple[int, ...]
) -> None:
    """A view that fails stands for a server that dies there: table and views are written one after the other."""
    rows = lines(30, days=days)
    target = view.removesuffix("_from_errors")
    (column,) = {"issues": ["title"]}.get(target, ["level"])
    database.command(f"ALTER TABLE {target} ADD CONSTRAINT broken CHECK {column} = 'never'")
    with pytest.raises((RequestRejected, Unavailable)):
        database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-29")
    partly = sums(database)
    assert 0 in partly, "the failure that this is about did not happen"
    database.command(f"ALTER TABLE {target} DROP CONSTRAINT broken")
    for _ in range(2):
        database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-29")
    assert sums(database) == [30, 30, 30, 30, 30], f"after the failure: {partly}"


def test_repeated_transactions_add_nothing(database: ClickHouse, batch: str) -> None:
    now = time.time()
    events = [
        {
            "type": "transaction",
            "transaction": f"t{index % 2}",
            "start_timestamp": now - 1,
            "timestamp": now,
            "spans": [{}],
        }
        for index in range(20)
    ]
    rows = Encoder().encode_lines(outcome_now(*events, topic="spans").rows["spans"])
    for _ in range(2):
        database.insert("spans", SPAN_COLUMNS, rows, f"{batch}/0-19")
    found = database.rows(
        "SELECT (SELECT count() FROM spans) AS spans, (SELECT sum(count) FROM transactions_per_minute) AS counted"
    )
    assert [int(value) for value in found[0].values()] == [40, 20]


@pytest.mark.parametrize(
    "bad",
    [
        f'["{SECRET}"]',
        f'["shop", "{SECRET}", "{SECRET}", 5]',
        f'"{SECRET}"',
        f"{SECRET}",
        f'["shop","prod",-1e300,"{SECRET}"',
    ],
)
def test_an_unacceptable_row_is_rejected_with_a_number_and_without_its_text(database: ClickHouse, bad: str) -> None:
    with pytest.raises(RequestRejected) as caught:
        database.insert("errors", ERROR_COLUMNS, lines(2) + bad.encode() + b"\n", "t")
    assert caught.value.code in UNACCEPTABLE_ROW
    assert "HUNTER" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sums(database)[0] == 0


def test_a_missing_table_is_rejected_by_name(database: ClickHouse) -> None:
    with pytest.raises(RequestRejected, match="error 60") as caught:
        database.rows("SELECT 1 FROM nowhere")
    assert caught.value.code == 60
    assert "nowhere" in str(caught.value)


def test_a_query_that_is_not_valid_says_what_is_wrong_in_one_line(database: ClickHouse) -> None:
    with pytest.raises(RequestRejected) as caught:
        database.rows("SELECT nothing")
    assert "nothing" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nobody_listening_is_unavailable() -> None:
    away = ClickHouse(ClickHouseSettings(url=f"http://127.0.0.1:{free_port()}"))
    for call in (away.ping, away.version, lambda: away.insert("errors", ERROR_COLUMNS, b"[]", "t")):
        with pytest.raises(Unavailable, match="is it running"):
            call()


def test_a_server_killed_and_back_is_unavailable_in_between_and_keeps_what_it_acknowledged(
    killable_clickhouse: Server, batch: str
) -> None:
    database = ClickHouse(ClickHouseSettings(url=killable_clickhouse.address, database="kept"))
    migrate_clickhouse(database, RetentionSettings(), lambda _line: None)
    rows = lines(60)
    database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-59")
    killable_clickhouse.kill()
    with pytest.raises(Unavailable):
        database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-59")
    killable_clickhouse.start()
    database.insert("errors", ERROR_COLUMNS, rows, f"{batch}/0-59")
    assert sums(database) == [60, 60, 60, 60, 60]


class Answers(BaseHTTPRequestHandler):
    """A server that behaves while a client connects, and misbehaves for inserts in the way its name says."""

    real = ""
    behaviour = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if b"INSERT" in body or "INSERT" in self.path:
            getattr(self, self.behaviour)()
            return
        self._relay(body)

    do_GET = do_POST  # noqa: N815  the name that the server looks for

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def bad_gateway(self) -> None:
        self._answer(502, b"<html>error code: 502</html>", {})

    def say_nothing(self) -> None:
        time.sleep(1.5)
        self.hang_up()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _relay(self, body: bytes) -> None:
        with urllib.request.urlopen(urllib.request.Request(self.real + self.path, data=body or None)) as answer:
            headers = {k: v for k, v in answer.headers.items() if k.startswith(("X-", "Content-Type"))}
            self._answer(answer.status, answer.read(), headers)


@contextmanager
def misbehaving(real: str, behaviour: str) -> Iterator[str]:
    handler = type("Handler", (Answers,), {"real": real.rstrip("/"), "behaviour": behaviour})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("behaviour", ["hang_up", "bad_gateway", "say_nothing"])
def test_an_insert_without_an_answer_is_unavailable(clickhouse: str, behaviour: str) -> None:
    with misbehaving(clickhouse, behaviour) as url:
        database = ClickHouse(ClickHouseSettings(url=url, database="default"), timeout_s=1)
        with pytest.raises(Unavailable) as caught:
            database.insert("errors", ERROR_COLUMNS, f'["{SECRET}"]'.encode(), "t")
        assert "HUNTER" not in str(caught.value)
        database.close()


def test_a_query_that_still_runs_as_it_is_sent_again_is_tried_later(database: ClickHouse) -> None:
    """The driver sends a query again, with its id, when the connection breaks; the first one goes on."""
    running = {"query_id": "twice", "function_sleep_max_microseconds_per_block": 9_000_000}
    first = threading.Thread(target=lambda: database._connected().command("SELECT sleep(3)", settings=running))
    first.start()
    try:
        deadline = time.monotonic() + 20
        while not database.rows("SELECT 1 FROM system.processes WHERE query_id = 'twice'"):
            assert time.monotonic() < deadline
        with pytest.raises(Unavailable, match="QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"):
            database.command("SELECT 1", settings={"query_id": "twice"})
    finally:
        first.join()


def test_an_error_in_the_middle_of_an_answer_is_an_error_and_not_fewer_rows(database: ClickHouse) -> None:
    """Whoever takes half of the ledger for all of it forms other batches."""
    half = "SELECT throwIf(number = 500000) AS n FROM numbers(1000000) SETTINGS max_block_size = 1000"
    with pytest.raises(RequestRejected):
        database.rows(half)
    with pytest.raises(RequestRejected):
        database.raw(half, "JSONEachRow")
