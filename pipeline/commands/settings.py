"""What several commands share: the options that name the settings and the servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec

from pipeline.config.settings import Settings, load_settings


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--config``, ``--kafka`` and ``--clickhouse``, and pass it the settings first."""

    @click.option("--config", type=click.Path(path_type=Path), help="The settings file.  [default: aftershock.toml]")
    @click.option("--kafka", metavar="HOST:PORT", help="Where Kafka is, instead of what the settings say.")
    @click.option("--clickhouse", metavar="URL", help="Where ClickHouse is, instead of what the settings say.")
    @wraps(command)
    def wrapped(*, config: Path | None, kafka: str | None, clickhouse: str | None, **options: Any) -> Any:
        settings = load_settings(config)
        return command(named(settings, kafka, clickhouse), **options)

    return wrapped


def named(settings: Settings, kafka: str | None, clickhouse: str | None) -> Settings:
    """Return the settings with other servers in them, where some are named."""
    if kafka:
        settings = msgspec.structs.replace(settings, kafka=msgspec.structs.replace(settings.kafka, bootstrap=kafka))
    if clickhouse:
        replaced = msgspec.structs.replace(settings.clickhouse, url=clickhouse)
        settings = msgspec.structs.replace(settings, clickhouse=replaced)
    return settings
