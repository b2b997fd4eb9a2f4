"""Faults of clocks: of whoever sends, of Kafka's clients, and of a worker's machine."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Message

from tests.chaos.findings import Finding
from tests.chaos.installation import Installation
from tests.chaos.load import Event, rfc3339
from tests.chaos.schedule import Steps
from tests.chaos.sender import produce
from tests.chaos.servers import ClickHouse

PROJECT = "clocks"
_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_OFF_MS = (
    0, 50 * _SECOND, 70 * _SECOND, 2 * _HOUR, 400 * _DAY, 30_000 * _DAY, -_HOUR, -29 * _DAY, -31 * _DAY, -9000 * _DAY,
)  # fmt: skip
"""How far the clocks of those who send are off."""
_RECORD_OFF_MS = (0, 0, -10 * _MINUTE, -2 * _HOUR, -3 * _DAY, 30 * _MINUTE)
"""How far the clocks of Kafka's clients are off, which date the records. Kafka refuses more than an hour ahead."""
MOST_EARLY_MS, MOST_LATE_MS = 60 * _SECOND, 30 * _DAY
_WORKER_OFF_S = (-7200, -300, 300, 7200)
_ASTRAY_S = (6, 14)
_LIBRARIES = ("/usr/lib", "/usr/local/lib")


class Astray:
    """An event of a sender whose clock is off: ``ms`` is its time, ``record_ms`` the record's."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.event = Event(rng, f"Clock{number % 4}Error", "production", number, burst=True)
        self.now = int(time.time() * 1000)
        self.record_ms = self.now + rng.choice(_RECORD_OFF_MS)
        self.event.ms = self.now + _OFF_MS[number % len(_OFF_MS)]
        self.failure: str | None = None

    def body(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({**self.event.payload(), "timestamp": rfc3339(self.event.ms)}).encode()

    def note(self, error: KafkaError | None, _message: Message) -> None:
        """Note what Kafka says."""
        if error is not None:
            self.failure = str(error)

    def fits(self, timestamp: int, client: int, received: int) -> bool:
        """Say whether a row has the right times: a time that is not believed gives way to that of the record."""
        if self.record_ms <= self.now + MOST_EARLY_MS and received != self.record_ms:
            return False
        # Of a record from the future it is the worker's own time.
        if abs(received - self.record_ms) > _HOUR or received > self.record_ms:
            return False
        believed = received - MOST_LATE_MS <= self.event.ms <= received + MOST_EARLY_MS
        return timestamp == (self.event.ms if believed else received) and client == self.event.ms


def senders(here: Installation) -> Steps:
    """Senders' clocks are off by up to decades: their events are stored, and disturb nobody's windows."""
    rng = random.Random(here.chance.random())
    sent: list[Astray] = []
    with here.fault("clocks of senders", "errors"):
        for number in range(4 * len(_OFF_MS)):
            one = Astray(rng, number)
            sent.append(one)
            produce(
                here.producer, "errors", one.body(), key=one.event.id.encode(), headers=[("project", PROJECT.encode())],
                on_delivery=one.note, timestamp=one.record_ms,
            )  # fmt: skip
            here.besides += 1
            yield here.chance.uniform(0, 0.4)
    here.checks.append(lambda clickhouse: compare(clickhouse, sent))


def compare(clickhouse: ClickHouse, sent: list[Astray]) -> list[Finding]:
    """Compare the rows of events whose clocks were off with what was sent."""
    ids = ",".join(f"'{one.event.id}'" for one in sent)
    rows = clickhouse.rows(
        "SELECT event_id, count() AS n, any(toUnixTimestamp64Milli(timestamp)) AS at,"
        " any(toUnixTimestamp64Milli(client_timestamp)) AS client, any(toUnixTimestamp64Milli(received)) AS received"
        f" FROM errors WHERE project = '{PROJECT}' AND event_id IN ({ids}) GROUP BY event_id"
    )
    return compare_rows(rows, sent)


def compare_rows(rows: list[dict[str, Any]], sent: list[Astray]) -> list[Finding]:
    """Compare rows with what was sent; a row has id, count ``n``, and its times ``at``, ``client`` and ``received``."""
    by_id = {row["event_id"]: row for row in rows}
    findings: list[Finding] = []
    if failed := [one for one in sent if one.failure]:
        text = f"{len(failed)} events with odd times were not acknowledged: {failed[0].failure}"
        findings.append(Finding("harness", len(failed), text))
    if missing := [one for one in sent if one.event.id not in by_id and not one.failure]:
        off_ms = missing[0].event.ms - missing[0].now
        text = f"{len(missing)} events with odd times missing, such as one off by {off_ms} ms"
        findings.append(Finding("lost", len(missing), text))
    if doubled := [row for row in rows if row["n"] > 1]:
        findings.append(Finding("doubled", len(doubled), f"{len(doubled)} events with odd times twice"))
    stored = [(one, by_id[one.event.id]) for one in sent if one.event.id in by_id]
    if off := [(one, row) for one, row in stored if not one.fits(row["at"], row["client"], row["received"])]:
        one, row = off[0]
        text = f"{len(off)} odd times are not as they should be: {one.event.ms} in a record of {one.record_ms}: {row}"
        findings.append(Finding("row", len(off), text))
    return findings


def library() -> Path | None:
    """Return the library that moves the clock of a program, if it is installed."""
    found = (path for place in _LIBRARIES for path in Path(place).glob("**/faketime/libfaketimeMT.so.1"))
    return next(found, None)


def worker(here: Installation) -> Steps:
    """A worker runs on with its clock off by up to two hours, and then with the right one again."""
    faketime = library()
    if faketime is None:
        here.skip("workerclock", "libfaketime is not installed (on Debian: apt install libfaketime)")
        return
    victim = here.victim()
    if victim is None:
        return
    off = here.chance.choice(_WORKER_OFF_S)
    with here.fault(f"clock off by {off} s", victim.name):
        astray = {"LD_PRELOAD": str(faketime), "FAKETIME": f"{off:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        for environment in (astray, dict.fromkeys(astray, "")):
            victim.child.environment.update(environment)
            victim.expected_end = "clock"
            victim.stage_pids = victim.stages()
            starts = victim.child.starts
            victim.child.signal(signal.SIGKILL, group=True)
            while victim.child.starts == starts:
                yield 0.1
            if environment is astray:
                yield here.chance.uniform(*_ASTRAY_S)
