"""Checks: what ``aftershock doctor`` looks at, each with a verdict and what to do about it.

A check never fails for a server that is away: that is a finding, and what depends on it is left out.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from msgspec import Struct

from pipeline.auditing.aggregates import PAIRS, Comparison
from pipeline.auditing.ledger import LedgerAudit
from pipeline.commands.terminal import plural
from pipeline.config.settings import Settings, load_settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import UNKNOWN_DATABASE, ClickHouse, RequestRejected
from pipeline.errors import AftershockError, Unavailable
from pipeline.regrouping.tables import Tables
from pipeline.store.migrate import check, pending
from schemas.clickhouse import migrations
from schemas.topics import CONSUMED as CONSUMED_TOPICS
from schemas.topics import CONSUMER_GROUP, COUNTS, STORED, TOPICS, Topic

Verdict = Literal["ok", "warning", "problem"]

PYTHON = (3, 11)
OLDEST_CLICKHOUSE = (24, 8)
"""What docs/operate.md promises."""
PACKAGES = {
    "faust-streaming": (0, 15, 3),
    "aiokafka": (0, 12),
    "clickhouse-connect": (0, 8),
    "msgspec": (0, 19),
    "hyperscan": (0, 8),
    "xxhash": (3, 5),
}
"""The oldest versions that pyproject.toml allows."""
CONSUMED = tuple(topic.name for topic in CONSUMED_TOPICS)
MUCH_LAG = 100_000
QUIET_MINUTES = 5
LITTLE_DISK = 0.1
VERY_LITTLE_DISK = 0.03


class Finding(Struct, frozen=True):
    """What one check has found. ``remedy`` is empty where nothing is to be done."""

    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def examine(config: Path | None, adjust: Callable[[Settings], Settings]) -> Iterator[Finding]:
    """Yield what every check finds, one after the other.

    Args:
        config: the settings file, as for :func:`pipeline.config.settings.load_settings`.
        adjust: applied to the settings that were read, to put other servers in.
    """
    yield from versions()
    try:
        settings = adjust(load_settings(config))
    except AftershockError as error:
        yield Finding("settings", "problem", str(error), "mend that line; everything else waits for it")
        return
    yield Finding("settings", "ok", "valid")
    yield hash_key(settings)
    lag = yield from kafka_findings(settings)
    yield from clickhouse_findings(settings, lag)


def versions() -> Iterator[Finding]:
    """Look at Python and at the packages that decide how it runs."""
    found = f"Python {platform.python_version()}"
    if sys.version_info < PYTHON:
        yield Finding("python", "problem", found, f"install Python {PYTHON[0]}.{PYTHON[1]} or newer")
    else:
        yield Finding("python", "ok", found)
    for name, oldest in PACKAGES.items():
        wanted = ".".join(map(str, oldest))
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(name, "problem", "not installed", f"pip install '{name}>={wanted}'")
            continue
        if numbers(installed) < oldest:
            yield Finding(name, "problem", installed, f"pip install '{name}>={wanted}'")
        else:
            yield Finding(name, "ok", installed)


def numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``26.7.2.1-lts`` is (26, 7, 2, 1)."""
    found: list[int] = []
    for part in text.split("."):
        digits = "".join(char for char in part if char.isdigit())
        if not digits or not part[0].isdigit():
            break
        found.append(int(digits))
    return tuple(found)


def hash_key(settings: Settings) -> Finding:
    """Say whether users are counted under a key of one's own."""
    if settings.hash_key:
        return Finding("hash key", "ok", "set")
    return Finding(
        "hash key",
        "warning",
        "not set: who has the tables can find out which user_hash is whose, by trying",
        "set AFTERSHOCK_HASH_KEY (or AFTERSHOCK_HASH_KEY_FILE) to a secret, the same for every worker",
    )


def kafka_findings(settings: Settings) -> Generator[Finding, None, int | None]:
    """Look at Kafka and at each topic; return how many messages wait for the workers, where that can be known."""
    try:
        states = asyncio.run(kafka.topic_states(settings.kafka, [topic.name for topic in TOPICS]))
    except AftershockError as error:
        yield Finding("kafka", "problem", str(error), "start it, or mend kafka.bootstrap, AFTERSHOCK_KAFKA or --kafka")
        return None
    yield Finding("kafka", "ok", f"answers at {settings.kafka.bootstrap}")
    for topic in TOPICS:
        yield topic_finding(topic, states.get(topic.name), settings)
    if not set(CONSUMED) <= set(states):
        return None
    lag, finding = lag_finding(settings)
    yield finding
    return lag


