"""Log lines are JSON, and hold nothing of an event."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.runtime.logs import JsonLines, QuietHandler, configure_logs
from pipeline.runtime.repeated_lines import Repeats

SECRET = "hunter2"


def formatted(message: str, *arguments: object, error: BaseException | None = None) -> dict[str, str]:
    info = (type(error), error, error.__traceback__) if error else None
    line = JsonLines().format(logging.LogRecord("pipeline.x", logging.WARNING, __file__, 1, message, arguments, info))
    assert "\n" not in line
    found: dict[str, str] = json.loads(line)
    return found


def test_a_record_is_one_line_of_json() -> None:
    found = formatted("topic %s: %d", "errors", 5)
    assert found.keys() == {"time", "level", "logger", "message"}
    assert (found["level"], found["logger"], found["message"]) == ("warning", "pipeline.x", "topic errors: 5")
    assert found["time"].endswith("+00:00")


def test_of_an_exception_the_type_and_the_place_are_written_and_never_the_message() -> None:
    def inner() -> None:
        raise ValueError(SECRET)

    try:
        try:
            inner()
        except ValueError as cause:
            raise KeyError(SECRET) from cause
    except KeyError as error:
        found = formatted("the worker stops", error=error)
    assert SECRET not in json.dumps(found)
    assert found["exception"].startswith("KeyError at ")
    assert "test_logs.py" in found["exception"]


def test_a_message_of_several_lines_stays_on_one() -> None:
    assert formatted("a\nb")["message"] == "a\nb"


def test_noisy_libraries_speak_only_of_trouble(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    hooks = (threading.excepthook, sys.unraisablehook)
    try:
        configure_logs("info")
        logging.getLogger("aiokafka.consumer").info("chatter")
        logging.getLogger("pipeline.x").info("said")
        logging.getLogger("faust").warning("trouble")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["message"] for line in lines] == ["said", "trouble"]
    finally:
        root.handlers[:], root.level = before[0], before[1]
        threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        for name in ("aiokafka", "faust", "mode", "aiohttp", "urllib3", "clickhouse_connect"):
            logging.getLogger(name).setLevel(logging.NOTSET)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def quiet() -> Iterator[tuple[logging.Logger, io.StringIO, QuietHandler, Clock]]:
    stream, clock = io.StringIO(), Clock()
    handler = QuietHandler(stream, Repeats(), clock)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("aiokafka.test")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream, handler, clock
    logger.removeHandler(handler)
    handler.close()


def messages(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["message"] for line in stream.getvalue().splitlines()]


def test_of_lines_that_repeat_each_other_the_first_is_written_and_then_their_number(quiet: Any) -> None:
    logger, stream, handler, clock = quiet
    for number in range(413):
        logger.error("Unable connect to node with id %s", number)
    assert messages(stream) == ["Unable connect to node with id 0"]
    clock.now = 30
    handler.tell()
    assert messages(stream)[1:] == ["Unable connect to node with id 0 (repeated 412 times in 30 s)"]


def test_the_number_is_written_by_itself_and_at_the_end(quiet: Any) -> None:
    logger, stream, handler, clock = quiet
    clock.now = 0
    handler._repeats = Repeats(every_s=0.05)
    for _ in range(3):
        logger.warning("again")
    deadline = time.monotonic() + 5
    while len(messages(stream)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert messages(stream)[1].startswith("again (repeated 2 times")
    logger.warning("again")
    handler.close()
    assert len(messages(stream)) == 3


def test_lines_below_warning_are_all_written(quiet: Any) -> None:
    logger, stream, *_ = quiet
    logger.setLevel(logging.INFO)
    for _ in range(3):
        logger.info("said")
    assert messages(stream) == ["said"] * 3


def test_what_asyncio_says_of_a_forgotten_task_does_not_quote_its_exception() -> None:
    """Its message goes on with the exception's own words, which may quote an event."""
    line = JsonLines().format(
        logging.LogRecord(
            "asyncio", logging.ERROR, __file__, 1, f"Task exception was never retrieved\nfuture: {SECRET}", None, None
        )
    )
    assert json.loads(line)["message"] == "Task exception was never retrieved"


def test_what_python_itself_would_write_is_json_too(tmp_path: Path) -> None:
    """Warnings, exceptions of threads, exceptions in finalizers, tasks that nobody has waited for."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import asyncio, gc, threading, warnings
            from pipeline.runtime.logs import configure_logs

            configure_logs("info")
            warnings.warn("a warning", stacklevel=1)
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()

            class Bad:
                def __del__(self):
                    raise ValueError("{SECRET}")

            del_me = Bad()
            del del_me

            async def fails():
                raise ValueError("{SECRET}")

            async def forgets():
                asyncio.create_task(fails())
                await asyncio.sleep(0.01)
                gc.collect()

            asyncio.run(forgets())
            """
        )
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["py.warnings", "pipeline", "pipeline", "asyncio"]
    assert "ZeroDivisionError" in lines[1]["message"]
    assert SECRET not in done.stderr
