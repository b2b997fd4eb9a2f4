"""``aftershock`` as tests run it: in this process, against an installation of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from click.testing import CliRunner, Result

from pipeline.commands import cli
from pipeline.config.settings import Settings, load_settings
from pipeline.edges import kafka as kafka_edge
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.kafka import ProducerRecord
from pipeline.errors import AftershockError


class Commands:
    """An installation of the test's own on the shared servers, and ``aftershock`` run against it, in this process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.settings: Settings = load_settings(None, environment)
        self.clickhouse = ClickHouse(self.settings.clickhouse)

    def run(self, *arguments: str, stdin: bytes | str = b"", **environment: str) -> Result:
        """Run a command; its exit code is the one that the program would end with."""
        result = CliRunner(env={**self.environment, **environment}).invoke(cli, arguments, input=stdin)
        if isinstance(result.exception, AftershockError):
            result.exit_code = result.exception.exit_code
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def on_topic(self, name: str) -> list[Any]:
        """Return what is on a topic now."""

        async def read() -> list[Any]:
            return [record async for record in kafka_edge.read_to_end(self.settings.kafka, name)]

        return asyncio.run(read())

    def put(self, messages: Iterable[ProducerRecord]) -> None:
        """Send messages, each acknowledged by the broker."""

        def refused(message: ProducerRecord, reason: str) -> None:
            raise AssertionError(f"{message.origin}: {reason}")

        asyncio.run(kafka_edge.send_all(self.settings.kafka, messages, sent=lambda _message: None, refused=refused))

    def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows; columns that are not named have their defaults."""
        lines = b"\n".join(json.dumps(list(row.values())).encode() for row in rows)
        self.clickhouse.insert(table, list(rows[0]), lines, "")
