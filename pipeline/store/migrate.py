"""Migrate: bring ClickHouse and Kafka to what this version needs. Safe to run again, and by several at once.

Shipped migrations are recorded with a checksum; one that was changed afterwards is refused. Retention follows the
settings each time. Topics are created from their declaration; a topic that is new, or whose offsets have started
over, begins a new incarnation in the ledger.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from aiokafka import TopicPartition
from msgspec.json import Encoder

from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import RetentionSettings
from pipeline.errors import Misconfigured
from schemas.clickhouse import Migration, migrations
from schemas.topics import TOPICS

_encode = Encoder().encode

RECORDS = """
CREATE TABLE IF NOT EXISTS migrations
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY version
"""


def migrate_clickhouse(clickhouse: ClickHouse, retention: RetentionSettings, say: Callable[[str], None]) -> int:
    """Apply the migrations that were not applied yet, and the retention; return how many migrations there were.

    Raises:
        Misconfigured: an applied migration's file has changed, or the database is newer than this version.
        Unavailable: ClickHouse cannot be reached.
        RequestRejected: ClickHouse refused a statement.
    """
    clickhouse.command(f"CREATE DATABASE IF NOT EXISTS {clickhouse.database}", in_database=False)
    clickhouse.command(RECORDS)
    applied = {row["version"]: row for row in clickhouse.rows("SELECT version, checksum FROM migrations")}
    known = migrations()
    check(applied, known)
    new = [migration for migration in known if migration.version not in applied]
    for migration in new:
        for statement in migration.statements:
            clickhouse.command(statement)
        row = _encode((migration.version, migration.name, migration.checksum))
        clickhouse.insert("migrations", ("version", "name", "checksum"), row, "")
        say(f"applied migration {migration.version:04d} {migration.name}")
    for statement in retention_statements(retention):
        clickhouse.command(statement)
    return len(new)


def check(applied: dict[int, dict[str, str]], known: list[Migration]) -> None:
    """Refuse to go on when what was applied is not what this version would apply.

    Raises:
        Misconfigured: with the number of the migration and the remedy.
    """
    by_version = {migration.version: migration for migration in known}
    for version, row in applied.items():
        migration = by_version.get(version)
        if migration is None:
            raise Misconfigured(f"the database has migration {version}, which this version lacks: install a newer one")
        if migration.checksum != row["checksum"]:
            raise Misconfigured(
                f"migration {version:04d} {migration.name} was changed after it was applied: restore the file and add "
                "a new migration for the change"
            )


def pending(clickhouse: ClickHouse) -> list[Migration]:
    """Return the migrations that were not applied yet."""
    tables = clickhouse.rows(
        "SELECT 1 AS found FROM system.tables WHERE database = currentDatabase() AND name = 'migrations'"
    )
    if not tables:
        return migrations()
    applied = {row["version"] for row in clickhouse.rows("SELECT version FROM migrations")}
    return [migration for migration in migrations() if migration.version not in applied]


def retention_statements(retention: RetentionSettings) -> list[str]:
    """Return the statements that set how long each table keeps its rows."""
    columns = {
        "errors": ("timestamp", retention.errors_days),
        "spans": ("timestamp", retention.spans_days),
        "alerts": ("created_at", retention.alerts_days),
        "dead_letters": ("received", retention.dead_letters_days),
        "errors_per_minute": ("minute", retention.minutes_days),
        "errors_per_hour": ("hour", retention.hours_days),
        "transactions_per_minute": ("minute", retention.minutes_days),
        "sessions": ("started", retention.sessions_days),
        "session_aggregates": ("started", retention.sessions_days),
        "sessions_per_hour": ("hour", retention.hours_days),
        "logs": ("timestamp", retention.logs_days),
        "check_ins": ("received", retention.check_ins_days),
        "feedback": ("timestamp", retention.feedback_days),
        "outcomes": ("time", retention.outcomes_days),
    }
    return [
        f"ALTER TABLE {table} MODIFY TTL toDateTime({column}) + INTERVAL {days} DAY "
        "SETTINGS materialize_ttl_after_modify = 0"
        for table, (column, days) in columns.items()
    ]


async def migrate_kafka(settings: Settings, clickhouse: ClickHouse, say: Callable[[str], None]) -> int:
    """Create the topics that are missing, and note new incarnations; return how many were created.

    Raises:
        Unavailable: Kafka cannot be reached, or refused to create a topic.
    """
    async with kafka.administration(settings.kafka) as client:
        created = await kafka.create_topics(client, TOPICS, settings.kafka)
    for name in created:
        say(f"created topic {settings.kafka.topic_prefix}{name}")
    started_over = await _started_over(settings, clickhouse)
    recorded = {row["topic"] for row in clickhouse.rows("SELECT DISTINCT topic FROM topics")}
    for topic in TOPICS:
        if topic.name in created or topic.name in started_over or topic.name not in recorded:
            clickhouse.insert("topics", ("topic", "incarnation"), _encode((topic.name, str(uuid.uuid4()))), "")
    return len(created)


async def _started_over(settings: Settings, clickhouse: ClickHouse) -> set[str]:
    """Return the topics whose log ends before offsets that the ledger has seen: they were made again by somebody."""
    rows = clickhouse.rows(
        "SELECT topic, partition, max(last_offset) AS last FROM batches WHERE (topic, incarnation) IN "
        "(SELECT topic, argMax(incarnation, created_at) FROM topics GROUP BY topic) GROUP BY topic, partition"
    )
    if not rows:
        return set()
    async with kafka.consumer(settings.kafka) as client:
        seen = {
            TopicPartition(settings.kafka.topic_prefix + row["topic"], row["partition"]): row["last"] for row in rows
        }
        ends = await client.end_offsets(list(seen))
        doubtful = [partition for partition, last in seen.items() if ends[partition] <= last]
        gone = [partition for partition in doubtful if not await kafka.holds_offset(client, partition, seen[partition])]
    return {partition.topic.removeprefix(settings.kafka.topic_prefix) for partition in gone}
