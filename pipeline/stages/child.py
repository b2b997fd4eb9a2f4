"""The process of the stages: batches in over a socket, rows and counts out, until the worker is gone.

Started by :class:`pipeline.stages.parent.StageProcess` and by nobody else. It does not look at signals: the worker ends
it by closing the socket, when what is in flight is done, and if the worker is killed the socket closes by itself.
"""

from __future__ import annotations

import logging
import pickle
import signal
import socket
import time
from collections.abc import Iterable, Iterator

from pipeline.errors import Misconfigured
from pipeline.issues.states import IssueStates
from pipeline.records.record import TOGETHER, Boundaries, Record, Source
from pipeline.records.record_batches import Unreadable, described, records_of
from pipeline.runtime.logs import configure_logs
from pipeline.runtime.memory import collect_seldom, share_one_heap
from pipeline.stages import messages
from pipeline.stages.assemble import make_transforms
from pipeline.stages.batch import ApartBatch, StagedBatch
from pipeline.stages.channel import Channel
from pipeline.tables.columns import COLUMNS
from pipeline.tables.dead_letters import unreadable_letter
from pipeline.tables.downsampling import Downsampler

log = logging.getLogger(__name__)

MOST_BYTES = 2 << 20
"""So many bytes of values go through the stages at a time at most, and one record more."""


class OpenedBatch:
    """A batch whose record batches are opened, and whose records go through the stages some at a time.

    Args:
        begin: which records are its own.
        topic: the topic with its prefix.
        batch: takes the records.
    """

    def __init__(self, begin: messages.Begin, topic: str, batch: StagedBatch | ApartBatch) -> None:
        self._begin = begin
        self._topic = topic
        self._batch = batch
        self._records: list[Record] = []
        self._bytes = 0
        self._next_offset = begin.start

    def take(self, record_batches: Iterable[bytes]) -> Iterator[messages.Answer]:
        """Take record batches; yield what comes of them by and by."""
        for data in record_batches:
            try:
                for record in records_of(data, self._topic, self._begin.partition):
                    if record.offset > self._begin.last:
                        break
                    if record.offset >= self._begin.start:
                        self._add(record)
                        if len(self._records) == TOGETHER or self._bytes >= MOST_BYTES:
                            yield self._staged()
            except Unreadable as unreadable:
                self._refuse(unreadable, data)

    def end(self) -> Iterator[messages.Answer]:
        """Yield what comes of the last records, and of the batch as a whole."""
        if self._records:
            yield self._staged()
        yield from self._batch.end()

    def _add(self, record: Record) -> None:
        self._records.append(record)
        self._bytes += len(record.value or b"")
        self._next_offset = record.offset + 1

    def _staged(self) -> messages.Lines | messages.Apart:
        records, self._records, self._bytes = self._records, [], 0
        return self._batch.take(records)

    def _refuse(self, unreadable: Unreadable, data: bytes) -> None:
        of = described(data)
        missing = max(self._next_offset, of.first)
        # Behind the batch's end it is for the batch after this one to say; behind the record batch's none is missing.
        if missing <= min(self._begin.last, of.last):
            now_ms = int(time.time() * 1000)
            self._batch.refuse(unreadable_letter(unreadable, self._begin.topic, self._begin.partition, missing, now_ms))


class Stages:
    """The stages of all topics, compiled for the settings, and the batch that is on its way through them.

    Raises:
        Misconfigured: they cannot be compiled for these settings.
    """

    def __init__(self, setup: messages.Setup) -> None:
        settings = pickle.loads(setup.settings)  # noqa: S301  the worker's own
        self._states = IssueStates()
        self._processes = make_transforms(settings, self._states)
        self._downsampler = Downsampler(settings.storage)
        self._prefix = settings.kafka.topic_prefix
        self._batch: OpenedBatch | None = None

    def answers(self, request: messages.Request) -> Iterator[messages.Answer]:
        """Do what is asked; yield the answers."""
        match request:
            case messages.Take(record_batches) if self._batch is not None:
                yield from self._batch.take(record_batches)
            case messages.Begin():
                self._batch = self._begun(request)
            case messages.End() if self._batch is not None:
                batch, self._batch = self._batch, None
                yield from batch.end()
            case messages.Change(project, fingerprint, change):
                self._states.put(project, fingerprint, change)
            case _:
                raise RuntimeError(f"{type(request).__name__} was not expected now")

    def _begun(self, begin: messages.Begin) -> OpenedBatch:
        source = Source(begin.topic, begin.incarnation, begin.partition)
        processing = self._processes[begin.topic](source, Boundaries(begin.first, begin.last))
        batch = ApartBatch(processing, COLUMNS) if begin.apart else StagedBatch(processing, self._downsampler)
        return OpenedBatch(begin, self._prefix + begin.topic, batch)


def serve(channel: Channel[messages.Request]) -> None:
    """Set the stages up as the first message says, and answer until the other end is gone."""
    setup = channel.receive()
    if not isinstance(setup, messages.Setup):
        return
    configure_logs(setup.log_level)
    try:
        stages = Stages(setup)
    except Misconfigured as wrong:
        channel.send(messages.Ready(str(wrong)))
        return
    del setup
    collect_seldom()
    channel.send(messages.Ready())
    while (request := channel.receive()) is not None:
        for answer in stages.answers(request):
            channel.send(answer)


def main(descriptor: int) -> None:
    """Serve the worker at the other end of the socket with this number."""
    share_one_heap()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    channel: Channel[messages.Request] = Channel(socket.socket(fileno=descriptor), messages.Request)
    try:
        serve(channel)
    except BrokenPipeError:
        log.debug("the worker is gone")
    except Exception as error:
        # Its text may quote an event; the places in the code do not.
        log.exception("the process of the stages stops: %s", type(error).__name__)
        raise SystemExit(1) from None
