"""``aftershock worker``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import click
import msgspec

from pipeline.commands.settings import with_settings
from pipeline.config.settings import Settings
from pipeline.errors import AftershockError
from pipeline.runtime.logs import configure_logs
from pipeline.runtime.memory import collect_seldom, share_one_heap


@click.command()
@click.option("--web-port", type=click.IntRange(0, 65535), help="Where health and metrics are served.")
@click.option("--log-level", type=click.Choice(("debug", "info", "warning", "error")), default="info")
@with_settings
def command(settings: Settings, *, web_port: int | None, log_level: str) -> None:
    """Run one worker. Start one for every two cores; Kafka spreads the partitions over them.

    A worker is three processes: one talks to Kafka and ClickHouse, two scrub and group.

    While Kafka or ClickHouse is away it waits, also at its start; /health/ready says so. Ends with 0 after SIGTERM or
    Ctrl-C, with 2 when a person has to change something (credentials that are refused, missing topics), and with 1 when
    something failed that a restart may mend.

    \b
    Examples:
      aftershock worker
      aftershock worker --config /etc/aftershock.toml --web-port 6067
    """
    share_one_heap()
    import faust

    from pipeline.worker.app import Worker
    from pipeline.worker.pages import Pages
    from pipeline.worker.startup import Startup

    configure_logs(log_level)
    if web_port is not None:
        settings = msgspec.structs.replace(settings, worker=msgspec.structs.replace(settings.worker, web_port=web_port))
    # One loop for the pages, the waiting and Faust: the pages are there from the first moment to the last.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(settings)
    pages = Pages(worker.health, settings.worker.web_host, settings.worker.web_port)
    startup = Startup(settings, worker.health, worker.metrics, worker.ask_clickhouse, worker.stages_ready)
    try:
        loop.run_until_complete(pages.start())
        if not loop.run_until_complete(startup.run()):
            worker.close()
            _end_now()
        worker.watch()
        collect_seldom()
        running = faust.Worker(worker.app, quiet=True, override_logging=False, loop=loop)
        running.spinner = None  # it writes a terminal's codes between the lines of the log
        running.execute_from_commandline()
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


def _end_now() -> None:
    """End without waiting for a thread that may still be waiting for ClickHouse: nothing was begun."""
    logging.shutdown()
    os._exit(0)
