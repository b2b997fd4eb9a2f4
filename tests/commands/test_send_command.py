"""``aftershock send``, against a real broker."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from commandline import Commands

from pipeline.commands.send import events_of
from pipeline.errors import Misconfigured, Unavailable

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


def sent(aftershock: Commands, topic: str = "errors") -> list[tuple[bytes | None, bytes]]:
    return [(record.key, record.value) for record in aftershock.on_topic(topic)]


def test_every_example_goes_to_its_topic_under_its_key(aftershock: Commands) -> None:
    errors, spans = sorted((EXAMPLES / "errors").glob("*.json")), sorted((EXAMPLES / "spans").glob("*.json"))
    result = aftershock.run("send", "--project", "shop", *map(str, (*errors, *spans)))
    assert result.exit_code == 0
    assert result.stderr.startswith(f"sent {len(errors) + len(spans)} events in ")
    expected = {}
    for file in errors:
        event = json.loads(file.read_bytes())
        expected[file.name] = (event.get("event_id"), event)
    on_errors = [(key.decode() if key else None, json.loads(value)) for key, value in sent(aftershock)]
    assert sorted(map(repr, on_errors)) == sorted(map(repr, expected.values()))
    on_spans = aftershock.on_topic("spans")
    assert len(on_spans) == len(spans)
    for record in on_spans:
        event = json.loads(record.value)
        trace = event.get("trace_id") or event["contexts"]["trace"]["trace_id"]
        assert record.key == trace.encode()
        assert dict(record.headers) == {"project": b"shop"}


@pytest.mark.parametrize(
    ("given", "events"),
    [
        (b'{"a": 1}', [("<stdin>:1", b'{"a": 1}')]),
        (b'{\n  "a": 1,\n  "b": {}\n}\n', [("<stdin>", b'{\n  "a": 1,\n  "b": {}\n}')]),
        (b'[{"a": 1},\n {"a": 2}]', [("<stdin>, element 1", b'{"a": 1}'), ("<stdin>, element 2", b'{"a": 2}')]),
        (b'{"a": 1}\n\n{"a": 2}', [("<stdin>:1", b'{"a": 1}'), ("<stdin>:3", b'{"a": 2}')]),
        (b"[]", []),
        (b"", []),
        (b"\n \r\n", []),
        (b"{broken\n{}\n", [("<stdin>:1", b"{broken"), ("<stdin>:2", b"{}")]),
        (b"[5\n{}", [("<stdin>:1", b"[5"), ("<stdin>:2", b"{}")]),
    ],
)
def test_forms_of_input(given: bytes, events: list[tuple[str, bytes]]) -> None:
    """An object on one line or on several, an array, lines with blank ones between; bad beginnings spoil one line."""
    assert list(events_of(io.BytesIO(given))) == events


def test_what_is_no_object_is_named_and_the_rest_is_sent(aftershock: Commands, tmp_path: Path) -> None:
    lines, array = tmp_path / "lines.jsonl", tmp_path / "array.json"
    lines.write_bytes(b'{"a": 1}\nnot json\n[1]\n{"a": 2}\n{"a": NaN}\n\xff\xfe\n{"a": 3}')
    array.write_bytes(b'[{"a": 4}, 5]')
    result = aftershock.run("send", str(lines), str(array))
    assert result.exit_code == 3
    for named in (f"{lines}:2: not JSON", f"{lines}:3: JSON, but not an object", f"{lines}:5: not JSON"):
        assert named in result.stderr
    assert f"{lines}:6: not JSON" in result.stderr
    assert f"{array}, element 2: JSON, but not an object" in result.stderr
    assert sorted(value for _, value in sent(aftershock)) == [b'{"a": %d}' % number for number in (1, 2, 3, 4)]


def test_raw_sends_every_line_as_it_is(aftershock: Commands) -> None:
    lines = [b"not json", b"", b"\xff\x00", b'{"type": "transaction"}', b'{"event_id": "e1"}', b"x" * 3_000_000]
    result = aftershock.run("send", "--raw", "-", stdin=b"\n".join(lines))
    assert result.exit_code == 0
    assert sorted(value for _, value in sent(aftershock)) == sorted(line for line in lines if b"trans" not in line)
    assert [value for _, value in sent(aftershock, "spans")] == [b'{"type": "transaction"}']


def test_a_message_that_no_topic_takes_is_named_and_the_rest_is_sent(aftershock: Commands) -> None:
    huge = b'{"message": "' + b"x" * 26 * 1024 * 1024 + b'"}'
    result = aftershock.run("send", "-", stdin=b'{"a": 1}\n' + huge + b'\n{"a": 2}\n')
    assert result.exit_code == 3
    assert "<stdin>:2: " in result.stderr
    assert "more than a topic takes" in result.stderr
    assert len(sent(aftershock)) == 2


def test_files_are_sent_as_often_as_asked(aftershock: Commands, tmp_path: Path) -> None:
    file = tmp_path / "two.jsonl"
    file.write_text('{"a": 1}\n{"a": 2}\n')
    assert "sent 6 events" in aftershock.run("send", "--repeat", "3", str(file)).stderr
    assert len(sent(aftershock)) == 6
    assert aftershock.run("send", "--repeat", "3", "-", stdin="{}").exit_code == 2


def test_without_topics_it_says_what_to_run(bare: Commands) -> None:
    result = bare.run("send", "-", stdin='{"a": 1}')
    assert isinstance(result.exception, Misconfigured)
    assert "aftershock migrate" in str(result.exception)


def test_without_a_broker_it_says_where_it_looked(bare: Commands) -> None:
    result = bare.run("send", "-", stdin='{"a": 1}', AFTERSHOCK_KAFKA="127.0.0.1:1")
    assert isinstance(result.exception, Unavailable)
    assert "127.0.0.1:1 does not answer" in str(result.exception)
