"""Inserts: rows go on while others are still made; what is given up is broken off and not ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from pipeline.edges.clickhouse import RequestRejected
from pipeline.errors import Unavailable
from pipeline.store.inserts import MOST_WAITING, GivenUp, Inserts, Pieces, Room


class Server:
    """Reads what is inserted in threads, as a ClickHouse client does; fails for tables that it was told to."""

    def __init__(self, **fails: Exception) -> None:
        self.fails = fails
        self.came: dict[str, list[bytes]] = {}
        self.first = threading.Event()

    async def insert(self, table: str, rows: Iterator[bytes]) -> None:
        """Insert into a table."""
        await asyncio.to_thread(self._read, table, rows)

    def _read(self, table: str, rows: Iterator[bytes]) -> None:
        if table in self.fails:
            raise self.fails[table]
        for piece in rows:
            self.came.setdefault(table, []).append(piece)
            self.first.set()


def test_rows_are_sent_on_before_the_last_ones_are_there() -> None:
    async def test() -> None:
        server = Server()
        inserts = Inserts(server.insert)
        await asyncio.to_thread(inserts.take, "errors", b"1\n")
        assert await asyncio.to_thread(server.first.wait, 10)
        await asyncio.to_thread(inserts.take, "spans", b"2\n")
        await asyncio.to_thread(inserts.take, "errors", b"3\n")
        assert await inserts.end() == {}
        assert server.came == {"errors": [b"1\n", b"3\n"], "spans": [b"2\n"]}

    asyncio.run(test())


def test_where_clickhouse_is_away_all_is_to_be_done_again() -> None:
    async def test() -> None:
        inserts = Inserts(Server(errors=Unavailable("away"), spans=RequestRejected("bad", 27)).insert)
        for table in ("spans", "errors", "logs"):
            await asyncio.to_thread(inserts.take, table, b"1\n")
        with pytest.raises(Unavailable, match="away"):
            await inserts.end()

    asyncio.run(test())


def test_what_was_refused_is_told_by_table_and_the_others_are_inserted() -> None:
    async def test() -> None:
        server = Server(spans=RequestRejected("bad", 27))
        inserts = Inserts(server.insert)
        for table in ("spans", "errors"):
            await asyncio.to_thread(inserts.take, table, b"1\n")
            await asyncio.to_thread(inserts.take, table, b"2\n")
        failed = await inserts.end()
        assert failed == {"spans": server.fails["spans"]}
        assert server.came == {"errors": [b"1\n", b"2\n"]}

    asyncio.run(test())


def test_what_is_given_up_is_broken_off_and_nothing_begins_afterwards() -> None:
    async def test() -> None:
        server = Server()
        inserts = Inserts(server.insert)
        await asyncio.to_thread(inserts.take, "errors", b"1\n")
        assert await asyncio.to_thread(server.first.wait, 10)
        inserts.give_up()
        await asyncio.to_thread(inserts.take, "errors", b"2\n")
        await asyncio.to_thread(inserts.take, "spans", b"3\n")
        assert isinstance((await inserts.end())["errors"], GivenUp)
        assert server.came == {"errors": [b"1\n"]}

    asyncio.run(test())


def test_pieces_that_were_given_up_are_not_taken_for_complete() -> None:
    pieces = Pieces(Room(1))
    pieces.put(b"1\n")
    pieces.give_up()
    pieces.put(b"2\n")
    pieces.end()
    read: list[bytes] = []
    with pytest.raises(GivenUp):
        read.extend(iter(pieces))
    assert read in ([], [b"1\n"])


def test_whoever_brings_rows_waits_while_clickhouse_does_not_read_them() -> None:
    async def test() -> None:
        reading, most = threading.Event(), 4

        async def insert(_table: str, rows: Iterator[bytes]) -> None:
            await asyncio.to_thread(reading.wait)
            await asyncio.to_thread(list, rows)

        inserts, brought = Inserts(insert), list[int]()

        def bring() -> None:
            for number in range(most * 3):
                inserts.take("errors", bytes(MOST_WAITING // most))
                brought.append(number)

        bringing = asyncio.create_task(asyncio.to_thread(bring))
        while len(brought) < most:  # noqa: ASYNC110  it happens in a thread
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(brought) == most
        reading.set()
        await bringing
        assert await inserts.end() == {}

    asyncio.run(test())


@pytest.mark.parametrize("why", ["given up", "refused"])
def test_nobody_waits_for_an_insert_that_is_broken_off(why: str) -> None:
    async def test() -> None:
        refuse = asyncio.Event()

        async def insert(_table: str, _rows: Iterator[bytes]) -> None:
            await refuse.wait()
            raise RequestRejected("bad", 27)

        inserts = Inserts(insert)
        await asyncio.to_thread(inserts.take, "errors", bytes(MOST_WAITING))
        waiting = asyncio.create_task(asyncio.to_thread(inserts.take, "errors", b"1\n"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        if why == "given up":
            inserts.give_up()
        else:
            refuse.set()
        await waiting

    asyncio.run(test())


def test_nobody_waits_when_there_is_no_loop_any_more() -> None:
    room = Room(1)
    room.take(1, lambda: True)
    with pytest.raises(GivenUp):
        room.take(1, lambda: False)