def topic_finding(topic: Topic, state: kafka.TopicState | None, settings: Settings) -> Finding:
    """Compare a topic with its declaration."""
    name = f"topic {settings.kafka.topic_prefix}{topic.name}"
    partitions = topic.partitions_with(settings.kafka.partitions)
    if state is None:
        return Finding(name, "problem", "is not there", "run `aftershock migrate`")
    detail = f"{plural(state.partitions, 'partition')}, {state.cleanup_policy or 'cleanup policy unknown'}"
    if state.partitions != partitions:
        verdict: Verdict = "problem" if topic.name == COUNTS.name or topic.cleanup_policy == "compact" else "warning"
        return Finding(
            name, verdict, f"{detail}; declared are {partitions}", f"set kafka.partitions.{topic.name} to what is true"
        )
    if state.cleanup_policy not in ("", topic.cleanup_policy):
        remedy = f"set cleanup.policy={topic.cleanup_policy} on the topic with kafka-configs"
        return Finding(name, "problem", f"{detail}; declared is {topic.cleanup_policy}", remedy)
    return Finding(name, "ok", detail)


def lag_finding(settings: Settings) -> tuple[int | None, Finding]:
    """Return how much waits for the workers, and the finding about it."""
    group = settings.kafka.topic_prefix + CONSUMER_GROUP
    try:
        lags = asyncio.run(kafka.lags(settings.kafka, group, CONSUMED))
    except AftershockError as error:
        return None, Finding("lag", "problem", str(error), "see the log of the broker")
    total = sum(lags.values())
    detail = ", ".join(f"{name} {lag}" for name, lag in lags.items()) + f" (group {group})"
    if total > MUCH_LAG:
        return total, Finding("lag", "warning", detail, "start more workers, up to one a partition, and ask again")
    return total, Finding("lag", "ok", detail)


def clickhouse_findings(settings: Settings, lag: int | None) -> Iterator[Finding]:
    """Look at ClickHouse, and at what the workers have left there. ``lag``: how many messages wait for them."""
    clickhouse = ClickHouse(settings.clickhouse, timeout_s=20)
    try:
        yield clickhouse_version(clickhouse.version(), clickhouse.address)
        finding = migrations_finding(clickhouse)
        yield finding
        if finding.verdict == "ok":
            yield disk(clickhouse)
            yield last_batch(clickhouse, lag)
            yield intake(clickhouse)
            if lag is not None:
                yield ledger(settings, clickhouse)
            yield counts(clickhouse)
            yield dead_letters(clickhouse)
    except AftershockError as error:
        remedy = "start it, or mend clickhouse.url, AFTERSHOCK_CLICKHOUSE or --clickhouse, user and password"
        yield Finding("clickhouse", "problem", str(error), remedy)
    finally:
        clickhouse.close()


def clickhouse_version(found: str, address: str) -> Finding:
    """Compare the server's version with the oldest that will do."""
    detail = f"answers at {address}, version {found}"
    if numbers(found) < OLDEST_CLICKHOUSE:
        return Finding(
            "clickhouse", "problem", detail, f"update it to {'.'.join(map(str, OLDEST_CLICKHOUSE))} or newer"
        )
    return Finding("clickhouse", "ok", detail)


def disk(clickhouse: ClickHouse) -> Finding:
    """Look at the fullest disk of the server."""
    rows = clickhouse.rows(
        "SELECT name, free_space AS free, total_space AS total FROM system.disks WHERE total_space > 0 "
        "ORDER BY free_space / total_space LIMIT 1"
    )
    if not rows:
        return Finding("disk", "warning", "ClickHouse does not say", "look at its disk yourself")
    [row] = rows
    share = row["free"] / row["total"]
    detail = f"{row['name']}: {row['free'] / 1e9:.1f} GB of {row['total'] / 1e9:.1f} GB free"
    if share >= LITTLE_DISK:
        return Finding("disk", "ok", detail)
    verdict: Verdict = "problem" if share < VERY_LITTLE_DISK else "warning"
    return Finding("disk", verdict, detail, "make room, or shorten [retention] and run `aftershock migrate`")


