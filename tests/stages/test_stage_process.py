"""The process of the stages: it answers as the stages themselves would, and neither outlives its worker nor hides."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.config.settings import Settings, load_settings
from pipeline.errors import Misconfigured
from pipeline.records.record import TOGETHER, Boundaries, RawBatch, RecordBatch
from pipeline.records.record_batches import described
from pipeline.stages.assemble import make_transform
from pipeline.stages.child import MOST_BYTES
from pipeline.stages.messages import Ended
from pipeline.stages.parent import StageProcess, StagesEnded
from pipeline.tables.rows import ERROR_COLUMNS
from pipeline.tables.storage import StorageSettings
from schemas.issue_change import IssueChange
from tests.records import Message, batch_of, example_events, message, packed, raw_batch
from tests.repacked import repacked, with_a_key_that_is_no_text

SETTINGS = Settings(storage=StorageSettings(then_one_in=1))
FINGERPRINT = ERROR_COLUMNS.index("fingerprint")
OFFSET = ERROR_COLUMNS.index("kafka_offset")
ISSUES = ("out of stock", "the mail was delayed", "no such page")
RECEIVED = ERROR_COLUMNS.index("received")
NOW_MS = int(time.time() * 1000)


@pytest.fixture
def stages() -> Iterator[StageProcess]:
    started = StageProcess(SETTINGS)
    started.wait_ready()
    yield started
    started.close()


async def processed(stages: StageProcess, batch: RawBatch) -> tuple[list[list[Any]], Ended]:
    """Return the rows of errors and what else has become of a batch."""
    pieces: list[bytes] = []

    def came(table: str, rows: bytes) -> None:
        if table == "errors":
            pieces.append(rows)

    ended = await process(stages, batch, came)
    return [msgspec.json.decode(line) for piece in pieces for line in piece.splitlines()], ended


async def process(stages: StageProcess, batch: RawBatch, rows: Callable[[str, bytes], None]) -> Ended:
    taken = asyncio.get_running_loop().create_future()
    ended = await stages.process(batch, taken, rows)
    assert taken.done()
    return ended


def run(work: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


def messages(count: int, first: int = 0) -> list[Message]:
    """Return messages of three issues; with a time of today, which stands in the rows."""
    return [
        message({"message": ISSUES[offset % 3]}, offset, timestamp=NOW_MS) for offset in range(first, first + count)
    ]


def test_a_batch_comes_back_as_the_stages_make_it(stages: StageProcess) -> None:
    """Events of every example, what is refused, headers with and without a value, keys, more than one piece."""
    values = [msgspec.json.encode(msgspec.json.decode(value)) for topic, value in example_events() if topic == "errors"]
    headers = [("project", b"shop"), ("empty", None)]
    records = [
        *(Message(value, offset, timestamp=NOW_MS, headers=headers) for offset, value in enumerate(values)),
        Message(None, len(values), key=b"k"),
        *messages(2 * TOGETHER, len(values) + 1),
    ]
    rows, ended = run(processed(stages, raw_batch(*records, together=2 * TOGETHER + 30)))
    expected = make_transform(SETTINGS).process(batch_of(*records))
    assert ended.records == len(records)
    assert rows == msgspec.json.decode(msgspec.json.encode(expected.rows["errors"]))
    assert ended.counts.keys() == expected.counts.keys()
    assert [letter.offset for letter in ended.dead] == [len(values)]


def test_the_largest_events_are_taken(stages: StageProcess) -> None:
    large = message({"message": "large", "extra": {"text": "x" * (MOST_BYTES - 1000)}}, 1)
    rows, _ = run(processed(stages, raw_batch(message({"message": "a"}, 0), large, message({"message": "b"}, 2))))
    assert [row[OFFSET] for row in rows] == [0, 1, 2]


def test_records_of_a_record_batch_that_are_done_or_of_another_batch_are_passed_over(stages: StageProcess) -> None:
    batch = raw_batch(*messages(10), together=10)
    batch.boundaries, batch.start = Boundaries(2, 6), 4
    rows, ended = run(processed(stages, batch))
    assert [row[OFFSET] for row in rows] == [4, 5, 6]
    assert ended.records == 3
    assert [offset for offset, _ in run(stages.rows_apart(batch, "errors"))] == [4, 5, 6]


def test_bytes_behind_the_last_record_of_a_record_batch_are_nobodys_dead_letter(stages: StageProcess) -> None:
    batch = raw_batch(*messages(20), together=10)
    plain = packed(*messages(10), codec="none")
    batch.record_batches = [described(repacked(plain, payload=plain[61:] + bytes(4))), batch.record_batches[1]]
    rows, ended = run(processed(stages, batch))
    assert [row[OFFSET] for row in rows] == list(range(20))
    assert (ended.records, ended.dead) == (20, [])


def test_small_record_batches_go_through_the_stages_together(stages: StageProcess) -> None:
    """A producer that does not wait sends each event by itself; the stages would be called for each of them."""
    pieces: list[int] = []
    batch = raw_batch(*messages(2 * TOGETHER + 50), together=1)
    run(process(stages, batch, lambda _table, rows: pieces.append(rows.count(b"\n"))))
    assert pieces == [TOGETHER, TOGETHER, 50]


def test_a_record_batch_that_cannot_be_read_is_one_dead_letter_and_disturbs_no_other(stages: StageProcess) -> None:
    batch = raw_batch(*messages(30), together=10)
    first, second, third = batch.record_batches
    torn = second.data[:61] + bytes(len(second.data) - 61)
    batch.record_batches = [first, RecordBatch(10, 19, 10, len(torn), torn), third]
    rows, ended = run(processed(stages, batch))
    assert [row[OFFSET] for row in rows] == [*range(10), *range(20, 30)]
    [letter] = ended.dead
    assert (letter.topic, letter.offset, letter.stage) == ("errors", 10, "decode")
    assert "record batch" in letter.reason
    assert [offset for offset, _ in run(stages.rows_apart(batch, "errors"))] == [*range(10), *range(20, 30)]


@pytest.mark.parametrize(("start", "last", "stored", "missing"), [(0, 9, 4, [4]), (0, 3, 4, []), (6, 9, 0, [6])])
def test_records_behind_an_unreadable_one_are_a_dead_letter_of_the_batches_they_are_in(
    stages: StageProcess, start: int, last: int, stored: int, missing: list[int]
) -> None:
    batch = raw_batch(*messages(10))
    batch.boundaries, batch.start = Boundaries(start, last), start
    batch.record_batches = [described(with_a_key_that_is_no_text(4, *messages(10)))]
    rows, ended = run(processed(stages, batch))
    assert len(rows) == stored
    assert [letter.offset for letter in ended.dead] == missing


def test_a_batch_whose_worker_gave_it_up_does_not_disturb_the_next_one(stages: StageProcess) -> None:
    async def test() -> None:
        given_up = [asyncio.create_task(processed(stages, raw_batch(*messages(500)))) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in given_up:
            task.cancel()
        rows, ended = await processed(stages, raw_batch(*messages(7, 1000)))
        assert [row[OFFSET] for row in rows] == list(range(1000, 1007))
        assert ended.dead == []

    run(test())


def test_what_becomes_of_issues_is_known_to_the_batches_that_follow(stages: StageProcess) -> None:
    async def test() -> None:
        rows, _ = await processed(stages, raw_batch(*messages(3)))
        gone = rows[0][FINGERPRINT]
        change = IssueChange(
            project="default", fingerprint=gone, id="1", changed_at=datetime.now(UTC), deleted="discard"
        )
        stages.note("default", gone, change)
        rows, ended = await processed(stages, raw_batch(*messages(3, 3)))
        assert gone not in {row[FINGERPRINT] for row in rows}
        assert len(rows) == 2
        assert sum(ended.filtered.values()) == 1
        stages.note("default", gone, None)
        rows, _ = await processed(stages, raw_batch(*messages(3, 6)))
        assert len(rows) == 3

    run(test())


def test_every_row_comes_apart_when_one_of_them_has_to_be_found(stages: StageProcess) -> None:
    rows = run(stages.rows_apart(raw_batch(*messages(250)), "errors"))
    assert [offset for offset, _ in rows] == list(range(250))


def test_all_settings_reach_it(tmp_path: Path) -> None:
    """Also those that hold what is compiled: rules with globs, groups, filters, patterns."""
    file = tmp_path / "aftershock.toml"
    file.write_text(
        """
        [[scrub.patterns]]
        name = "ticket"
        regex = "TICKET-[0-9]{4}"
        [filter]
        messages = ["*ignore me*"]
        [[rule]]
        name = "zone"
        kind = "count"
        threshold = 1
        window = "1m"
        by = "all"
        [rule.match]
        project = "sh*"
        message = "*of*"
        tags.zone = "eu-*"
        """
    )
    settings = load_settings(file, {})
    stages = StageProcess(settings)
    try:
        stages.wait_ready()
        records = [
            message({"message": text, "tags": {"zone": "eu-1"}}, offset, headers=[("project", b"shop")])
            for offset, text in enumerate(("of TICKET-1234", "ignore me"))
        ]
        rows, ended = run(processed(stages, raw_batch(*records)))
        assert [row[OFFSET] for row in rows] == [0]
        assert "TICKET-1234" not in str(rows)
        assert sum(ended.filtered.values()) == 1
        assert b"zone" in b"".join(ended.counts.values())
    finally:
        stages.close()


def test_settings_that_cannot_be_compiled_are_said_in_the_words_of_the_stages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.stages.parent._BOOT", WRONG)
    stages = StageProcess(SETTINGS)
    with pytest.raises(Misconfigured, match=r"^scrub\.pattern: mend it$"):
        stages.wait_ready()
    stages.close()


WRONG = """
import sys
sys.path[:] = sys.argv[2:]
from pipeline.errors import Misconfigured
from pipeline.stages import child
def wrong(settings, states):
    raise Misconfigured("scrub.pattern: mend it")
