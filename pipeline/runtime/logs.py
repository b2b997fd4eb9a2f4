"""Logs: one JSON object a line on standard error, without anything of an event, and without endless repeats."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from pipeline.runtime.repeated_lines import OWN, Repeats, shape_of

MOST_PLACES = 1000
_encode = msgspec.json.Encoder().encode


class JsonLines(logging.Formatter):
    """Formats a record as ``{"time": …, "level": …, "logger": …, "message": …}``, with ``exception`` where one is.

    Of an exception only the types and the places in the code are written: messages of exceptions may quote events.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _places(record.exc_info[1])
        return _encode(line).decode()


class QuietHandler(logging.StreamHandler[TextIO]):
    """Writes records, but of warnings and errors that repeat each other only the first, and how many there were.

    Args:
        stream: where to.
        repeats: decides.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, stream: TextIO, repeats: Repeats, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._repeats = repeats
        self._clock = clock
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        if record.levelno < logging.WARNING or self._admits(record):
            super().emit(record)
        elif self._timer is None and (due := self._repeats.due) is not None:
            self._timer = threading.Timer(due - self._clock(), self.tell)
            self._timer.daemon = True
            self._timer.start()

    def _admits(self, record: logging.LogRecord) -> bool:
        try:
            message = _message(record)
            shape = shape_of(record.name, str(record.msg), message, exact=record.levelno >= logging.ERROR)
        except Exception:  # noqa: BLE001  a record that cannot be formatted is reported by logging itself
            return True
        if record.exc_info and record.exc_info[1] is not None:
            shape = shape._replace(text=f"{shape.text} {_places(record.exc_info[1])}"[:MOST_PLACES])
        return self._repeats.admit(shape, record.levelno, message, self._clock())

    def settle(self, subject: str) -> int:
        """Return how many lines about a server (``kafka``, ``clickhouse``) were left out since the last call."""
        with self._locked():
            return self._repeats.settle(subject)

    def tell(self) -> None:
        """Write how many lines were left out."""
        with self._locked():
            self._timer = None
            digest = self._repeats.digest(self._clock())
            if digest is not None:
                super().emit(logging.LogRecord(digest.shape.logger, digest.level, __file__, 0, str(digest), None, None))

    def close(self) -> None:
        """Write what is still to be told, and end."""
        if self._timer is not None:
            self._timer.cancel()
            self.tell()
        super().close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


def left_out(subject: str) -> int:
    """Return how many lines about a server (``kafka``, ``clickhouse``) were left out of the log since the last call."""
    return sum(handler.settle(subject) for handler in logging.getLogger().handlers if isinstance(handler, QuietHandler))


def configure_logs(level: str) -> None:
    """Send every logger's records of this level and above to standard error, as JSON lines.

    What Python itself would write there goes through the logs too: warnings, and exceptions that end a thread or that
    nobody can be told of.
    """
    handler = QuietHandler(sys.stderr, Repeats())
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable
    for noisy in ("aiokafka", "faust", "mode", "aiohttp"):
        logging.getLogger(noisy).setLevel(max(logging.getLevelName(level.upper()), logging.WARNING))
    # They warn of each failed request; what has failed, and when it is tried again, is said by the one who asked.
    for echoing in ("urllib3", "clickhouse_connect"):
        logging.getLogger(echoing).setLevel(max(logging.getLevelName(level.upper()), logging.ERROR))


def _message(record: logging.LogRecord) -> str:
    """Return a record's message; of asyncio's, which go on with an exception's own words, the first line."""
    message = record.getMessage()
    return message.partition("\n")[0] if record.name == "asyncio" else message


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "(gone)"
        logging.getLogger(OWN).error("thread %s ended: %s", name, ended.exc_type.__name__, exc_info=ended.exc_value)


def _log_unraisable(ignored: Any) -> None:
    # At the very end of a process modules are half gone, and nobody needs the line.
    with suppress(Exception):
        name = getattr(ignored.exc_type, "__name__", "an exception")
        logging.getLogger(OWN).warning("%s could not be raised", name, exc_info=ignored.exc_value)


def _places(error: BaseException) -> str:
    places = []
    walked = error.__traceback__
    while walked is not None:
        code = walked.tb_frame.f_code
        places.append(f"{code.co_filename}:{walked.tb_lineno} {code.co_name}")
        walked = walked.tb_next
    return f"{type(error).__name__} at " + " < ".join(reversed(places))
