"""Delivery: the ledger first, everything acknowledged before a batch is done, and bad rows found and buried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.edges.clickhouse import ClickHouse, RequestRejected
from pipeline.edges.settings import ClickHouseSettings, RetentionSettings
from pipeline.errors import Unavailable
from pipeline.intake.fencing import Fenced
from pipeline.intake.ledger import Ledger
from pipeline.records.record import Batch, Boundaries, Source
from pipeline.runtime.metrics import Metrics
from pipeline.store.batch_inserts import BatchInserts
from pipeline.store.deliver import Delivery
from pipeline.store.migrate import migrate_clickhouse
from pipeline.store.repeated_inserts import Repeats
from pipeline.store.sifting import MOST_REFUSED, SIFTED_TOGETHER, _middle
from pipeline.tables.dead_letters import DEAD_LETTER_COLUMNS
from pipeline.tables.result import BatchResult
from pipeline.tables.storage import StorageSettings
from schemas.counts import CountsBatch, decode_counts
from schemas.dead_letter import DeadLetter
from tests.deliveries import ALL, InThisProcess, Sink, always, delivered
from tests.records import Message, message, raw_batch
from tests.transformed import COLUMNS, NOW

OFFSET = {table: columns.index("kafka_offset") for table, columns in COLUMNS.items()}
OFFSET["dead_letters"] = DEAD_LETTER_COLUMNS.index("kafka_offset")


@dataclass
class Servers:
    """Stands for ClickHouse and Kafka: notes what arrives, refuses rows of some offsets, and is away for a while."""

    log: list[str] = field(default_factory=list)
    stored: dict[str, list[tuple[str, list[int]]]] = field(default_factory=dict)
    sent: list[tuple[str, bytes, dict[str, Any]]] = field(default_factory=list)
    bad_offsets: set[int] = field(default_factory=set)
    away: int = 0
    kafka_away: int = 0
    wrong: RequestRejected | None = None

    def insert(self, table: str, columns: Sequence[str], lines: bytes | Iterator[bytes], token: str) -> None:
        if table == "batches":
            self.log.append("ledger")
            return
        whole = lines if isinstance(lines, bytes) else b"".join(lines)
        rows = [json.loads(line) for line in whole.splitlines()]
        offsets = [row[OFFSET[table]] for row in rows]
        self.log.append(f"insert {table} {token}")
        if self.away:
            self.away -= 1
            raise Unavailable("ClickHouse is away")
        if self.wrong is not None:
            wrong, self.wrong = self.wrong, None
            raise wrong
        if table != "dead_letters" and self.bad_offsets & set(offsets):
            raise RequestRejected("a value does not fit", 27)
        assert len(columns) == len(rows[0])
        self.stored.setdefault(table, []).append((token, offsets))

    def ping(self) -> None:
        self.log.append("ping")

    async def send(self, topic: str, value: bytes, **options: Any) -> None:
        self.log.append(f"send {topic}")
        if self.kafka_away:
            self.kafka_away -= 1
            raise Unavailable("Kafka is away")
        self.sent.append((topic, value, options))

    def offsets(self, table: str) -> list[int]:
        return sorted(offset for _, offsets in self.stored.get(table, []) for offset in offsets)


@dataclass
class Again:
    """Inserts what was inserted before as if it were for the first time."""

    servers: Servers

    def insert(
        self,
        _source: Source,
        _boundaries: Boundaries,
        table: str,
        columns: Sequence[str],
        lines: bytes | Iterator[bytes],
        token: str,
    ) -> None:
        self.servers.log.append(f"again {table} {token}")
        self.servers.insert(table, columns, lines, token)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def delivery(
    servers: Any,
    executor: ThreadPoolExecutor,
    process: Callable[[Batch], BatchResult] = NOW.process,
    storage: StorageSettings = ALL,
    held: Callable[[int], Awaitable[None]] = always,
) -> Delivery:
    metrics = Metrics()
    inserts = BatchInserts(
        COLUMNS,
        clickhouse=servers,
        repeats=Repeats(servers, metrics) if isinstance(servers, ClickHouse) else Again(servers),
        executor=executor,
        metrics=metrics,
    )
    return Delivery(
        InThisProcess(process, storage),
        inserts,
        held=held,
        ledger=Ledger(servers),
        send=servers.send,
        metrics=metrics,
    )


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(bounded())


def events(count: int, first: int = 0) -> list[Message]:
    return [message({"message": f"issue {offset % 3}"}, offset) for offset in range(first, first + count)]


def test_the_ledger_is_written_before_anything_is_sent(executor: ThreadPoolExecutor) -> None:
    servers = Servers()
    run(delivered(delivery(servers, executor), raw_batch(*events(5))))
    assert servers.log[0] == "ledger"
    assert sorted(servers.log[1:]) == ["insert errors errors/life/0/0-4/errors", "send counts"]
    assert servers.offsets("errors") == [0, 1, 2, 3, 4]
    counts = decode_counts(servers.sent[0][1])
    assert (counts.topic, counts.incarnation, counts.partition) == ("errors", "life", 0)
    assert (counts.first, counts.last) == (0, 4)


@pytest.mark.parametrize(("times", "log"), [(0, []), (1, ["ledger"])])
def test_nothing_is_delivered_of_a_batch_that_is_not_in_the_ledger_in_time(
    executor: ThreadPoolExecutor, times: int, log: list[str]
) -> None:
    """The partition is another worker's before it is written down, or before that is acknowledged."""
    servers, asked = Servers(), list[int]()

    async def held(generation: int) -> None:
        asked.append(generation)
        if len(asked) > times:
            raise Fenced

    async def test() -> None:
        batch = raw_batch(*events(3))
        batch.generation = 7
        with pytest.raises(Fenced):
            await delivered(delivery(servers, executor, held=held), batch)

    run(test())
    assert set(asked) == {7}
    assert servers.log == log
    assert servers.sent == []