child.make_transforms = wrong
child.main(int(sys.argv[1]))
"""


@pytest.mark.parametrize("when", ["idle", "busy"])
def test_the_worker_hears_that_it_was_killed(stages: StageProcess, when: str) -> None:
    async def test() -> None:
        if when == "idle":
            os.kill(stages.pid, signal.SIGKILL)
        batches = [asyncio.create_task(processed(stages, raw_batch(*messages(5000)))) for _ in range(2)]
        await asyncio.sleep(0.05)
        with suppress(ProcessLookupError):
            os.kill(stages.pid, signal.SIGKILL)
        for task in batches:
            with pytest.raises(StagesEnded, match="exit code -9"):
                await task

    run(test())


def test_signals_for_the_whole_group_leave_it_to_the_worker_to_end_it(stages: StageProcess) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(stages.pid, number)
    rows, _ = run(processed(stages, raw_batch(*messages(3))))
    assert len(rows) == 3


def test_it_ends_with_its_worker_whatever_ends_that() -> None:
    program = (
        "import time; from pipeline.config.settings import Settings; from pipeline.stages.parent import StageProcess\n"
        "stages = StageProcess(Settings()); stages.wait_ready(); print(stages.pid, flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 20
    while running(pid):
        assert time.monotonic() < deadline, "it goes on without its worker"
        time.sleep(0.05)


def running(pid: int) -> bool:
    """Say whether a process that is nobody's child here still does something."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_stage_that_fails_as_nobody_foresaw_ends_it_without_a_word_of_the_event(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.stages.parent._BOOT", BROKEN)
    stages = StageProcess(SETTINGS)
    stages.wait_ready()
    with pytest.raises(StagesEnded, match="exit code 1"):
        run(processed(stages, raw_batch(message({"message": "hunter2"}, 0))))
    stages.close()
    said = capfd.readouterr().err
    assert "ZeroDivisionError at " in said
    assert "hunter2" not in said


BROKEN = """
import sys
sys.path[:] = sys.argv[2:]
from pipeline.stages import batch, child
def broken(self, records):
    raise ZeroDivisionError("hunter2")
batch.StagedBatch.take = broken
child.main(int(sys.argv[1]))
"""
