"""``aftershock migrate``."""

from __future__ import annotations

import asyncio

import click

from pipeline.commands.settings import with_settings
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.store.migrate import migrate_clickhouse, migrate_kafka


@click.command()
@with_settings
def command(settings: Settings) -> None:
    """Bring ClickHouse and Kafka to what this version needs.

    Creates the database, its tables and views, and the topics; sets how long each table keeps its rows. Running it
    again changes nothing.

    \b
    Examples:
      aftershock migrate
      aftershock migrate --kafka kafka-1:9092 --clickhouse http://clickhouse-1:8123
    """
    clickhouse = ClickHouse(settings.clickhouse)
    applied = migrate_clickhouse(clickhouse, settings.retention, click.echo)
    created = asyncio.run(migrate_kafka(settings, clickhouse, click.echo))
    click.echo(f"up to date: {applied} migrations applied, {created} topics created")
