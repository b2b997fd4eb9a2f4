"""``aftershock process``: one answer a line, in order, whatever the line holds; no server anywhere."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands.process import arriving, command
from pipeline.config.settings import Settings
from pipeline.errors import Misconfigured
from pipeline.inbound import EVERYTHING
from pipeline.stages.assemble import make_transform
from pipeline.stages.tryout import Tryout
from schemas.topics import MAX_EVENT_BYTES

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
ERRORS = sorted((EXAMPLES / "errors").glob("*.json"))
SPANS = sorted((EXAMPLES / "spans").glob("*.json"))


# Made once: compiling the scrubber takes longer than all that these tests do with it.
TRYOUT = Tryout(make_transform(Settings()), EVERYTHING)


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those that a test writes."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AFTERSHOCK_") and "TEST" not in name]:
        monkeypatch.delenv(name)


def answers(given: bytes, *options: str) -> list[dict]:
    result = CliRunner().invoke(command, options, input=given, catch_exceptions=False)
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def line(event: dict | list | str | float | None) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize("file", ERRORS, ids=lambda file: file.stem)
def test_an_error_keeps_its_fields_and_gains_its_row(file: Path) -> None:
    """The event navigates as it was sent; ``stored`` has the other columns; the fingerprint is the same in both."""
    sent = json.loads(file.read_bytes())
    [answer] = map(json.loads, TRYOUT.run([line(sent)]))
    event = answer["event"]
    assert answer["reason"] is None
    assert set(event) == {*sent, "stored"}
    assert event["stored"]["fingerprint"] == answer["fingerprint"]
    assert len(answer["fingerprint"]) == 32
    assert event["stored"]["title"]
    assert "payload" not in event["stored"]


@pytest.mark.parametrize("file", SPANS, ids=lambda file: file.stem)
def test_a_transaction_is_stored_as_the_rows_of_its_spans(file: Path) -> None:
    """Transactions and spans have no fingerprint; ``stored`` lists the root span and its children."""
    sent = json.loads(file.read_bytes())
    [answer] = map(json.loads, TRYOUT.run([line(sent)]))
    assert (answer["fingerprint"], answer["reason"]) == (None, None)
    rows = answer["event"]["stored"]
    assert len(rows) == 1 + len(sent.get("spans") or [])
    assert all(row["timestamp"].endswith("Z") and row["duration_ms"] >= 0 for row in rows)


def test_nested_values_are_where_they_were_sent_and_scrubbed() -> None:
    sent = {"exception": {"values": [{"type": "E", "value": "mail to bob@example.com"}]}, "extra": {"a": [{"b": 1}]}}
    [answer] = answers(line(sent))
    assert answer["event"]["exception"]["values"][0]["value"] == "mail to [email]"
    assert answer["event"]["extra"] == sent["extra"]
    assert answer["event"]["stored"]["exception_values"] == ["mail to [email]"]
    assert answer["event"]["stored"]["scrubbed"] == {"email exception.value": 1}


def test_refused_lines_keep_their_places_among_the_others() -> None:
    good = {"message": "fine"}
    given = b"".join((line(good), b"\n", b"{not json\n", line([good]), b"\xff\x00\xfe\n", line(good)))
    found = answers(given)
    assert [answer["reason"] is None for answer in found] == [True, False, False, False, False, True]
    assert all(answer["event"] is None and answer["fingerprint"] is None for answer in found[1:5])
    assert all(answer["reason"].startswith("decode: ") for answer in found[1:5])
    assert found[5]["event"]["stored"]["kafka_offset"] == 5


def test_every_line_counts_also_the_last_one_without_an_end() -> None:
    assert len(answers(b"\n\n\n")) == 3
    assert len(answers(b'{"message": "a"}\n{"message": "b"}')) == 2
    assert answers(b"") == []


def test_carriage_returns_are_blanks() -> None:
    [first, second] = answers(b'{"message": "a",\r "level": "info"}\r\n\r\n')
    assert first["event"]["level"] == "info"
    assert second["reason"].startswith("decode: ")


def test_what_some_readers_take_for_line_ends_is_escaped() -> None:
    text = "a\u2028b\u2029c\x85d"
    [answer] = answers(line({"message": text}))
    assert answer["event"]["message"] == text


def test_not_a_number_and_broken_text_are_mended() -> None:
    found = answers(
        b'{"message": "x", "extra": {"n": NaN, "m": -Infinity}}\n{"message": "\xff"}\n{"message": "\\ud800"}\n'
    )
    assert found[0]["event"]["extra"] == {"n": None, "m": None}
    assert found[0]["event"]["stored"]["mended"] == ["not-a-number"]
    assert found[1]["event"]["message"] == "\ufffd"
    assert found[2]["event"]["stored"]["mended"] == ["surrogates"]
    assert all(answer["reason"] is None for answer in found)


def test_a_line_of_thirty_megabytes_is_refused_and_the_next_one_is_not() -> None:
    huge = b'{"message": "' + b"x" * 30_000_000 + b'"}\n'
    [first, second] = answers(huge + b'{"message": "b"}\n')
    assert str(MAX_EVENT_BYTES) in first["reason"]
    assert second["reason"] is None


@pytest.mark.parametrize("text", [b"[", b'{"exception": 5, "x": ', b'"', b"{", b"\x00", b"nul"])
def test_what_is_cut_off_is_not_json(text: bytes) -> None:
    [answer] = map(json.loads, TRYOUT.run([text]))
    assert answer["reason"].startswith("decode: not JSON")


def test_a_field_of_the_wrong_type_before_a_value_that_is_no_number_is_mended() -> None:
    [answer] = map(json.loads, TRYOUT.run([b'{"exception": 5, "extra": {"n": NaN}}']))
    assert answer["event"]["stored"]["mended"] == ["not-a-number", "exception"]


def test_deep_nesting_is_refused() -> None:
    [answer] = answers(b'{"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
    assert answer["reason"].startswith("decode: ")


def test_a_payload_with_a_field_called_stored_still_has_its_row() -> None:
    [answer] = answers(line({"stored": "mine", "message": "x"}))
    assert answer["event"]["stored"]["message"] == "x"


def test_an_event_without_fields_has_only_its_row() -> None:
    [answer] = answers(b" { } \n")
    assert set(answer["event"]) == {"stored"}


def test_the_option_names_the_project_before_the_field_does() -> None:
    given = line({"message": "x", "project": "field"}) + line({"message": "x"})
    assert [one["event"]["stored"]["project"] for one in answers(given)] == ["field", "default"]
    assert [one["event"]["stored"]["project"] for one in answers(given, "--project", "shop")] == ["shop", "shop"]


def test_a_filtered_event_names_the_setting(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text('[filter]\nmessages = ["*Timeout*"]\nenvironments = ["dev-*"]\n')
    given = line({"message": "a Timeout"}) + line({"message": "x", "environment": "dev-1"}) + line({"message": "x"})
    reasons = [one["reason"] for one in answers(given, "--config", str(config))]
    assert reasons == ["filter: dropped by filter.messages", "filter: dropped by filter.environments", None]


def test_a_setting_that_is_not_valid_ends_the_command(tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[filter]\nmessages = 5\n")
    result = CliRunner().invoke(command, ["--config", str(config)], input=b"{}\n")
    assert isinstance(result.exception, Misconfigured)


def test_the_same_lines_give_the_same_answers_whatever_the_chunks() -> None:
    """What is read at a time does not matter: a file, and the same bytes a few at a time."""
    given = b"".join(line(json.loads(file.read_bytes())) for file in ERRORS[:5])

    class Slow(io.BytesIO):
        def read1(self, _size: int | None = -1) -> bytes:
            return super().read1(7)

    assert [one for lines in arriving(Slow(given)) for one in lines] == given.splitlines()
    assert [one for lines in arriving(io.BytesIO(b"\n" * 2500)) for one in lines] == [b""] * 2500


def test_an_answer_comes_before_the_next_line_is_there() -> None:
    """A program can talk to it: a line in, an answer out, while the input stays open."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for number in range(3):
            process.stdin.write(line({"message": f"m{number}"}))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["event"]["message"] == f"m{number}"
        process.stdin.close()
        assert process.wait(30) == 0


FIELDS = (
    *("exception", "message", "logentry", "tags", "contexts", "user", "type", "spans", "timestamp", "stored"),
    *("release", "environment", "request", "sdk", "threads", "fingerprint", "span_id", "trace_id", "csp", "level"),
    *("event_id", "project", "start_timestamp", "values", "stacktrace", "frames", "platform", "breadcrumbs"),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["transaction", "span", "csp"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=5),
    max_leaves=20,
)
LINES = (
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8).map(json.dumps).map(str.encode)
    | VALUES.map(json.dumps).map(str.encode)
    | st.binary()
).map(lambda text: text.replace(b"\n", b" "))


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=8))
def test_whatever_a_line_holds_it_has_one_answer(lines: list[bytes]) -> None:
    found = [json.loads(answer) for answer in TRYOUT.run(lines)]
    assert len(found) == len(lines)
    for answer in found:
        assert set(answer) == {"event", "fingerprint", "reason"}
        assert (answer["event"] is None) == (answer["reason"] is not None)
        assert not (answer["reason"] or "").startswith("process: ")
