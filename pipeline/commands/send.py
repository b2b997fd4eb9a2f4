"""``aftershock send``: events from files to Kafka."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import click
import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import on_terminal, one_line_errors, plural
from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.kafka import ProducerRecord
from pipeline.errors import Refused
from pipeline.payload.route import Route, route
from schemas.topics import ERRORS, SPANS

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.File("rb"))
@click.option("--project", default="", help="The project of all events; wins over their own field project.")
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Send each file so many times.")
@click.option("--raw", is_flag=True, help="Send each line as it is, whatever it holds.")
@with_settings
def command(settings: Settings, *, files: tuple[BinaryIO, ...], project: str, repeat: int, raw: bool) -> None:
    """Send events from files (- is standard input) to Kafka.

    A file holds one event as a JSON object, an array of them, or one a line. Transactions and spans go to the topic
    spans under their trace id, everything else goes to errors under its event id. Nothing is checked but that each
    is a JSON object; what is not is named with its line and left out, the rest is sent, and the exit code is 3.

    With --raw nothing is checked at all, and each line is one message, empty ones too: that is how to see what
    becomes of bad input.

    \b
    Examples:
      aftershock send event.json
      aftershock send --project shop monday.jsonl tuesday.jsonl
      zcat events.jsonl.gz | aftershock send -
      printf 'not an event\\n' | aftershock send --raw -
    """
    one_line_errors()
    asyncio.run(kafka.require_topics(settings.kafka, (ERRORS.name, SPANS.name)))
    if repeat > 1 and sys.stdin.buffer in files:
        raise click.UsageError("--repeat needs files: standard input can be read once only")
    tally = Tally()
    headers = (("project", project.encode()),) if project else ()
    with tally.shown():
        messages = _messages(files, repeat, headers, tally, raw=raw)
        asyncio.run(kafka.send_all(settings.kafka, messages, sent=tally.sent, refused=tally.refused))
    if tally.refusals:
        raise Refused("send", f"{tally.refusals} of {tally.refusals + tally.count} were not sent: see above")


class Tally:
    """Counts what was sent and refused, and shows it on standard error."""

    def __init__(self) -> None:
        self.count = 0
        self.refusals = 0
        self._console = Console(stderr=True, highlight=False)
        columns = SpinnerColumn(), TextColumn("sent"), MofNCompleteColumn(), TextColumn("events"), TimeElapsedColumn()
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("sent", total=None)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress on a terminal, and what was done at the end."""
        started = time.monotonic()
        try:
            if on_terminal(sys.stderr):
                with self._progress:
                    yield
            else:
                yield
        finally:
            seconds = time.monotonic() - started
            click.echo(f"sent {plural(self.count, 'event')} in {seconds:.1f} s", err=True)

    def sent(self, _message: ProducerRecord) -> None:
        """Count a message that Kafka has."""
        self.count += 1
        self._progress.advance(self._task)

    def refused(self, message: ProducerRecord, reason: str) -> None:
        """Name a message that Kafka does not take."""
        self.refuse(message.origin, reason)

    def refuse(self, origin: str, reason: str) -> None:
        """Name something that is not sent."""
        self.refusals += 1
        click.echo(f"{origin}: {reason}: not sent", err=True)


def _messages(
    files: Iterable[BinaryIO], repeat: int, headers: tuple[tuple[str, bytes], ...], tally: Tally, *, raw: bool
) -> Iterator[ProducerRecord]:
    for file in files:
        for number in range(repeat):
            if number:
                file.seek(0)
            for origin, event in _lines(file) if raw else events_of(file):
                try:
                    topic, key = route(event)
                except ValueError as error:
                    if not raw:
                        tally.refuse(origin, str(error))
                        continue
                    topic, key = Route(ERRORS.name, None)
                yield ProducerRecord(topic, key, event, headers, origin)


def events_of(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Yield the events of a file, each with where it stands: ``file:line``, or ``file, element n`` of an array.

    A file of lines is read line by line, one that is a single object or an array as a whole.
    """
    lines = ((origin, line) for origin, line in _lines(file) if line.strip())
    first = next(lines, None)
    if first is None:
        return
    if not _continues(first[1]):
        yield first
        yield from lines
        return
    rest = [first, *lines]
    text = b"\n".join(line for _, line in rest)
    if _is_object(text):
        yield _name(file), text
        return
    try:
        elements = _ELEMENTS.decode(text)
    except (msgspec.DecodeError, RecursionError):
        yield from rest
    else:
        yield from ((f"{_name(file)}, element {number}", bytes(one)) for number, one in enumerate(elements, 1))


def _continues(line: bytes) -> bool:
    """Say whether a first line is not an event by itself, but may be the beginning of an object or an array."""
    return line.lstrip().startswith((b"[", b"{")) and not _is_object(line)


def _is_object(text: bytes) -> bool:
    try:
        route(text)
    except ValueError:
        return False
    return True


def _lines(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(file, 1):
        yield f"{_name(file)}:{number}", line.removesuffix(b"\n")


def _name(file: BinaryIO) -> str:
    return str(getattr(file, "name", "<stdin>"))
