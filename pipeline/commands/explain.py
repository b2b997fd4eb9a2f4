"""``aftershock explain``: why an event belongs to its issue."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors, printable
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Misconfigured
from pipeline.fingerprint import Grouped, Grouping
from pipeline.payload import normalize
from pipeline.payload.decode import decode, decode_again
from pipeline.scrub import Scrubber

_EVENT_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_STORED = """
SELECT project, payload, fingerprint, grouping_version AS version, grouping_rule AS rule
FROM errors WHERE event_id = {event_id:String} LIMIT 1
"""


class Stored(Struct):
    """What ClickHouse has of an event: the scrubbed payload, and how it was grouped when it came."""

    project: str
    payload: str
    fingerprint: str
    version: str
    rule: str


@click.command()
@click.argument("event")
@click.option("--project", default="", help="The project of an event from a file; else the one that it names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for other programs.")
@with_settings
def command(settings: Settings, *, event: str, project: str, as_json: bool) -> None:
    """Show why an event belongs to its issue.

    EVENT is a file with one event as JSON, - for standard input, or the id of an event that is stored in ClickHouse.
    Shown are the title, the culprit, the fingerprint, what decided it (a rule of the settings, the client, the stack
    trace, the message...) and every component that went into it, in order. An event from a file is scrubbed first,
    like every event that is stored.

    \b
    Examples:
      aftershock explain event.json
      aftershock explain 9f2c4e5a1b3d4f6e8a7b6c5d4e3f2a1b
      aftershock explain - --json < event.json
    """
    one_line_errors()
    grouping = Grouping(settings.grouping)
    if event != "-" and _EVENT_ID.fullmatch(event) and not Path(event).exists():
        stored = _stored(settings, event.replace("-", "").lower())
        grouped = grouping.group(decode_again(stored.payload.encode()), stored.project)
        then = stored.fingerprint
    else:
        grouped = _of_file(settings, grouping, event, project)
        then = grouped.fingerprint
    click.echo(msgspec.json.encode(grouped).decode() if as_json else as_text(grouped))
    if then != grouped.fingerprint:
        said = f"It was stored under another fingerprint, {then}: the settings or the version have changed since."
        click.echo(said, err=True)


def _of_file(settings: Settings, grouping: Grouping, name: str, project: str) -> Grouped:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{name}: cannot be read ({error.strerror}): name a file, - or an event id") from error
    decoded = decode(raw)
    project = project or normalize.text(decoded.event.project) or normalize.DEFAULT_PROJECT
    scrubbed = Scrubber(settings.scrub).scrub(decoded.payload, project, decoded.event.environment or "")
    return grouping.group(decode_again(scrubbed.payload), project)


def _stored(settings: Settings, event_id: str) -> Stored:
    rows = ClickHouse(settings.clickhouse).rows(_STORED, {"event_id": event_id})
    if not rows:
        raise Misconfigured(f"no event with the id {event_id} is stored: check the id, or name a file")
    return msgspec.convert(rows[0], Stored)


def as_text(grouped: Grouped) -> str:
    """Return what people read: a few lines, then one line a component."""
    lines = [
        f"title        {printable(grouped.title)}",
        f"culprit      {printable(grouped.culprit) or '-'}",
        f"fingerprint  {grouped.fingerprint}",
        f"decided by   {printable(grouped.rule)} ({grouped.version})",
        "components",
        *(f"  {printable(component)}" for component in grouped.components),
    ]
    return "\n".join(lines)
