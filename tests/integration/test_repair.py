"""Ranges that were lost are named by the audit, and stored by its repair once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from installation import Installation, event, message

ONE_PARTITION = "\n[kafka.partitions]\nerrors = 1\nspans = 1\n"
SMALL = "\n[worker]\nbatch_events = 50\nlinger_ms = 100\n\n[storage]\nthen_one_in = 1\n"


def committed(installation: Installation, topic: str = "errors", to: int | None = None) -> int:
    """Return what the workers' group has committed of a topic's only partition; commit an offset where one is given."""

    async def ask() -> int:
        place = TopicPartition(installation.prefix + topic, 0)
        client = AIOKafkaConsumer(
            bootstrap_servers=installation.kafka, group_id=f"{installation.prefix}aftershock", enable_auto_commit=False
        )
        await client.start()
        try:
            client.assign([place])
            if to is not None:
                await client.commit({place: to})
            return int(await client.committed(place) or 0)
        finally:
            await client.stop()

    return asyncio.run(ask())


def wait_for_commit(installation: Installation, offset: int) -> None:
    installation.wait_for(f"offset {offset} committed", lambda: committed(installation) >= offset)


def audit(installation: Installation, *options: str) -> tuple[int, list[dict[str, Any]]]:
    done = installation.command("audit", "--json", *options)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def lose(installation: Installation, sent: list[dict[str, Any]], broken: int = 0) -> tuple[int, int]:
    """Send events, and some that cannot be read, that no worker is going to read; return their first and last offset.

    It must be done while no worker runs.
    """
    first = committed(installation)
    installation.produce([message(one) for one in sent] + [("errors", b"{broken", None)] * broken)
    last = first + len(sent) + broken - 1
    committed(installation, to=last + 1)
    return first, last


def is_whole(installation: Installation, sent: list[dict[str, Any]]) -> None:
    """Assert that every event is there once, in every table that counts it."""
    stored = installation.rows("SELECT event_id, count() AS n FROM errors GROUP BY event_id")
    assert {row["event_id"]: row["n"] for row in stored} == {one["event_id"]: 1 for one in sent}
    for table in ("errors_per_minute", "errors_per_hour", "issues"):
        assert installation.value(f"SELECT sum(count) FROM {table} WHERE project != ''") == len(sent), table
    assert installation.value("SELECT sum(errors) FROM releases WHERE project != ''") == len(sent)


@contextmanager
def load(installation: Installation, sent: list[dict[str, Any]]) -> Iterator[None]:
    """Send events all the while."""
    enough = threading.Event()

    def run() -> None:
        while not enough.wait(0.2):
            made = [event(number, release="2.0") for number in range(20)]
            installation.produce(message(one) for one in made)
            sent.extend(made)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def prepared(installation: Installation) -> Installation:
    installation.configure(ONE_PARTITION + SMALL)
    return installation


def test_a_hole_is_named_and_repaired_once_while_a_worker_goes_on(
    kafka: str, clickhouse: str, names: Any, tmp_path: Any
) -> None:
    installation = prepared(Installation(kafka, clickhouse, names, tmp_path))
    installation.migrate()
    sent = [event(number, release="1.0") for number in range(100)]
    with installation.worker():
        installation.produce(message(one) for one in sent)
        wait_for_commit(installation, 100)
    assert audit(installation)[0] == 0
    lost = [event(number, release="1.0", group=7) for number in range(230)]
    first, last = lose(installation, lost, broken=3)
    assert (first, last) == (100, 332)
    with installation.worker(), load(installation, sent):
        installation.wait_for_rows(150)
        wait_for_commit(installation, last + 50)
        code, found = audit(installation)
        (hole,) = [one for one in found if one["kind"] == "hole"]
        assert code == 1
        assert (hole["topic"], hole["partition"], hole["first"], hole["last"]) == ("errors", 0, first, last)
        assert (hole["verdict"], hole["records"], hole["stored"]) == ("lost", 233, 0)
        assert hole["before"] < hole["after"]
        assert not found[-1]["clean"]
        code, found = audit(installation, "--repair")
        assert code == 0, found
        repaired = [(one["first"], one["last"]) for one in found if one["kind"] == "repaired"]
        assert repaired[0][0] == first
        assert repaired[-1][1] == last
        assert audit(installation, "--repair")[1][-1]["clean"]
    total = last + 1 + len(sent) - 100
    with installation.worker():
        wait_for_commit(installation, total)
    is_whole(installation, sent + lost)
    assert audit(installation)[0] == 0
    letters = installation.rows("SELECT kafka_offset AS o FROM dead_letters ORDER BY o")
    assert [row["o"] for row in letters] == [330, 331, 332]
    assert len(installation.consume("dead-letters")) == 3


REPAIR = """
from pipeline.auditing import repair
from pipeline.commands import main