def test_a_server_that_is_away_gets_the_same_again(executor: ThreadPoolExecutor) -> None:
    servers = Servers(away=1, kafka_away=1)
    run(delivered(delivery(servers, executor), raw_batch(*events(3))))
    assert servers.log.count("insert errors errors/life/0/0-2/errors") == 2
    assert servers.log.count("send counts") == 2
    assert servers.offsets("errors") == [0, 1, 2]
    assert len(servers.sent) == 1


def test_a_request_that_is_wrong_for_another_reason_than_its_rows_is_tried_again(executor: ThreadPoolExecutor) -> None:
    """A table that somebody has renamed must not drain the topic into the dead letters."""
    servers = Servers(wrong=RequestRejected("no such table", 60))
    run(delivered(delivery(servers, executor), raw_batch(*events(3))))
    assert servers.offsets("errors") == [0, 1, 2]
    assert servers.offsets("dead_letters") == []


@pytest.mark.parametrize("bad", [{0}, {6}, {3}, {0, 6}, {2, 3, 4}, set(range(7))])
def test_bad_rows_are_found_and_buried_and_the_others_stored(executor: ThreadPoolExecutor, bad: set[int]) -> None:
    servers = Servers(bad_offsets=bad)
    run(delivered(delivery(servers, executor), raw_batch(*events(7))))
    assert servers.offsets("errors") == sorted(set(range(7)) - bad)
    assert servers.offsets("dead_letters") == sorted(bad)
    tokens = [token for token, _ in servers.stored.get("errors", [])]
    assert len(set(tokens)) == len(tokens)
    letters = [options["headers"] for topic, _, options in servers.sent if topic == "dead-letters"]
    found = sorted(
        (DeadLetter.from_headers(headers).offset, DeadLetter.from_headers(headers).stage) for headers in letters
    )
    assert found == [(offset, "store") for offset in sorted(bad)]


