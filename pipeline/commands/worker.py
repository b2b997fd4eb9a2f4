"""``aftershock worker``."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys

import click
import msgspec

from pipeline import kafka
from pipeline.commands.settings import with_settings
from pipeline.config import Settings, WorkerSettings
from pipeline.errors import AftershockError, Misconfigured
from pipeline.logs import configure_logs
from pipeline.memory import collect_seldom, share_one_heap


@click.command()
@click.option("--web-port", type=click.IntRange(0, 65535), help="Where health and metrics are served.")
@click.option("--log-level", type=click.Choice(("debug", "info", "warning", "error")), default="info")
@with_settings
def command(settings: Settings, *, web_port: int | None, log_level: str) -> None:
    """Run one worker. Start one for every two cores; Kafka spreads the partitions over them.

    A worker is three processes: one talks to Kafka and ClickHouse, two scrub and group.

    Ends with 0 after SIGTERM or Ctrl-C, with 4 when Kafka does not answer at the start, and with 1 when something
    failed that a restart may mend.

    \b
    Examples:
      aftershock worker
      aftershock worker --config /etc/aftershock.toml --web-port 6067
    """
    share_one_heap()
    import faust

    from pipeline.app import Worker

    configure_logs(log_level)
    if web_port is not None:
        settings = msgspec.structs.replace(settings, worker=msgspec.structs.replace(settings.worker, web_port=web_port))
    asyncio.run(_reach_kafka(settings))
    _require_port(settings.worker)
    worker = Worker(settings)
    collect_seldom()
    try:
        faust.Worker(worker.app, quiet=True, override_logging=False).execute_from_commandline()
    except SystemExit as ended:
        if worker.failure is None:
            raise
        logging.getLogger(__name__).debug("ended with %s", ended.code)
    finally:
        worker.close()
    if isinstance(worker.failure, AftershockError):
        raise worker.failure
    if worker.failure is not None:
        sys.exit(1)


async def _reach_kafka(settings: Settings) -> None:
    """Say in one line that Kafka does not answer: Faust would do so with a stack trace."""
    async with kafka.administration(settings.kafka):
        pass


def _require_port(settings: WorkerSettings) -> None:
    """Say in one line that nothing can listen on the web port, before a partition is taken."""
    try:
        socket.create_server((settings.web_host, settings.web_port)).close()
    except OSError as error:
        raise Misconfigured(
            f"port {settings.web_port} on {settings.web_host} cannot be listened on ({error.strerror}): choose another "
            "with --web-port or worker.web_port"
        ) from None
