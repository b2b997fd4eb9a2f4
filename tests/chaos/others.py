"""Spans and sessions, a few each second beside the errors, and the comparison of them with their tables and sums."""

from __future__ import annotations

import collections
import json
import random
import threading
import time
from collections.abc import Hashable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from tests.chaos.findings import Finding, Sum, Sums, compare_sums
from tests.chaos.load import ENVIRONMENTS, rfc3339
from tests.chaos.sender import produce
from tests.chaos.servers import ClickHouse

_NAMES = ("GET /", "GET /orders", "POST /checkout")
_STATUSES = ("ok", "ok", "internal_error", "")
_FAILED = {"internal_error"}
_POLL_S = 0.05


class Item:
    """A message that is to be found again; ``failure`` says why Kafka has not acknowledged it."""

    def __init__(self, number: int) -> None:
        self.env = ENVIRONMENTS[number % len(ENVIRONMENTS)]
        self.release = f"shop@{number % 2}.1"
        self.ms = 0
        self.failure: str | None = None

    @property
    def minute(self) -> int:
        """Seconds since 1970."""
        return self.ms // 60_000 * 60

    @property
    def hour(self) -> int:
        """Seconds since 1970."""
        return self.ms // 3_600_000 * 3600

    def note(self, error: KafkaError | None, _message: Message) -> None:
        """Note what Kafka says."""
        if error is not None:
            self.failure = str(error)


class Transaction(Item):
    """A transaction with one span below its root."""

    def __init__(self, rng: random.Random, number: int) -> None:
        super().__init__(number)
        self.trace, self.root, self.child = (f"{rng.getrandbits(bits):0{bits // 4}x}" for bits in (128, 64, 64))
        self.event_id = f"{rng.getrandbits(128):032x}"
        self.name = rng.choice(_NAMES)
        self.status = rng.choice(_STATUSES)
        self.duration_ms = rng.randrange(5, 900)
        self.user = f"user-{rng.randrange(20)}"

    def body(self, now: float) -> bytes:
        """Return it as an SDK sends it; it ended at ``now``."""
        self.ms = int(now * 1000)
        begun = rfc3339(self.ms - self.duration_ms)
        trace = {"trace_id": self.trace, "span_id": self.root, "op": "http.server", "status": self.status}
        span = {"trace_id": self.trace, "span_id": self.child, "parent_span_id": self.root, "op": "db"}
        return json.dumps(
            {
                "event_id": self.event_id,
                "type": "transaction",
                "platform": "python",
                "transaction": self.name,
                "environment": self.env,
                "release": self.release,
                "start_timestamp": begun,
                "timestamp": rfc3339(self.ms),
                "user": {"id": self.user},
                "contexts": {"trace": trace},
                "spans": [{**span, "start_timestamp": begun, "timestamp": rfc3339(self.ms)}],
            }
        ).encode()


class Session(Item):
    """A session in two updates: it begins, and it ends."""

    def __init__(self, rng: random.Random, number: int) -> None:
        super().__init__(number)
        self.sid = f"{rng.getrandbits(128):032x}"
        self.status = rng.choice(("exited", "exited", "crashed", "abnormal"))

    def update(self, now: float, *, first: bool) -> bytes:
        """Return one of the updates."""
        if first:
            self.ms = int(now * 1000)
        return json.dumps(
            {
                "sid": self.sid,
                "init": first,
                "started": rfc3339(self.ms),
                "timestamp": rfc3339(int(now * 1000)),
                "status": "ok" if first else self.status,
                "errors": 0 if first or self.status == "exited" else 1,
                "attrs": {"release": self.release, "environment": self.env},
            }
        ).encode()


class Bucket(Item):
    """How many sessions of a server ended how."""

    def __init__(self, rng: random.Random, number: int) -> None:
        super().__init__(number)
        self.counts = {name: rng.randrange(9) for name in ("exited", "errored", "abnormal", "crashed")}

    def body(self, now: float) -> bytes:
        """Return it as an SDK sends it."""
        self.ms = int(now * 1000)
        return json.dumps(
            {
                "aggregates": [{"started": rfc3339(self.ms), **self.counts}],
                "attrs": {"release": self.release, "environment": self.env},
            }
        ).encode()