def test_bad_rows_of_a_large_batch_are_looked_for_part_by_part(executor: ThreadPoolExecutor) -> None:
    bad, count = {5, SIFTED_TOGETHER + 700, 2 * SIFTED_TOGETHER + 499}, 2 * SIFTED_TOGETHER + 500
    servers = Servers(bad_offsets=bad)
    run(delivered(delivery(servers, executor), raw_batch(*events(count))))
    assert servers.offsets("errors") == sorted(set(range(count)) - bad)
    assert servers.offsets("dead_letters") == sorted(bad)
    stored = servers.stored["errors"]
    assert len({token for token, _ in stored}) == len(stored)
    assert max(len(offsets) for _, offsets in stored) <= SIFTED_TOGETHER


def test_a_table_that_takes_no_event_any_more_stops_its_partition_and_does_not_drain_it(
    executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """It was altered: each event would be refused, to the last one on the topic."""
    first, all_of_them = MOST_REFUSED - 10, MOST_REFUSED + 40
    servers = Servers(bad_offsets=set(range(all_of_them)))

    async def test() -> None:
        to = delivery(servers, executor)
        await delivered(to, raw_batch(*events(first)))
        assert servers.offsets("dead_letters") == list(range(first))
        stopped = asyncio.create_task(delivered(to, raw_batch(*events(all_of_them)[first:])))
        while "is not the events" not in caplog.text:  # noqa: ASYNC110  it is tried in threads
            await asyncio.sleep(0.01)
        assert not stopped.done()
        assert servers.offsets("dead_letters") == list(range(first))
        # The table is mended, and two of the events are bad all the same.
        servers.bad_offsets = {first, all_of_them - 2}
        await stopped

    run(test())
    assert servers.offsets("errors") == sorted(set(range(first, all_of_them)) - servers.bad_offsets)
    assert servers.offsets("dead_letters") == sorted({*range(first), *servers.bad_offsets})


def test_an_event_that_clickhouse_refuses_is_buried_with_its_project_and_weight(executor: ThreadPoolExecutor) -> None:
    """Replayed, it counts for the same project and as often as before."""
    servers = Servers(bad_offsets={0})
    refused = message({"message": "a"}, 0, headers=[("project", b"shop"), ("weight", b"20")])
    run(delivered(delivery(servers, executor), raw_batch(refused)))
    [headers] = [options["headers"] for topic, _, options in servers.sent if topic == "dead-letters"]
    letter = DeadLetter.from_headers(headers)
    assert (letter.project, letter.weight) == ("shop", 20)


def test_a_divided_batch_is_divided_in_the_same_way_again(executor: ThreadPoolExecutor) -> None:
    first, second = Servers(bad_offsets={3}), Servers(bad_offsets={3})
    for servers in (first, second):
        run(delivered(delivery(servers, executor), raw_batch(*events(9))))
    assert sorted(first.stored["errors"]) == sorted(second.stored["errors"])


def test_the_spans_of_one_event_stay_together(executor: ThreadPoolExecutor) -> None:
    spans: list[dict[str, object]] = [{}, {}, {}]
    records = [
        message({"type": "transaction", "spans": spans[:size]}, offset, topic="spans")
        for offset, size in enumerate((3, 0, 2, 1))
    ]
    servers = Servers(bad_offsets={2})
    run(delivered(delivery(servers, executor), raw_batch(*records, topic="spans")))
    assert servers.offsets("spans") == [0, 0, 0, 0, 1, 3, 3]
    assert servers.offsets("dead_letters") == [2]


@pytest.mark.parametrize(
    ("offsets", "middle"),
    [([1, 2], 1), ([1, 1, 2], 2), ([1, 2, 2], 1), ([1, 1, 1, 2], 3), ([1, 2, 2, 2], 1), ([1, 2, 3, 4], 2)],
)
def test_rows_are_halved_between_events(offsets: list[int], middle: int) -> None:
    assert _middle([(offset, b"") for offset in offsets]) == middle


def test_dead_letters_carry_the_original_bytes_and_no_content_in_the_table(executor: ThreadPoolExecutor) -> None:
    bad = message(b"{hunter2", 0, key=b"k", headers=[("project", b"shop")])
    gone = Message(None, 1)
    servers = Servers(kafka_away=1)
    run(delivered(delivery(servers, executor), raw_batch(bad, gone)))
    assert [(topic, value, options["key"]) for topic, value, options in servers.sent] == [
        ("dead-letters", b"{hunter2", b"k"),
        ("dead-letters", b"", None),
    ]
    assert servers.stored["dead_letters"] == [("errors/life/0/0-1/dead_letters", [0, 1])]
    # The bytes are on the topic before the table says so.
    assert servers.log.index("insert dead_letters errors/life/0/0-1/dead_letters") == len(servers.log) - 1


@dataclass
class OneAway(Servers):
    """Refuses the counts of the batch that begins at offset 0, and takes all others, until it is told otherwise."""

    refusals: int = 0
    is_away: bool = True

    async def send(self, topic: str, value: bytes, **options: Any) -> None:
        if topic == "counts" and self.is_away and decode_counts(value).first == 0:
            self.refusals += 1
            raise Unavailable("Kafka is away")
        await super().send(topic, value, **options)


def test_counts_wait_for_those_of_the_batch_before(executor: ThreadPoolExecutor) -> None:
    async def test() -> None:
        servers = OneAway()
        to = delivery(servers, executor)
        first, second = raw_batch(*events(2)), raw_batch(*events(2, first=2))
        delivering = asyncio.gather(delivered(to, first), delivered(to, second))
        while servers.offsets("errors") != [0, 1, 2, 3] or servers.refusals < 3:  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.01)
        assert servers.sent == []
        servers.is_away = False
        await delivering
        sent = [decode_counts(value) for topic, value, _ in servers.sent if topic == "counts"]
        assert [(counts.first, counts.last) for counts in sent] == [(0, 1), (2, 3)]

    run(test())