repair.TOKENS_HOLD = {hold}
main(["audit", "--repair", "--topic", "errors"])
"""


@pytest.mark.parametrize("hold", [5000, 0], ids=["soon after", "when tokens may be forgotten"])
def test_a_repair_that_is_killed_again_and_again_stores_everything_once(
    kafka: str, clickhouse: str, names: Any, tmp_path: Any, hold: int
) -> None:
    installation = prepared(Installation(kafka, clickhouse, names, tmp_path))
    installation.migrate()
    sent = [event(number, release="1.0") for number in range(60)]
    with installation.worker():
        installation.produce(message(one) for one in sent)
        wait_for_commit(installation, 60)
    # Each by itself, so that a batch ends between any two.
    lost = [event(number, release="1.0", group=number % 3) for number in range(1000)]
    first = committed(installation)
    for start in range(0, len(lost), 25):
        installation.produce(message(one) for one in lost[start : start + 25])
    committed(installation, to=first + len(lost))

    def steps() -> int:
        return int(installation.value("SELECT count() FROM repairs") or 0)

    def ledger() -> int:
        return int(installation.value("SELECT count() FROM batches") or 0)

    # After the journal's first line, after a line in the ledger, in the middle of a batch, ...
    kills = 0
    for look, more in ((steps, 1), (ledger, 1), (steps, 2), (ledger, 2), (steps, 3), (steps, 4)):
        wanted = look() + more
        process = subprocess.Popen(
            [sys.executable, "-c", REPAIR.format(hold=hold)],
            env={**os.environ, **installation.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and look() < wanted:
            time.sleep(0.005)
        if process.poll() is None:
            kills += 1
            process.kill()
        process.wait()
        if process.returncode == 0:
            break
    assert kills >= 4
    environment = {**os.environ, **installation.environment}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", REPAIR.format(hold=hold)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        is_whole(installation, sent + lost)
    assert audit(installation)[0] == 0


def test_a_week_that_lacks_blocks_is_made_anew_while_events_come(
    kafka: str, clickhouse: str, names: Any, tmp_path: Any
) -> None:
    installation = prepared(Installation(kafka, clickhouse, names, tmp_path))
    installation.migrate()
    sent = [event(number, release="1.0", group=number % 5) for number in range(400)]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    span = ("--from", today, "--to", today)
    with installation.worker():
        installation.produce(message(one) for one in sent)
        wait_for_commit(installation, 400)
        installation.clickhouse.command(
            "ALTER TABLE errors_per_hour DELETE WHERE length(blocks) > 0 SETTINGS mutations_sync = 2"
        )
        installation.clickhouse.command("INSERT INTO errors_per_minute SELECT * FROM errors_per_minute")
        code, found = audit(installation)
        assert code == 1
        assert {one["table"] for one in found if one["kind"] == "difference"} == {
            "errors_per_hour",
            "errors_per_minute",
        }
        with load(installation, sent):
            for table in ("errors_per_hour", "errors_per_minute", "issues"):
                done = installation.command("rebuild", table, *span, "--yes")
                assert done.returncode == 0, done.stderr
                assert "made anew" in done.stdout
            assert audit(installation)[0] == 0
        wait_for_commit(installation, len(sent))
    is_whole(installation, sent)
    assert audit(installation)[0] == 0


def test_a_rebuild_that_is_killed_is_ended_by_the_next(kafka: str, clickhouse: str, names: Any, tmp_path: Any) -> None:
    installation = prepared(Installation(kafka, clickhouse, names, tmp_path))
    installation.migrate()
    sent: list[dict[str, Any]] = []
    today = time.strftime("%Y-%m-%d", time.gmtime())
    command = [sys.executable, "-m", "pipeline", "rebuild", "errors_per_hour", "--from", today, "--to", today, "--yes"]

    def copies() -> int:
        return int(
            installation.value("SELECT count() FROM system.tables WHERE startsWith(name, 'rebuild_errors')") or 0
        )

    with installation.worker(), load(installation, sent):
        installation.wait_for_rows(200)
        for pause in (0.0, 0.05, 0.1, 0.2, 0.4):
            process = subprocess.Popen(
                command,
                env={**os.environ, **installation.environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None and not copies():
                time.sleep(0.005)
            time.sleep(pause)
            process.kill()
            process.wait()
        done = installation.command(*command[3:])
        assert done.returncode == 0, done.stderr
    with installation.worker():
        wait_for_commit(installation, len(sent))
    is_whole(installation, sent)
    assert copies() == 0


def test_batches_that_releases_lack_are_added(kafka: str, clickhouse: str, names: Any, tmp_path: Any) -> None:
    installation = prepared(Installation(kafka, clickhouse, names, tmp_path))
    installation.migrate()
    sent = [event(number, release="1.0", group=number % 5) for number in range(300)]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with installation.worker():
        installation.produce(message(one) for one in sent)
        wait_for_commit(installation, 300)
    installation.clickhouse.command("TRUNCATE TABLE releases")
    assert audit(installation)[0] == 1
    done = installation.command("rebuild", "releases", "--from", today, "--to", today)
    assert done.returncode == 0, done.stderr
    is_whole(installation, sent)
    again = installation.command("rebuild", "releases", "--from", today, "--to", today)
    assert "0 batches were missing" in again.stdout
    is_whole(installation, sent)
