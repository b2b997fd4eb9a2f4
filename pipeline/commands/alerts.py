"""``aftershock alerts``: follow the alert topic."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import click
from rich.console import Console
from rich.text import Text

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import on_terminal, one_line_errors, printable
from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.settings import KafkaSettings
from schemas.alert import Alert, decode_alert, encode_alert
from schemas.topics import ALERTS

STATES = {"firing": "bold red", "resolved": "green", "test": "cyan"}
NEWS = {"new_issue": "new", "regressed": "back", "unignored": "back"}
SEVERITIES = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "blue"}


@click.command()
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest alert that Kafka has, not with the next.")
@click.option("--count", type=click.IntRange(1), help="End after so many alerts.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines on a terminal too.")
@with_settings
def command(settings: Settings, *, from_beginning: bool, count: int | None, as_json: bool) -> None:
    """Follow the alerts until Ctrl-C.

    On a terminal each is a line: time, state, severity, rule, project/environment, value/threshold, title. In a pipe
    each is the alert itself, one JSON object a line (schemas/json/alert.schema.json).

    \b
    Examples:
      aftershock alerts
      aftershock alerts --from-beginning
      aftershock alerts | jq -r 'select(.state == "firing") | .query'
      aftershock alerts --count 1 && echo "something is wrong"
    """
    one_line_errors()
    asyncio.run(kafka.require_topics(settings.kafka, (ALERTS.name,)))
    show = Show(as_json=as_json or not on_terminal())
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_follow(settings.kafka, show, count, from_beginning=from_beginning))


async def _follow(settings: KafkaSettings, show: Show, count: int | None, *, from_beginning: bool) -> None:
    this = asyncio.current_task()
    assert this is not None
    # SIGINT too: a command that runs in the background of a script is started with it ignored.
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, this.cancel)
    shown = 0
    async for record in kafka.follow(settings, ALERTS.name, from_beginning=from_beginning):
        try:
            alert = decode_alert(record.value or b"")
        except ValueError as error:
            click.echo(f"offset {record.offset} of partition {record.partition}: {error}", err=True)
            continue
        show(alert)
        shown += 1
        if shown == count:
            return


class Show:
    """Writes alerts to standard output, for programs or for people."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False)

    def __call__(self, alert: Alert) -> None:
        """Write one alert."""
        if self._as_json:
            output = click.get_binary_stream("stdout")
            output.write(encode_alert(alert) + b"\n")
            output.flush()
        else:
            self._console.print(line_of(alert), soft_wrap=True)


def line_of(alert: Alert) -> Text:
    """Return an alert as a line for people."""
    value = NEWS.get(alert.kind) or f"{alert.value:g}/{alert.threshold:g}"
    return Text.assemble(
        f"{alert.created_at:%Y-%m-%d %H:%M:%S}  ",
        (f"{alert.state:<8}  ", STATES[alert.state]),
        (f"{alert.severity:<8}  ", SEVERITIES[alert.severity]),
        f"{printable(alert.rule)}  {printable(alert.project)}/{printable(alert.environment)}  {value:>6}  ",
        (printable(alert.title), "bold"),
    )
