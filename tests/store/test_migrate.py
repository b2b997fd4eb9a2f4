"""Migrations of ClickHouse and topics of Kafka: applied once, checked, and new lives of topics noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.ports import free_port
from pipeline.config.settings import Settings
from pipeline.edges import kafka as edge
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.kafka_connection import client_options
from pipeline.edges.settings import ClickHouseSettings, KafkaSettings, RetentionSettings
from pipeline.errors import Misconfigured, Unavailable
from pipeline.intake.ledger import Ledger, token
from pipeline.records.record import Boundaries, Source
from pipeline.store.migrate import check, migrate_clickhouse, migrate_kafka, pending, retention_statements
from schemas.clickhouse import migrations
from schemas.topics import TOPICS


def quiet(_line: str) -> None:
    """Say nothing."""


@pytest.fixture
def database(clickhouse: str, names: Any) -> ClickHouse:
    return ClickHouse(ClickHouseSettings(url=clickhouse, database=names.database))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("embedded")
    with EmbeddedBroker(directory / "kafka", port=free_port(), log=directory / "broker.log") as broker:
        yield broker.address
        broker.kill()


@pytest.fixture(params=["kafka", "embedded"])
def settings(request: pytest.FixtureRequest, names: Any) -> Settings:
    """Settings for topics of this test on the broker of this run, and on the embedded one."""
    address = request.getfixturevalue(request.param)
    return Settings(kafka=KafkaSettings(bootstrap=address, topic_prefix=names.topic_prefix, partitions={"spans": 2}))


async def partitions(settings: KafkaSettings) -> dict[str, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap)
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        return {
            topic.removeprefix(settings.topic_prefix): len(consumer.partitions_for_topic(topic) or ())
            for topic in await consumer.topics()
            if topic.startswith(settings.topic_prefix)
        }
    finally:
        await consumer.stop()


def test_migrations_are_applied_once(database: ClickHouse) -> None:
    database.command(f"CREATE DATABASE {database.database}", in_database=False)
    assert len(pending(database)) == len(migrations())
    said: list[str] = []
    assert migrate_clickhouse(database, RetentionSettings(), said.append) == len(migrations())
    assert len(said) == len(migrations())
    assert pending(database) == []
    assert migrate_clickhouse(database, RetentionSettings(), quiet) == 0


def test_a_migration_that_was_interrupted_is_applied_again(database: ClickHouse) -> None:
    migrate_clickhouse(database, RetentionSettings(), quiet)
    database.command("ALTER TABLE migrations DELETE WHERE version = 2 SETTINGS mutations_sync = 1")
    assert [migration.version for migration in pending(database)] == [2]
    assert migrate_clickhouse(database, RetentionSettings(), quiet) == 1


def test_a_migration_that_was_changed_or_is_unknown_is_refused() -> None:
    known = migrations()
    applied = {migration.version: {"checksum": migration.checksum} for migration in known}
    check(applied, known)
    with pytest.raises(Misconfigured, match=r"0002.*changed after"):
        check({**applied, 2: {"checksum": "another"}}, known)
    with pytest.raises(Misconfigured, match=r"migration 99.*newer"):
        check({**applied, 99: {"checksum": "x"}}, known)


def test_retention_follows_the_settings_each_time(database: ClickHouse) -> None:
    migrate_clickhouse(database, RetentionSettings(), quiet)
    migrate_clickhouse(database, RetentionSettings(errors_days=7, minutes_days=8), quiet)
    made = {
        row["name"]: row["create_table_query"]
        for row in database.rows(
            "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
        )
    }
    assert "toIntervalDay(7)" in made["errors"]
    assert "toIntervalDay(8)" in made["errors_per_minute"]
    assert "toIntervalDay(30)" in made["spans"]
    kept = {statement.split()[2] for statement in retention_statements(RetentionSettings())}
    assert kept >= {"errors", "spans", "alerts", "sessions", "session_aggregates", "logs", "feedback", "outcomes"}
    assert all(" TTL " in made[table] for table in kept)


def test_topics_are_created_as_declared_and_only_once(settings: Settings, database: ClickHouse) -> None:
    migrate_clickhouse(database, RetentionSettings(), quiet)
    said: list[str] = []
    created = asyncio.run(migrate_kafka(settings, database, said.append))
    assert created == len(TOPICS) == len(said)
    found = asyncio.run(partitions(settings.kafka))
    expected = {topic.name: topic.partitions_with(settings.kafka.partitions) for topic in TOPICS}
    assert {name: count for name, count in found.items() if name in expected} == expected
    before = Ledger(database).incarnations()
    assert before.keys() == expected.keys()
    assert len(set(before.values())) == len(before)
    assert asyncio.run(migrate_kafka(settings, database, quiet)) == 0
    assert Ledger(database).incarnations() == before


def test_of_two_that_create_the_topics_at_once_each_topic_is_made_by_one(settings: Settings) -> None:
    async def create() -> list[str]:
        async with edge.administration(settings.kafka) as client:
            return await edge.create_topics(client, TOPICS, settings.kafka)

    async def both() -> list[list[str]]:
        return list(await asyncio.gather(create(), create()))

    first, second = asyncio.run(both())
    assert sorted(first + second) == sorted(topic.name for topic in TOPICS)


def test_a_topic_that_was_made_again_begins_another_life(settings: Settings, database: ClickHouse) -> None:
    migrate_clickhouse(database, RetentionSettings(), quiet)
    asyncio.run(migrate_kafka(settings, database, quiet))
    ledger = Ledger(database)
    before = ledger.incarnations()
    # The ledger has seen more offsets of it than there are: it was deleted and made again behind our back.
    ledger.begin(Source("errors", before["errors"], 0), Boundaries(0, 99), 1)
    asyncio.run(migrate_kafka(settings, database, quiet))
    after = ledger.incarnations()
    assert [topic for topic in before if before[topic] != after[topic]] == ["errors"]


def test_the_latest_messages_of_a_topic_are_read(settings: Settings) -> None:
    async def test() -> tuple[list[bytes], list[bytes]]:
        async with edge.administration(settings.kafka) as client:
            await edge.create_topics(client, TOPICS, settings.kafka)
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
        await producer.start()
        for number in range(10):
            await producer.send_and_wait(f"{settings.kafka.topic_prefix}alerts", str(number).encode())
        await producer.stop()
        full = f"{settings.kafka.topic_prefix}alerts"
        empty = f"{settings.kafka.topic_prefix}dead-letters"
        return await edge.latest_values(settings.kafka, full, 3), await edge.latest_values(settings.kafka, empty, 3)

    assert asyncio.run(test()) == ([b"7", b"8", b"9"], [])


def test_nobody_listening_is_unavailable() -> None:
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}")

    async def connect() -> None:
        async with edge.administration(settings):
            pass

    with pytest.raises(Unavailable, match="is it running"):
        asyncio.run(connect())


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    settings = KafkaSettings(security_protocol="SSL", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(Misconfigured, match=r"kafka\.ca_file"):
        client_options(settings)


def test_batches_are_written_down_and_found_by_their_source(database: ClickHouse) -> None:
    migrate_clickhouse(database, RetentionSettings(), quiet)
    ledger = Ledger(database)
    source, other = Source("errors", "life", 1), Source("errors", "life", 2)
    for boundaries in (Boundaries(10, 19), Boundaries(0, 9), Boundaries(10, 19)):
        ledger.begin(source, boundaries, 1)
    ledger.begin(other, Boundaries(0, 5), 1)
    assert ledger.begun(source, 0) == ([Boundaries(0, 9), Boundaries(10, 19)], None, 19)
    assert ledger.begun(source, 10) == ([Boundaries(10, 19)], 9, 19)
    assert ledger.begun(source, 20) == ([], 19, 19)
    assert ledger.begun(Source("errors", "another life", 1), 0) == ([], None, None)


def test_a_batch_that_a_later_generation_has_begun_otherwise_does_not_stand(database: ClickHouse) -> None:
    migrate_clickhouse(database, RetentionSettings(), quiet)
    ledger, source = Ledger(database), Source("errors", "life", 1)
    ledger.begin(source, Boundaries(0, 9), 1)
    ledger.begin(source, Boundaries(10, 14), 2)
    ledger.begin(source, Boundaries(15, 24), 2)
    ledger.begin(source, Boundaries(10, 19), 1)
    assert ledger.begun(source, 0).batches == [Boundaries(0, 9), Boundaries(10, 14), Boundaries(15, 24)]


def test_tokens_are_different_for_different_batches() -> None:
    sources = [Source("errors", "a", 1), Source("spans", "a", 1), Source("errors", "b", 1), Source("errors", "a", 11)]
    made = {
        token(source, Boundaries(1, last), part) for source in sources for last in (2, 22) for part in ("", "a", "aa")
    }
    assert len(made) == 24