def test_counts_of_a_batch_whose_predecessor_is_given_up_are_not_sent(executor: ThreadPoolExecutor) -> None:
    """Another worker has the partition, and its counts will come in their order."""

    async def test() -> None:
        servers = Servers(kafka_away=1_000)
        to = delivery(servers, executor)
        first = asyncio.create_task(delivered(to, raw_batch(*events(2))))
        second = asyncio.create_task(delivered(to, raw_batch(*events(2, first=2))))
        while servers.offsets("errors") != [0, 1, 2, 3]:  # noqa: ASYNC110  it is stored in a thread
            await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first, second])
        servers.kafka_away = 0
        assert first.cancelled()
        assert second.cancelled()
        assert servers.sent == []

    run(test())


def test_a_batch_of_which_nothing_is_left_is_done_all_the_same(executor: ThreadPoolExecutor) -> None:
    servers = Servers()
    run(delivered(delivery(servers, executor, lambda _batch: BatchResult()), raw_batch(*events(2))))
    assert servers.log == ["ledger"]


def test_what_nobody_foresaw_is_raised(executor: ThreadPoolExecutor) -> None:
    def broken(_batch: Batch) -> BatchResult:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(delivered(delivery(Servers(), executor, broken), raw_batch(*events(2))))


def with_bad_row(batch: Batch) -> BatchResult:
    """Return what comes of a batch, with a value that its column cannot take in every row of offset 3."""
    outcome = NOW.process(batch)
    level = COLUMNS["errors"].index("received")
    outcome.rows["errors"] = [
        (*row[:level], "hunter2", *row[level + 1 :]) if row[OFFSET["errors"]] == 3 else row
        for row in outcome.rows["errors"]
    ]
    return outcome


