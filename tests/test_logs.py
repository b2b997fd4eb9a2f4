"""Log lines are JSON, and hold nothing of an event."""

from __future__ import annotations

import json
import logging

from pipeline.logs import JsonLines, configure_logs

SECRET = "hunter2"


def formatted(message: str, *arguments: object, error: BaseException | None = None) -> dict[str, str]:
    info = (type(error), error, error.__traceback__) if error else None
    line = JsonLines().format(logging.LogRecord("pipeline.x", logging.WARNING, __file__, 1, message, arguments, info))
    assert "\n" not in line
    return json.loads(line)


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


def test_noisy_libraries_speak_only_of_trouble(monkeypatch, capsys) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        configure_logs("info")
        logging.getLogger("aiokafka.consumer").info("chatter")
        logging.getLogger("pipeline.x").info("said")
        logging.getLogger("faust").warning("trouble")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["message"] for line in lines] == ["said", "trouble"]
    finally:
        root.handlers[:], root.level = before[0], before[1]
        for name in ("aiokafka", "faust", "mode", "aiohttp", "urllib3", "clickhouse_connect"):
            logging.getLogger(name).setLevel(logging.NOTSET)
