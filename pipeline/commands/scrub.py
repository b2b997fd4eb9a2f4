"""``aftershock scrub``: try the scrubber on an event, and look for what it has missed in what is stored."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from pipeline.commands.settings import with_settings
from pipeline.config.settings import Settings, load_settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Refused
from pipeline.scrub import Scrubber
from pipeline.scrub.audit import Audit

PAGE = 500
"""Rows read from ClickHouse at a time."""


@click.group()
def command() -> None:
    """Try the scrubber on an event, and look for what it has missed."""


@command.command("try")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--config", type=click.Path(path_type=Path), help="The settings file.  [default: aftershock.toml]")
@click.option("--project", default="", help="The project whose policy is tried.")
@click.option("--environment", default="", help="The environment whose policy is tried.")
def try_(file: BinaryIO, config: Path | None, project: str, environment: str) -> None:
    """Show an event before and after scrubbing, and each rule that fired.

    FILE holds one event as JSON; - or nothing reads standard input. The event's lines that change are shown with
    what they were (-) and what they become (+), then how many findings of each kind there were in each field. Nothing
    is stored or sent.

    \b
    Examples:
      aftershock scrub try event.json
      aftershock scrub try event.json --project shop --environment production
      echo '{"message": "mail to bob@example.com"}' | aftershock scrub try
    """
    payload = file.read()
    try:
        before = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("scrub", "FILE is not one JSON event: give a file with one event, not lines of events") from error
    result = Scrubber(load_settings(config).scrub).scrub(payload, project, environment)
    for line in changes(before, msgspec.json.decode(result.payload)):
        click.echo(line)
    if not result.findings:
        click.echo("nothing found: the event would be stored as it is")
        return
    click.echo("")
    for (kind, field), count in sorted(result.findings.items()):
        click.echo(f"{count:4}  {kind:12} {field}")


def changes(before: Any, after: Any) -> Iterator[str]:
    """Yield the lines that differ between two events, with ``-`` and ``+`` before them and a line of context."""
    old, new = (
        msgspec.json.format(msgspec.json.encode(event), indent=2).decode().splitlines() for event in (before, after)
    )
    for line in difflib.unified_diff(old, new, "before", "after", lineterm="", n=1):
        if not line.startswith("@@"):
            yield line


@command.command()
@click.option("--since", default="7 DAY", show_default=True, metavar="INTERVAL", help="How far back: 12 HOUR, 30 DAY.")
@click.option("--limit", default=100_000, show_default=True, help="The most rows of each table to read.")
@with_settings
def audit(settings: Settings, *, since: str, limit: int) -> None:
    """Look for personal data in what is stored, with a method of its own.

    Reads rows of errors and spans, the newest first, decodes every text in them and searches it with plain regular
    expressions that share no code with the scrubber. Reports how many rows hold what, by table, field and kind, with
    one event id each to look at; never the text itself. Ends with code 1 if anything is found.

    \b
    Examples:
      aftershock scrub audit
      aftershock scrub audit --since "1 HOUR" --limit 1000
    """
    interval = checked_interval(since)
    clickhouse = ClickHouse(settings.clickhouse)
    found = Audit()
    read = {
        table: sum(
            found.look_at(table, row["id"], row["text"]) for row in rows_of(clickhouse, table, columns, interval, limit)
        )
        for table, columns in (("errors", ("event_id", "payload")), ("spans", ("span_id", "data")))
    }
    click.echo(", ".join(f"{count} rows of {table}" for table, count in read.items()) + " read")
    for (table, field, kind), (count, example) in sorted(found.remains.items()):
        click.echo(f"{count:6}  {kind:12} {table}: {field}  (for example in {example})")
    if not found.remains:
        click.echo("nothing remains")
        return
    raise click.exceptions.Exit(1)


def checked_interval(text: str) -> str:
    """Return an interval of SQL, or refuse what is none."""
    parts = text.split()
    units = ("MINUTE", "HOUR", "DAY", "WEEK", "MONTH")
    if len(parts) != 2 or not parts[0].isdigit() or parts[1].upper().rstrip("S") not in units:
        raise click.BadParameter(f"use a number and a unit ({', '.join(units)}), such as 12 HOUR", param_hint="--since")
    return f"{int(parts[0])} {parts[1].upper().rstrip('S')}"


def rows_of(
    clickhouse: ClickHouse, table: str, columns: tuple[str, str], interval: str, limit: int
) -> Iterator[dict[str, Any]]:
    """Yield id and text of the newest rows of a table, a page at a time."""
    key, text = columns
    for offset in range(0, limit, PAGE):
        order = f"ORDER BY received DESC, kafka_partition, kafka_offset, {key}"
        page = clickhouse.rows(
            f"SELECT {key} AS id, {text} AS text FROM {table} WHERE received > now() - INTERVAL {interval} {order}"  # noqa: S608 - checked_interval
            f" LIMIT {min(PAGE, limit - offset)} OFFSET {offset}"
        )
        yield from page
        if len(page) < PAGE:
            return
