"""Replay: dead letters go back to the topic they came from, each once.

What was replayed is written on the ``dead-letters`` topic itself (:class:`schemas.dead_letter.Replay`), so no other
store has to agree with it, and it lasts as long as the letters do:

1. read the topic to its end: the letters, and which of them were claimed before;
2. claim those that are wanted and free, and wait until Kafka has the claims;
3. read on from where step 1 ended: a letter is ours if our claim is the first there;
4. send those, with the original key and bytes, and note that they were sent.

Whoever dies between 2 and 4 leaves letters that are claimed and perhaps not sent. They are not sent again by
themselves: rather not than twice. They are shown as ``unsure``, and a person can send them again by name.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from pipeline.edges import kafka
from pipeline.edges.kafka import ProducerRecord
from pipeline.edges.settings import KafkaSettings
from pipeline.errors import Unavailable
from schemas.dead_letter import REPLAYED_FROM, DeadLetter, Replay, letter_id
from schemas.topics import DEAD_LETTERS

State = Literal["", "unsure", "replayed"]

AT_A_TIME_BYTES = 32 * 1024 * 1024
AT_A_TIME = 500


class Letter(Struct):
    """A dead letter on the topic, without its bytes. ``state`` says whether it was replayed."""

    partition: int
    offset: int
    id: str
    origin: DeadLetter
    size: int
    state: State = ""

    @property
    def source(self) -> str:
        """Where the original was: ``topic/partition/offset``."""
        return f"{self.origin.topic}/{self.origin.partition}/{self.origin.offset}"

    def is_called(self, name: str) -> bool:
        """Say whether a name means this letter: its source, or ``partition-offset`` on the dead-letters topic."""
        return name in (self.source, f"{self.partition}-{self.offset}")


class Contents(Struct):
    """What is on the topic: its letters, those of one id once, and up to where it was read, by partition."""

    letters: list[Letter]
    read_to: dict[int, int]


async def contents(settings: KafkaSettings) -> Contents:
    """Read the dead-letters topic.

    Raises:
        Unavailable: Kafka cannot be reached.
    """
    letters: dict[str, Letter] = {}
    states: dict[str, State] = {}
    read_to: dict[int, int] = {}
    async for record in kafka.read_to_end(settings, DEAD_LETTERS.name):
        read_to[record.partition] = record.offset + 1
        replay = Replay.from_headers(record.headers)
        if replay is not None:
            # The latest word counts: a letter that is claimed again is unsure again.
            states[replay.replayed] = "replayed" if replay.state == "sent" else "unsure"
            continue
        letter = letter_of(record)
        if letter is not None:
            letters.setdefault(letter.id, letter)
    for letter in letters.values():
        letter.state = states.get(letter.id, "")
    return Contents(list(letters.values()), read_to)


def letter_of(record: Any) -> Letter | None:
    """Return the dead letter in a Kafka record; ``None`` when it is something else."""
    try:
        origin = DeadLetter.from_headers(record.headers)
    except ValueError:
        return None
    if not origin.topic or Replay.from_headers(record.headers) is not None:
        return None
    value = record.value or b""
    return Letter(record.partition, record.offset, letter_id(origin, value), origin, len(value))


async def replay(
    settings: KafkaSettings,
    letters: Iterable[Letter],
    read_to: Mapping[int, int],
    *,
    refused: Callable[[ProducerRecord, str], None],
) -> int:
    """Send letters back; return how many were sent. Those that another replay has claimed meanwhile are left to it.

    ``read_to`` is where the reading of the letters ended.

    Raises:
        Unavailable: Kafka does not answer; what was claimed and not sent is ``unsure`` from now on.
    """
    run = uuid.uuid4().hex
    claims = [_note(letter.id, run, "claimed") for letter in letters]
    await kafka.send_all(settings, claims, sent=_nothing, refused=_never)
    ours = await _won(settings, run, read_to)
    wanted = {(letter.partition, letter.offset) for letter in letters if letter.id in ours}
    count = 0
    async for messages in _in_parts(_originals(settings, wanted)):
        sent: list[ProducerRecord] = []
        await kafka.send_all(settings, messages, sent=sent.append, refused=refused)
        notes = [_note(message.origin, run, "sent") for message in sent]
        await kafka.send_all(settings, notes, sent=_nothing, refused=_never)
        count += len(sent)
    return count


async def _won(settings: KafkaSettings, run: str, read_to: Mapping[int, int]) -> set[str]:
    """Return the ids of the letters whose first claim after ``read_to`` is this run's."""
    first: dict[str, str] = {}
    async for record in kafka.read_to_end(settings, DEAD_LETTERS.name, read_to):
        claim = Replay.from_headers(record.headers)
        if claim is not None and claim.state == "claimed":
            first.setdefault(claim.replayed, claim.replay)
    return {letter for letter, winner in first.items() if winner == run}


async def _originals(settings: KafkaSettings, wanted: set[tuple[int, int]]) -> AsyncIterator[ProducerRecord]:
    """Yield the messages to send for the letters at these places of the dead-letters topic."""
    starts: dict[int, int] = {}
    for partition, offset in wanted:
        starts[partition] = min(offset, starts.get(partition, offset))
    async for record in kafka.read_to_end(settings, DEAD_LETTERS.name, starts):
        if (record.partition, record.offset) not in wanted:
            continue
        letter = letter_of(record)
        assert letter is not None
        headers = [(REPLAYED_FROM, letter.id.encode())]
        if letter.origin.project:
            headers.append(("project", letter.origin.project.encode()))
        if letter.origin.weight != 1:
            headers.append(("weight", str(letter.origin.weight).encode()))
        yield ProducerRecord(letter.origin.topic, record.key, record.value or b"", headers, letter.id)


async def _in_parts(messages: AsyncIterator[ProducerRecord]) -> AsyncIterator[list[ProducerRecord]]:
    part: list[ProducerRecord] = []
    size = 0
    async for message in messages:
        part.append(message)
        size += len(message.value)
        if size >= AT_A_TIME_BYTES or len(part) >= AT_A_TIME:
            yield part
            part, size = [], 0
    if part:
        yield part


def _note(letter: str, run: str, state: str) -> ProducerRecord:
    return ProducerRecord(DEAD_LETTERS.name, letter.encode(), b"", Replay(letter, run, state).headers(), letter)


def _nothing(_message: ProducerRecord) -> None:
    """Not counted: claims and notes are not letters."""


def _never(message: ProducerRecord, reason: str) -> None:
    raise Unavailable(f"the dead-letters topic did not take the claim of {message.origin}: {reason}")