def test_clickhouse_refuses_one_row_and_has_the_others_once_though_all_is_done_twice(
    clickhouse: str, names: Any, executor: ThreadPoolExecutor
) -> None:
    server = Sink(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_clickhouse(server, RetentionSettings(), lambda _line: None)
    for _ in range(2):
        run(delivered(delivery(server, executor, with_bad_row), raw_batch(*events(8))))
    stored = server.rows("SELECT kafka_offset FROM errors ORDER BY kafka_offset")
    assert [row["kafka_offset"] for row in stored] == [0, 1, 2, 4, 5, 6, 7]
    assert server.rows("SELECT sum(count) AS events FROM issues")[0]["events"] == 7
    buried = server.rows("SELECT kafka_offset, stage, reason FROM dead_letters")
    assert [(row["kafka_offset"], row["stage"]) for row in buried] == [(3, "store")]
    assert "hunter2" not in buried[0]["reason"]
    source = Source("errors", "life", 0)
    assert Ledger(server).begun(source, 0).batches == [Boundaries(0, 7)]
    assert Ledger(server).begun(source, 7).batches == [Boundaries(0, 7)]
    assert Ledger(server).begun(source, 8).batches == []
    assert Ledger(server).begun(Source("errors", "another life", 0), 0).batches == []


@pytest.mark.parametrize("table", ["errors", "issues", "errors_per_minute", "errors_per_hour", "dead_letters"])
def test_a_batch_that_was_begun_before_is_completed_where_clickhouse_knows_it_and_has_lost_it(
    clickhouse: str, names: Any, executor: ThreadPoolExecutor, table: str
) -> None:
    """Divided batches too: each of their pieces has a token."""
    server = Sink(ClickHouseSettings(url=clickhouse, database=names.database))
    migrate_clickhouse(server, RetentionSettings(), lambda _line: None)

    def deliver(*, begun_before: bool) -> list[float]:
        batch = raw_batch(*events(8))
        batch.begun_before = begun_before
        run(delivered(delivery(server, executor, with_bad_row), batch))
        counted = ("issues", "errors_per_minute", "errors_per_hour")
        sums = [server.rows(f"SELECT sum(count) AS n FROM {one}")[0]["n"] for one in counted]
        return sums + [server.rows(f"SELECT count() AS n FROM {one}")[0]["n"] for one in ("errors", "dead_letters")]

    assert deliver(begun_before=False) == [7, 7, 7, 7, 1]
    server.command(f"DELETE FROM {table} WHERE 1", settings={"lightweight_deletes_sync": 2})
    assert deliver(begun_before=False) != [7, 7, 7, 7, 1]
    for _ in range(2):
        assert deliver(begun_before=True) == [7, 7, 7, 7, 1]


def test_what_clickhouse_has_not_answered_to_is_inserted_with_more_care_from_then_on(
    executor: ThreadPoolExecutor,
) -> None:
    servers, batch = Servers(away=1), raw_batch(*events(3))
    before = batch.begun_before
    run(delivered(delivery(servers, executor), batch))
    assert (before, batch.begun_before) == (False, True)
    assert servers.log.count("again errors errors/life/0/0-2/errors") == 1
    assert servers.log.count("insert errors errors/life/0/0-2/errors") == 2


def test_counts_of_a_batch_are_for_one_partition_each(executor: ThreadPoolExecutor) -> None:
    def two(batch: Batch) -> BatchResult:
        made = NOW.process(batch).counts[0]
        empty = CountsBatch(made.version, made.topic, made.incarnation, made.partition, made.first, made.last, [])
        return BatchResult(counts={3: made, 1: empty})

    servers = Servers()
    run(delivered(delivery(servers, executor, two), raw_batch(*events(2))))
    assert [(topic, options["partition"]) for topic, _, options in servers.sent] == [("counts", 3), ("counts", 1)]
