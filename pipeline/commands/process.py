"""``aftershock process``: the stages alone, over lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from pipeline.config.settings import load_settings
from pipeline.inbound import Inbound
from pipeline.stages.tryout import Tryout

READ_BYTES = 1024 * 1024
MOST_LINES = 1000
"""How much is read, and how many lines are answered, at a time."""


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--config", type=click.Path(path_type=Path), help="The settings file.  [default: aftershock.toml]")
@click.option("--project", default="", help="The project of all events, as the Kafka header says it.")
def command(file: BinaryIO, config: Path | None, project: str) -> None:
    """Try the stages on events from a file or from standard input, without any server.

    Reads one event a line and writes one JSON object a line, in the same order, whatever the line holds:

    \b
      {"event": {...}, "fingerprint": "5be1...", "reason": null}

    event is the scrubbed payload as it would be stored, field by field as it was sent, and one field more: "stored"
    has all other columns of its row (title, culprit, tags, frames, times...), for a transaction or a span the list
    of its rows. fingerprint is the issue; null for transactions and spans. What would not be stored has null for
    both, and reason says why: "stage: reason". An empty line is refused like any other that is no event.

    The project is --project, else the event's field project, else "default". Filters, scrubbing and grouping are
    those of the settings; AFTERSHOCK_HASH_KEY keys the hashes. Lines are answered as they arrive.

    \b
    Examples:
      aftershock process < events.jsonl > processed.jsonl
      aftershock process events.jsonl | jq -r '.fingerprint // .reason' | sort | uniq -c
      echo '{"message": "mail to bob@example.com"}' | aftershock process
      aftershock process events.jsonl --config stricter.toml --project shop
    """
    # Only now: it loads Hyperscan and all the stages, which --help need not wait for.
    from pipeline.stages.assemble import make_transform

    settings = load_settings(config)
    tryout = Tryout(
        make_transform(settings),
        Inbound(settings.inbound),
        project=project,
        topic_prefix=settings.kafka.topic_prefix,
    )
    output = click.get_binary_stream("stdout")
    for lines in arriving(file):
        answers = tryout.run(lines)
        output.writelines(answer + b"\n" for answer in answers)
        output.flush()


def arriving(file: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the lines of a file, without their ends: those that are there to be read without waiting."""
    begun: list[bytes] = []
    while chunk := _read(file):
        *whole, rest = chunk.split(b"\n")
        if whole:
            begun.append(whole[0])
            whole[0] = b"".join(begun)
            begun = []
            for first in range(0, len(whole), MOST_LINES):
                yield whole[first : first + MOST_LINES]
        begun.append(rest)
    last = b"".join(begun)
    if last:
        yield [last]


def _read(file: BinaryIO) -> bytes:
    read1 = getattr(file, "read1", file.read)
    found: bytes = read1(READ_BYTES)
    return found
