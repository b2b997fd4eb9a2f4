"""History is grouped anew under load: workers store, one is killed, people ask, and every event is there once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import Any, Self

from installation import Installation, event, message

from pipeline.config.settings import load_settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.stages.assemble import make_transform
from pipeline.store.migrate import migrate_clickhouse
from tests.records import Message
from tests.stored_issues import content, store

GROUPS = 12
ALERTS = """
[[rule]]
name = "new issue"
kind = "new_issue"

[worker]
batch_events = 100
linger_ms = 100

[storage]
then_one_in = 1
"""
RULES = """
[[grouping.fingerprint]]
name = "the first three"
match = { type = ["Failure0", "Failure1", "Failure2"] }
fingerprint = ["one bug"]

[[grouping.fingerprint]]
name = "by region"
match = { type = "Failure3" }
fingerprint = ["{{ default }}", "{{ tags.region }}"]
"""
TOTALS = "SELECT count() AS errors, (SELECT sum(count) FROM issues) AS issues FROM errors"
ONE_BUG = "SELECT countIf(has(exception_types, 'Failure0')) AS n FROM errors"


class Load:
    """Events that are sent until it is enough."""

    def __init__(self, installation: Installation) -> None:
        self.sent = 0
        self._installation = installation
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._enough.wait(0.1):
            made = [
                event(number, group=number % GROUPS, tags={"region": ("eu", "us")[number % 5 % 2]})
                for number in range(self.sent, self.sent + 30)
            ]
            self._installation.produce(message(one) for one in made)
            self.sent += len(made)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._enough.set()
        self._thread.join()


@contextmanager
def asked(installation: Installation, answers: list[tuple[int, ...]]) -> Iterator[None]:
    """Ask for numbers that can only grow, again and again."""
    enough = threading.Event()
    clickhouse = ClickHouse(installation.clickhouse._settings)

    def ask() -> None:
        while not enough.wait(0.01):
            answers.append(tuple(clickhouse.rows(ONE_BUG)[0].values()) + tuple(clickhouse.rows(TOTALS)[0].values()))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def regroup(installation: Installation, config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "regroup", "--config", str(config), "--since", "all", "--apply", "--yes"],
        env={**environ, **installation.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    try:
        said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, said[-3000:]
    return said


def test_under_load_nothing_is_lost_doubled_or_announced_again(installation: Installation) -> None:
    """The documented order: apply, restart the workers with the new rules, apply again."""
    installation.configure(ALERTS)
    other = installation.directory / "other.toml"
    other.write_text(installation.config.read_text() + RULES, encoding="utf-8")
    answers: list[tuple[int, ...]] = []
    with Load(installation) as load:
        with installation.worker() as first, asked(installation, answers):
            installation.wait_for_rows(300)
            applying = regroup(installation, other)
            time.sleep(1)
            first.kill()
            with installation.worker():
                assert '"kind":"week"' in finished(applying)
                before = installation.value("SELECT count() FROM errors")
                installation.wait_for_rows(before + 300)
        installation.config.write_text(other.read_text(), encoding="utf-8")
        with installation.worker(), asked(installation, answers):
            installation.wait_for_rows(before + 300)
            finished(regroup(installation, other))
            before = installation.value("SELECT count() FROM errors")
            installation.wait_for_rows(before + 100)
            load.__exit__()
            installation.wait_for_rows(load.sent)
            time.sleep(2)
    assert '"moved_rows":0' in finished(regroup(installation, other))

    assert installation.value("SELECT count() FROM errors") == load.sent
    assert installation.value("SELECT uniqExact(event_id) FROM errors") == load.sent
    assert_only_grows(answers)
    assert_explained(installation)
    assert_as_fresh(installation, other)
    alerts = [json.loads(record.value) for record in installation.consume("alerts")]
    assert len({alert["fingerprint"] for alert in alerts}) == len(alerts) == GROUPS


def assert_only_grows(answers: list[tuple[int, ...]]) -> None:
    """Assert that nobody who asked saw an event go, and that each was seen at most once."""
    assert len(answers) > 50
    for column in zip(*answers, strict=True):
        assert list(column) == sorted(column)


def assert_explained(installation: Installation) -> None:
    """Assert that a stored event is explained as it is stored, rule and components."""
    [stored] = installation.rows(
        "SELECT event_id, fingerprint, grouping_components AS components FROM errors "
        "WHERE has(exception_types, 'Failure1') LIMIT 1"
    )
    shown = installation.command("explain", stored["event_id"], "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    explained = json.loads(shown.stdout)
    assert explained["rule"] == "rule:the first three"
    assert (explained["fingerprint"], explained["components"]) == (stored["fingerprint"], stored["components"])


def assert_as_fresh(installation: Installation, config: Path) -> None:
    """Assert that the tables are what the same messages make of an empty database under the new rules."""
    name = f"{installation.clickhouse.database}f"
    settings = load_settings(config, {**installation.environment, "AFTERSHOCK_DATABASE": name})
    fresh = ClickHouse(settings.clickhouse)
    migrate_clickhouse(fresh, settings.retention, lambda _line: None)
    try:
        processor = make_transform(settings)
        by_partition: dict[int, list[Any]] = {}
        for record in installation.consume("errors"):
            by_partition.setdefault(record.partition, []).append(record)
        for records in by_partition.values():
            records.sort(key=lambda record: record.offset)
            store(
                fresh,
                processor,
                [
                    Message(one.value, one.offset, one.topic, one.partition, one.timestamp, one.key, one.headers)
                    for one in records
                ],
            )
        assert content(installation.clickhouse) == content(fresh)
    finally:
        fresh.command(f"DROP DATABASE {name} SYNC", in_database=False)
