"""Logs: one JSON object a line on standard error, without anything of an event."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

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
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _places(record.exc_info[1])
        return _encode(line).decode()


def configure_logs(level: str) -> None:
    """Send every logger's records of this level and above to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("aiokafka", "faust", "mode", "aiohttp"):
        logging.getLogger(noisy).setLevel(max(logging.getLevelName(level.upper()), logging.WARNING))
    # They warn of each failed request; what has failed, and when it is tried again, is said by the one who asked.
    for echoing in ("urllib3", "clickhouse_connect"):
        logging.getLogger(echoing).setLevel(max(logging.getLevelName(level.upper()), logging.ERROR))


def _places(error: BaseException) -> str:
    places = []
    walked = error.__traceback__
    while walked is not None:
        code = walked.tb_frame.f_code
        places.append(f"{code.co_filename}:{walked.tb_lineno} {code.co_name}")
        walked = walked.tb_next
    return f"{type(error).__name__} at " + " < ".join(reversed(places))
