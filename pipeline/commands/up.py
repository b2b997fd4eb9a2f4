"""``aftershock up``: run the whole stack on this machine until Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Literal

import click

from deploy.local.stack import CLICKHOUSE_PORT, GATEWAY_PORT, KAFKA_PORT, WEB_PORT, Plan, running

_PORT = click.IntRange(1, 65_535)


@click.command()
@click.option(
    "--broker",
    type=click.Choice(["embedded", "apache"]),
    default="embedded",
    show_default=True,
    help="The broker to start: embedded (in memory, its topics are gone when it stops) or Apache Kafka.",
)
@click.option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of starting a broker.")
@click.option("--clickhouse", metavar="URL", help="Use this ClickHouse (its HTTP port) instead of starting one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for data and logs.  [default: $AFTERSHOCK_DATA or ~/.local/share/aftershock]",
)
@click.option("--kafka-port", type=_PORT, default=KAFKA_PORT, show_default=True, help="Port of the broker.")
@click.option("--clickhouse-port", type=_PORT, default=CLICKHOUSE_PORT, show_default=True, help="Port of ClickHouse.")
@click.option("--web-port", type=_PORT, default=WEB_PORT, show_default=True, help="Web port of the first worker.")
@click.option("--gateway-port", type=_PORT, default=GATEWAY_PORT, show_default=True, help="Port of the gateway.")
@click.option("--workers", type=click.IntRange(0, 64), default=1, show_default=True, help="Number of workers.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The configuration file.  [default: $AFTERSHOCK_CONFIG or ./aftershock.toml]",
)
def command(
    broker: Literal["embedded", "apache"],
    kafka: str | None,
    clickhouse: str | None,
    data: Path | None,
    kafka_port: int,
    clickhouse_port: int,
    web_port: int,
    gateway_port: int,
    workers: int,
    config: Path | None,
) -> None:
    """Run broker, ClickHouse, workers and the gateway for Sentry's SDKs on this machine until Ctrl-C.

    Everything listens on 127.0.0.1 only. ClickHouse's data and, with --broker apache, the topics are kept between
    runs; so are the logs of the latest two. A component that ends by itself ends the whole stack, with the last lines
    of its log.

    \b
    Examples:
      aftershock up                       embedded broker, ClickHouse, one worker, the gateway
      aftershock up --workers 2           one worker for every two cores
      aftershock up --broker apache       Apache Kafka, whose topics last (Java 17)
      aftershock up --kafka-port 19092    when another program has port 9092
      aftershock up --kafka broker:9092 --clickhouse https://clickhouse:8443
    """
    plan = Plan(
        data=data,
        broker=broker,
        kafka=kafka,
        clickhouse=clickhouse,
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
        web_port=web_port,
        gateway_port=gateway_port,
        workers=workers,
        config=config,
    )
    _end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    # A script starts its background jobs with SIGINT ignored; whoever sends it to this command means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with running(plan, say=click.echo) as stack:
            click.echo(f"Running. Logs are in {stack.logs}; Ctrl-C ends everything.")
            stack.wait()
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _end_like_ctrl_c(*signals: signal.Signals) -> None:
    """Make these signals end the stack in order, unless they are ignored (as ``nohup`` does with SIGHUP)."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for signum in signals:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, interrupt)
