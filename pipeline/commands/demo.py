"""``aftershock demo``."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

import click
from rich.console import Console
from rich.status import Status
from rich.text import Text

from deploy.demo.report import alerts_table, show
from deploy.local.stack import ANY_PORT, Plan, Stack, running
from pipeline.config.settings import load_settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from schemas.alert import Alert, decode_alert
from schemas.topics import ALERTS

RULES = Path(__file__).parents[2] / "deploy" / "demo" / "aftershock.toml"
SETTLE_S = 20.0
WIDTH_IN_A_PIPE = 140

NEXT = """\
Try next:
  aftershock up                          start the stack again and leave it running; this data is still there
  aftershock query "SELECT * FROM open_issues LIMIT 5"
  aftershock alerts --from-beginning     follow the alert topic
  python -m deploy.demo.shop --help      the program that failed: its transport is three lines
  README.md                              your own service, your first query, your first alert"""


@click.command()
@click.option("--seconds", type=click.FloatRange(2, 600), default=20.0, show_default=True, help="How long to fail.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="As for `aftershock up`.")
@click.option("--broker", type=click.Choice(("embedded", "apache")), default="embedded", show_default=True)
def command(*, seconds: float, data: Path | None, broker: str) -> None:
    """Show what it does, on this machine, in about a minute.

    Starts a broker, ClickHouse and a worker on free ports, runs a web shop, a background job and a WebSocket server
    that fail under the real sentry_sdk, and then asks ClickHouse and the alert topic what happened. Ends everything
    again; the data stays for `aftershock up`.

    \b
    Examples:
      aftershock demo
      aftershock demo --seconds 60 --broker apache
    """
    from deploy.demo.run import run_programs  # needs the extra "local", which other commands do without

    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else WIDTH_IN_A_PIPE)
    plan = Plan(
        data=data,
        broker="apache" if broker == "apache" else "embedded",
        kafka_port=ANY_PORT,
        clickhouse_port=ANY_PORT,
        web_port=ANY_PORT,
        config=RULES,
    )
    with running(plan, say=click.echo) as stack:
        settings = load_settings(RULES, stack.environment)
        clickhouse = ClickHouse(settings.clickhouse)
        before = len(_alerts(stack))
        stored_before = _stored(clickhouse)
        with console.status(f"Running a web shop, a background job and a WebSocket server for {seconds:g} s") as status:
            ticking = _count_down(status, seconds)
            done = run_programs(stack.kafka, seconds)
            ticking.set()
        console.print(
            f"{done.requests} requests and {done.messages} WebSocket messages: {done.errors} errors and {done.spans} "
            f"transactions went into Kafka"
        )
        expected = stored_before + done.errors
        deadline = time.monotonic() + SETTLE_S
        while _stored(clickhouse) < expected and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        console.print(f"{_stored(clickhouse) - stored_before} errors are in ClickHouse")
        show(console, clickhouse.rows)
        alerts = _alerts(stack)[before:]
        console.print()
        console.print(Text("Alerts, as they came out of the alert topic", style="bold"))
        console.print(Text("aftershock alerts --from-beginning", style="dim"))
        console.print(alerts_table(alerts[-20:]))
        console.print()
    console.print(Text(NEXT))


def _stored(clickhouse: ClickHouse) -> int:
    return int(clickhouse.rows("SELECT sum(sample_weight) AS n FROM errors")[0]["n"])


def _alerts(stack: Stack) -> list[Alert]:
    settings = load_settings(RULES, stack.environment)
    values = asyncio.run(kafka.latest_values(settings.kafka, settings.kafka.topic_prefix + ALERTS.name, 1000))
    return [decode_alert(value) for value in values]


def _count_down(status: Status, seconds: float) -> threading.Event:
    """Keep the status line saying how long it still takes, until the returned event is set."""
    ended = threading.Event()
    until = time.monotonic() + seconds
    text = str(status.status)

    def tick() -> None:
        while not ended.wait(0.5):
            status.update(f"{text} ({max(until - time.monotonic(), 0):.0f} s to go)")

    threading.Thread(target=tick, daemon=True).start()
    return ended