def migrations_finding(clickhouse: ClickHouse) -> Finding:
    """Compare the tables with what this version needs."""
    try:
        missing = pending(clickhouse)
    except RequestRejected as rejected:
        if rejected.code != UNKNOWN_DATABASE:
            raise
        return Finding("migrations", "problem", f"no database {clickhouse.database}", _MIGRATE)
    if missing:
        names = ", ".join(f"{one.version:04d} {one.name}" for one in missing)
        return Finding("migrations", "problem", f"not applied: {names}", _MIGRATE)
    applied = {row["version"]: row for row in clickhouse.rows("SELECT version, checksum FROM migrations")}
    try:
        check(applied, migrations())
    except AftershockError as error:
        return Finding("migrations", "problem", str(error), "bring program and database to the same version")
    return Finding("migrations", "ok", f"{len(applied)} applied to database {clickhouse.database}")


def last_batch(clickhouse: ClickHouse, lag: int | None) -> Finding:
    """Say when a worker last began a batch, and whether it should have begun another since."""
    [row] = clickhouse.rows("SELECT count() AS batches, max(begun_at) AS last FROM batches")
    if not row["batches"]:
        if lag:
            return Finding("last batch", "problem", "none yet, and messages wait", _WORKER)
        return Finding("last batch", "ok", "none yet, and nothing waits")
    last: datetime = row["last"] if row["last"].tzinfo else row["last"].replace(tzinfo=UTC)
    minutes = (datetime.now(UTC) - last).total_seconds() / 60
    detail = f"{last:%Y-%m-%d %H:%M:%S} UTC, {plural(round(minutes), 'minute')} ago"
    if lag and minutes > QUIET_MINUTES:
        return Finding("last batch", "problem", f"{detail}, and {lag} messages wait", _WORKER)
    return Finding("last batch", "ok", detail)


def intake(clickhouse: ClickHouse) -> Finding:
    """Say whether the intake is held because history is being grouped anew, and whether somebody rewrites tables."""
    tables = Tables(clickhouse)
    owner = tables.locked_by()
    if owner is not None and not owner.is_gone():
        detail = f"{owner.doing} since {owner.since} by process {owner.process} on {owner.host}"
        return Finding("intake", "ok", detail)
    if tables.is_held():
        return Finding("intake", "problem", "held by a regroup that did not finish: nothing is stored", _REGROUP)
    if tables.left_over():
        return Finding("intake", "warning", "a regroup did not finish, and has left tables", _REGROUP)
    return Finding("intake", "ok", "open")


def ledger(settings: Settings, clickhouse: ClickHouse) -> Finding:
    """Say whether the batches of the last day follow each other: the short form of ``aftershock audit``."""
    since = datetime.now(UTC) - timedelta(days=1)
    audit = LedgerAudit(settings.kafka, clickhouse, lambda _text: nullcontext())
    try:
        partitions = audit.partitions([topic.name for topic in STORED], since)
        bad = [one for one in audit.findings(partitions) if one.bad]
    except Unavailable as error:
        return Finding("ledger", "warning", str(error), "ask again")
    batches = sum(one.chain.batches for one in partitions)
    if bad:
        detail = f"{plural(len(bad), 'range')} of offsets lost, or in two batches, since yesterday"
        return Finding("ledger", "problem", detail, "see `aftershock audit`, and `aftershock audit --repair`")
    return Finding("ledger", "ok", f"no hole and no overlap in {batches} batches since yesterday")


def counts(clickhouse: ClickHouse) -> Finding:
    """Say whether aggregates add up to the rows of the last day: the short form of ``aftershock audit``."""
    since = datetime.now(UTC) - timedelta(days=1)
    comparison = Comparison(clickhouse, lambda _text: nullcontext())
    bad = [one for one in comparison.differences(since, [pair for pair in PAIRS if pair.by == "hour"]) if one.bad]
    if bad:
        detail = f"{', '.join(sorted({one.table for one in bad}))}: not the sum of the rows since yesterday"
        return Finding("counts", "problem", detail, "see `aftershock audit`, and `aftershock rebuild`")
    return Finding("counts", "ok", "aggregates add up to the rows since yesterday")


def dead_letters(clickhouse: ClickHouse) -> Finding:
    """Count the dead letters of the last hour."""
    rows = clickhouse.rows(
        "SELECT stage, count() AS letters FROM dead_letters WHERE received > now() - INTERVAL 1 HOUR GROUP BY stage "
        "ORDER BY letters DESC"
    )
    if not rows:
        return Finding("dead letters", "ok", "none in the last hour")
    detail = ", ".join(f"{row['letters']} by {row['stage']}" for row in rows) + " in the last hour"
    return Finding("dead letters", "warning", detail, "see `aftershock dead-letters list`")


_MIGRATE = "run `aftershock migrate`"
_REGROUP = "run `aftershock regroup --apply` again, with the same settings"
_WORKER = "start `aftershock worker`, or look at its log and at /health/live"
