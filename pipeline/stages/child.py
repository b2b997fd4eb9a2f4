"""The process of the stages: batches in over a socket, rows and counts out, until the worker is gone.

Started by :class:`pipeline.stages.parent.StageProcess` and by nobody else. It does not look at signals: the worker ends
it by closing the socket, when what is in flight is done, and if the worker is killed the socket closes by itself.
"""

from __future__ import annotations

import logging
import pickle
import signal
import socket
from collections.abc import Sequence

from pipeline.assemble import make_processes
from pipeline.errors import Misconfigured
from pipeline.issues.states import IssueStates
from pipeline.logs import configure_logs
from pipeline.memory import collect_seldom, share_one_heap
from pipeline.records import Boundaries, Source
from pipeline.stages import messages
from pipeline.stages.batch import ApartBatch, StagedBatch
from pipeline.stages.channel import Channel
from pipeline.tables.columns import COLUMNS
from pipeline.thin import Thinner

log = logging.getLogger(__name__)


class Stages:
    """The stages of all topics, compiled for the settings, and the batch that is on its way through them.

    Raises:
        Misconfigured: they cannot be compiled for these settings.
    """

    def __init__(self, setup: messages.Setup) -> None:
        settings = pickle.loads(setup.settings)  # noqa: S301  the worker's own
        self._states = IssueStates()
        self._processes = make_processes(settings, self._states)
        self._thinner = Thinner(settings.storage)
        self._batch: StagedBatch | ApartBatch | None = None

    def answers(self, request: messages.Request) -> Sequence[messages.Answer]:
        """Do what is asked; return the answers."""
        match request:
            case messages.Take(records) if self._batch is not None:
                return (self._batch.take(records),)
            case messages.Begin():
                self._begin(request)
            case messages.End() if self._batch is not None:
                batch, self._batch = self._batch, None
                return batch.end()
            case messages.Change(project, fingerprint, change):
                self._states.put(project, fingerprint, change)
            case _:
                raise RuntimeError(f"{type(request).__name__} was not expected now")
        return ()

    def _begin(self, begin: messages.Begin) -> None:
        source = Source(begin.topic, begin.incarnation, begin.partition)
        processing = self._processes[begin.topic](source, Boundaries(begin.first, begin.last))
        self._batch = ApartBatch(processing, COLUMNS) if begin.apart else StagedBatch(processing, self._thinner)


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
