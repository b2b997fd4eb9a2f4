"""``aftershock gateway``."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
from pathlib import Path

import click
import msgspec

from pipeline.commands.settings import with_settings
from pipeline.config.places import data_directory
from pipeline.config.settings import Settings
from pipeline.gateway.projects import Projects
from pipeline.runtime.logs import configure_logs
from pipeline.runtime.memory import collect_seldom

log = logging.getLogger(__name__)


@click.command()
@click.option("--host", help="The address to listen on.  [default: gateway.host, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on.  [default: gateway.port, 8000]")
@click.option("--share-port", is_flag=True, help="Let several gateways listen on the port; the kernel spreads them.")
@click.option("--log-level", type=click.Choice(("debug", "info", "warning", "error")), default="info")
@with_settings
def command(settings: Settings, *, host: str | None, port: int | None, share_port: bool, log_level: str) -> None:
    """Take events from Sentry's SDKs over HTTP and put them into Kafka.

    Point an SDK's DSN here: http://<key>@<host>:<port>/<project>, as `aftershock projects` prints it; what that changes
    is known here within seconds. Without any project, every key is taken on a loopback address, and none elsewhere;
    the number in the DSN is the project then. Answers 200 once Kafka has acknowledged, or, while Kafka is away, once
    the event is on disk. Run as many as you like.

    Reads its certificate again after SIGHUP. Ends with 0 after SIGTERM or Ctrl-C, when everything that was sent is
    answered.

    \b
    Examples:
      aftershock gateway
      aftershock gateway --host 0.0.0.0 --port 8000 --share-port
    """
    configure_logs(log_level)
    gateway = settings.gateway
    gateway = msgspec.structs.replace(
        gateway, host=gateway.host if host is None else host, port=gateway.port if port is None else port
    )
    settings = msgspec.structs.replace(settings, gateway=gateway)
    projects = Projects(settings.projects, may_be_open=_is_loopback(gateway.host))
    asyncio.run(_run(settings, projects, share_port=share_port))


async def _run(settings: Settings, projects: Projects, *, share_port: bool) -> None:
    from pipeline.gateway.delivery import Delivery
    from pipeline.gateway.endpoint import Endpoint
    from pipeline.gateway.exchange import Exchange
    from pipeline.gateway.metrics import Metrics
    from pipeline.gateway.outcomes import Outcomes
    from pipeline.gateway.outcomes_sender import OutcomesSender
    from pipeline.gateway.releases import ReleaseCalls
    from pipeline.gateway.server import Server
    from pipeline.gateway.sink import Sink
    from pipeline.gateway.spool import Spool
    from pipeline.gateway.usage import Usage
    from pipeline.inbound import Inbound

    gateway = settings.gateway
    place = Path(gateway.spool or data_directory() / "gateway-spool")
    spool = Spool(place, gateway.max_spool_bytes)
    sink = Sink(settings.kafka, gateway.acknowledge_timeout_s)
    delivery = Delivery(sink, spool)
    usage = Usage()
    exchange = Exchange(settings.kafka, sink, projects, usage, place / "projects.json")
    outcomes = Outcomes()
    sender = OutcomesSender(outcomes, delivery)
    endpoint = Endpoint(
        projects,
        gateway.max_envelope_bytes,
        outcomes,
        Inbound(settings.inbound),
        usage,
        most_wrong_keys=gateway.max_wrong_keys,
    )
    releases = ReleaseCalls(settings.tokens, gateway.repositories)
    server = Server(gateway, endpoint, delivery, Metrics(), outcomes, releases)
    ended = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, ended.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload)
    delivery.start()
    sender.start()
    await exchange.start()
    if not (projects.open or projects.any):
        log.warning("no project is known yet: every key is refused until `aftershock projects add` makes one")
    try:
        await server.start(share_port=share_port)
        collect_seldom()
        log.info("listening on %s:%d", *server.address)
        await ended.wait()
    finally:
        await server.stop()
        await sender.stop()
        await exchange.stop()
        await delivery.stop()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