class Others:
    """What is sent in one round besides errors."""

    def __init__(self, rng: random.Random, number: int) -> None:
        self.transactions = [Transaction(rng, one) for one in range(number)]
        self.sessions = [Session(rng, one) for one in range(number)]
        self.buckets = [Bucket(rng, one) for one in range(number // 3)]

    @property
    def items(self) -> list[Item]:
        """All of it."""
        return [*self.transactions, *self.sessions, *self.buckets]


class OthersSender(threading.Thread):
    """Sends them evenly over ``seconds``; ``done`` once each has its answer."""

    def __init__(self, producer: Producer, project: str, others: Others, seconds: float) -> None:
        super().__init__(daemon=True)
        self.done = False
        self._producer = producer
        self._headers = [("project", project.encode())]
        self._others = others
        self._seconds = seconds

    def run(self) -> None:
        """Send all."""
        others, begun = self._others, time.time()
        for number, (transaction, session) in enumerate(zip(others.transactions, others.sessions, strict=True)):
            at = begun + self._seconds * number / len(others.transactions)
            while (wait := at - time.time()) > 0:
                self._producer.poll(min(wait, _POLL_S))
            now = time.time()
            self._send("spans", transaction.trace, transaction.body(now), transaction)
            self._send("sessions", session.sid, session.update(now, first=True), session)
            if number >= 2:
                earlier = others.sessions[number - 2]
                self._send("sessions", earlier.sid, earlier.update(now, first=False), earlier)
            if number % 3 == 2:
                bucket = others.buckets[number // 3]
                self._send("sessions", None, bucket.body(now), bucket)
        for session in others.sessions[-2:]:
            self._send("sessions", session.sid, session.update(time.time(), first=False), session)
        while self._producer.flush(1) > 0:
            pass
        self.done = True

    def _send(self, topic: str, key: str | None, value: bytes, item: Item) -> None:
        produce(
            self._producer,
            topic,
            value,
            key=key.encode() if key else None,
            headers=self._headers,
            on_delivery=item.note,
        )


def compare_others(clickhouse: ClickHouse, project: str, others: Others) -> list[Finding]:
    """Compare spans, sessions, and their sums with what was sent."""
    findings: list[Finding] = []
    if failed := [item for item in others.items if item.failure]:
        text = f"{len(failed)} spans and sessions were not acknowledged: {failed[0].failure}"
        findings.append(Finding("harness", len(failed), text))
    findings += _compare_ids(
        "spans",
        [one for transaction in others.transactions for one in (transaction.root, transaction.child)],
        [row["id"] for row in clickhouse.rows(f"SELECT span_id AS id FROM spans WHERE project = '{project}'")],
    )
    findings += _compare_ids(
        "sessions",
        [session.sid for session in others.sessions],
        # Updates of a session replace each other.
        [
            row["id"]
            for row in clickhouse.rows(f"SELECT DISTINCT session_id AS id FROM sessions WHERE project = '{project}'")
        ],
    )
    for what, sql, key, sent in (
        ("transactions_per_minute", _TRANSACTIONS, ("environment", "at", "transaction", "release"), _by_minute(others)),
        ("releases of spans", _RELEASES, ("environment", "release"), _by_release(others)),
        ("sessions_per_hour", _SESSIONS, ("environment", "release", "at", "what"), _by_hour(others)),
        ("session_aggregates", _BUCKETS, ("environment", "release", "what"), _in_buckets(others)),
    ):
        rows = clickhouse.rows(sql.format(project=project))
        stored: dict[Hashable, Sum] = {tuple(row[one] for one in key): (row["n"], row.get("users")) for row in rows}
        findings += compare_sums(what, sent, stored)
    return findings


_TRANSACTIONS = (
    "SELECT environment, toUnixTimestamp(minute) AS at, transaction, release, n + 1000000 * failed AS n, users FROM"
    " (SELECT environment, minute, transaction, release, sum(count) AS n, sum(failures) AS failed,"
    " uniqMerge(users) AS users FROM transactions_per_minute WHERE project = '{project}'"
    " GROUP BY environment, minute, transaction, release)"
)
_RELEASES = (
    "SELECT environment, release, sum(transactions) AS n FROM releases WHERE project = '{project}'"
    " GROUP BY environment, release"
)
_SESSIONS = (
    "SELECT environment, release, at, what, n FROM (SELECT environment, release, toUnixTimestamp(hour) AS at,"
    " [('sessions', uniqExactMerge(session_ids)), ('unhealthy', uniqExactMerge(unhealthy_ids)),"
    " ('crashed', uniqExactMerge(crashed_ids)), ('aggregated', sum(aggregated)),"
    " ('aggregated crashed', sum(aggregated_crashed))] AS found"
    " FROM sessions_per_hour WHERE project = '{project}' GROUP BY environment, release, hour)"
    " ARRAY JOIN found.1 AS what, found.2 AS n WHERE n > 0"
)
_BUCKETS = (
    "SELECT environment, release, what, n FROM (SELECT environment, release,"
    " [('rows', count()), ('exited', sum(exited)), ('errored', sum(errored)), ('abnormal', sum(abnormal)),"
    " ('crashed', sum(crashed))] AS found FROM session_aggregates WHERE project = '{project}'"
    " GROUP BY environment, release) ARRAY JOIN found.1 AS what, found.2 AS n WHERE n > 0"
)


def _compare_ids(table: str, sent: Sequence[str], stored: Sequence[str]) -> list[Finding]:
    counts = collections.Counter(stored)
    missing, unknown = set(sent) - counts.keys(), counts.keys() - set(sent)
    doubled = [one for one, count in counts.items() if count > 1]
    findings: list[Finding] = []
    if missing:
        findings.append(Finding("lost", len(missing), f"{table}: {len(missing)} of {len(sent)} missing"))
    if doubled:
        findings.append(Finding("doubled", len(doubled), f"{table}: {len(doubled)} of {len(sent)} twice"))
    if unknown:
        findings.append(Finding("row", len(unknown), f"{table}: {len(unknown)} rows that were not sent"))
    return findings


def _by_minute(others: Others) -> Sums:
    """Return the count, a failure counted as a million more, and the users of each minute's transactions."""
    sums: dict[Hashable, float] = collections.defaultdict(float)
    users: dict[Hashable, set[str]] = collections.defaultdict(set)
    for one in others.transactions:
        key = (one.env, one.minute, one.name, one.release)
        sums[key] += 1_000_001 if one.status in _FAILED else 1
        users[key].add(one.user)
    return {key: (count, len(users[key])) for key, count in sums.items()}


def _by_release(others: Others) -> Sums:
    sums = collections.Counter[Hashable]((one.env, one.release) for one in others.transactions)
    # Releases are also known by their sessions, which are not counted there.
    known = {(item.env, item.release) for item in others.items}
    return {key: (sums[key], None) for key in known}


def _by_hour(others: Others) -> Sums:
    sums: collections.Counter[Hashable] = collections.Counter()
    for session in others.sessions:
        place = session.env, session.release, session.hour
        sums[*place, "sessions"] += 1
        sums[*place, "unhealthy"] += session.status != "exited"
        sums[*place, "crashed"] += session.status == "crashed"
    for bucket in others.buckets:
        place = bucket.env, bucket.release, bucket.hour
        sums[*place, "aggregated"] += sum(bucket.counts.values())
        sums[*place, "aggregated crashed"] += bucket.counts["crashed"]
    return {key: (count, None) for key, count in sums.items() if count}


def _in_buckets(others: Others) -> Sums:
    sums: collections.Counter[Hashable] = collections.Counter()
    for bucket in others.buckets:
        sums[bucket.env, bucket.release, "rows"] += 1
        for name, count in bucket.counts.items():
            sums[bucket.env, bucket.release, name] += count
    return {key: (count, None) for key, count in sums.items() if count}
