"""``aftershock dead-letters``: list, show and replay what could not be processed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import click
import msgspec

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors, plural, printable, show_table
from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.kafka import ProducerRecord
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Refused
from pipeline.store.replay import Contents, Letter, contents, replay
from schemas.topics import DEAD_LETTERS

LATEST = """
SELECT concat(kafka_topic, '/', kafka_partition, '/', kafka_offset) AS source,
       formatDateTime(received, '%Y-%m-%dT%H:%i:%SZ') AS time, project, stage, reason, bytes
FROM dead_letters
WHERE {stage:String} IN ('', stage)
ORDER BY received DESC, kafka_offset DESC
LIMIT {limit:UInt32}
"""
COLUMNS = ("source", "time", "project", "stage", "bytes", "reason")


@click.group()
def command() -> None:
    """List, show and replay what could not be processed.

    A dead letter is a message that a stage refused, whole, as it arrived: nothing in it was scrubbed. Its bytes are
    on the topic dead-letters alone; ClickHouse's table dead_letters has where it came from and why.

    A letter is named by where the original was, topic/partition/offset, or by partition-offset on the dead-letters
    topic.

    \b
    Examples:
      aftershock dead-letters list
      aftershock dead-letters show errors/2/1234
      aftershock dead-letters replay --stage store
    """


@command.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The latest so many.")
@click.option("--stage", default="", help="Only those that this stage refused.")
@click.option(
    "--from",
    "place",
    type=click.Choice(("clickhouse", "topic")),
    default="clickhouse",
    show_default=True,
    help="The table, which keeps 14 days; or the topic, which keeps 3 and knows what was replayed.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
@with_settings
def list_command(
    settings: Settings, *, limit: int, stage: str, place: Literal["clickhouse", "topic"], as_json: bool
) -> None:
    """List the latest dead letters, newest first.

    \b
    Examples:
      aftershock dead-letters list
      aftershock dead-letters list --stage decode --limit 10
      aftershock dead-letters list --from topic --json | jq -r 'select(.state == "") | .source'
    """
    one_line_errors()
    columns: tuple[str, ...] = COLUMNS
    if place == "topic":
        columns = ("name", "state", *COLUMNS)
        letters = [one for one in _contents(settings.kafka).letters if stage in ("", one.origin.stage)]
        rows = [_row(one) for one in sorted(letters, key=lambda one: one.origin.time, reverse=True)[:limit]]
    else:
        rows = ClickHouse(settings.clickhouse).rows(LATEST, {"stage": stage, "limit": limit})
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode({name: row[name] for name in columns}))
        return
    show_table(columns, ([str(row[name]) for name in columns] for row in rows), [name == "bytes" for name in columns])


@command.command()
@click.argument("name")
@click.option("--raw", is_flag=True, help="Write the original bytes, which were never scrubbed, and nothing else.")
@with_settings
def show(settings: Settings, *, name: str, raw: bool) -> None:
    """Show one dead letter: where it came from, and why it was refused.

    \b
    Examples:
      aftershock dead-letters show errors/2/1234
      aftershock dead-letters show 0-17
      aftershock dead-letters show 0-17 --raw > letter.json
    """
    one_line_errors()
    [letter] = _named(_contents(settings.kafka), (name,))[-1:]
    if raw:
        output = click.get_binary_stream("stdout")
        output.write(asyncio.run(_bytes_of(settings.kafka, letter)))
        output.flush()
        return
    for field, value in _row(letter).items():
        click.echo(f"{field + ':':9} {printable(str(value))}")


@command.command("replay")
@click.argument("names", nargs=-1)
@click.option("--stage", default="", help="Those that this stage refused.")
@click.option("--again", is_flag=True, help="Also those that were replayed before; they must be named.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@with_settings
def replay_command(settings: Settings, *, names: tuple[str, ...], stage: str, again: bool, dry_run: bool) -> None:
    """Send dead letters back to the topic they came from, for instance after an update: all, or those named.

    Key and bytes are the original ones, the header project says the project, and the header replayed-from names the
    letter. Each letter is sent once, whoever replays, how often and at what time: what was replayed is written on
    the dead-letters topic before it is sent. Should a replay be killed in between, letters remain that perhaps were
    not sent: list --from topic shows them as unsure, and replay --again NAME sends them in any case.

    \b
    Examples:
      aftershock dead-letters replay --dry-run
      aftershock dead-letters replay --stage scrub
      aftershock dead-letters replay errors/2/1234 errors/0/77
      aftershock dead-letters replay --again 0-17
    """
    if names and stage:
        raise click.UsageError("name letters, or say --stage STAGE, not both")
    if again and not names:
        raise click.UsageError("--again needs the names of the letters")
    one_line_errors()
    found = _contents(settings.kafka)
    chosen = _named(found, names) if names else [one for one in found.letters if stage in ("", one.origin.stage)]
    free = [letter for letter in chosen if again or not letter.state]
    _say_unsure(letter for letter in chosen if letter.state == "unsure" and not again)
    before = f"; replayed before: {len(chosen) - len(free)}" if len(chosen) > len(free) else ""
    if dry_run:
        for letter in free:
            click.echo(f"{letter.source} ({letter.origin.stage}, {letter.size} bytes)")
        click.echo(f"would replay {plural(len(free), 'dead letter')}{before}", err=True)
        return
    if free:
        asyncio.run(kafka.require_topics(settings.kafka, sorted({letter.origin.topic for letter in free})))
    sent = asyncio.run(replay(settings.kafka, free, found.read_to, refused=_refused)) if free else 0
    click.echo(f"replayed {plural(sent, 'dead letter')}{before}", err=True)
    if sent < len(free):
        raise Refused("replay", f"{len(free) - sent} were not sent: another replay has them, or Kafka refused them")


def _contents(settings: KafkaSettings) -> Contents:
    asyncio.run(kafka.require_topics(settings, (DEAD_LETTERS.name,)))
    return asyncio.run(contents(settings))


async def _bytes_of(settings: KafkaSettings, letter: Letter) -> bytes:
    async for record in kafka.read_to_end(settings, DEAD_LETTERS.name, {letter.partition: letter.offset}):
        if (record.partition, record.offset) == (letter.partition, letter.offset):
            return record.value or b""
    raise _no_letter(letter.source)


def _named(found: Contents, names: Iterable[str]) -> list[Letter]:
    chosen: dict[str, Letter] = {}
    for name in names:
        called = [letter for letter in found.letters if letter.is_called(name)]
        if not called:
            raise _no_letter(name)
        chosen |= {letter.id: letter for letter in called}
    return list(chosen.values())


def _no_letter(name: str) -> Refused:
    return Refused(
        "dead-letters",
        f"no letter {printable(name)} on the topic: it keeps {DEAD_LETTERS.retention_ms // 86_400_000} days; see "
        "`aftershock dead-letters list --from topic`",
    )


def _row(letter: Letter) -> dict[str, Any]:
    origin = letter.origin
    return {
        "name": f"{letter.partition}-{letter.offset}",
        "source": letter.source,
        "time": datetime.fromtimestamp(origin.time / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "project": origin.project,
        "stage": origin.stage,
        "reason": origin.reason,
        "bytes": letter.size,
        "state": letter.state,
    }


def _say_unsure(letters: Iterable[Letter]) -> None:
    for letter in letters:
        click.echo(
            f"{letter.source}: a replay began to send it and did not finish: look for it, or replay --again "
            f"{letter.partition}-{letter.offset}",
            err=True,
        )


def _refused(message: ProducerRecord, reason: str) -> None:
    click.echo(f"{message.origin}: {reason}", err=True)
