"""Decoding: what is mended and named, what is refused, and that nothing else can happen."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Refused
from pipeline.payload.decode import MOST_MENDS, Decoded, decode, decode_again
from schemas.event import Event
from schemas.topics import MAX_EVENT_BYTES
from tests.odd_events import weird_events
from tests.records import example_events

SECRET = "hunter2"


def event(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def frames(*given: dict[str, Any]) -> bytes:
    return event(exception={"values": [{"type": "E", "stacktrace": {"frames": list(given)}}]})


def first_frames(decoded: Decoded) -> list[Any]:
    stacktrace = decoded.event.exceptions[0].stacktrace
    assert stacktrace is not None
    return list(stacktrace.frames or [])


@pytest.mark.parametrize(("topic", "raw"), example_events())
def test_an_example_is_decoded_as_it_is(topic: str, raw: bytes) -> None:
    decoded = decode(raw)
    assert decoded.payload == raw
    assert decoded.mended == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b" ", "not JSON"),
        (b"hunter2", "not JSON"),
        (b'{"message": "hunter2', "not JSON"),
        (b'{"message": "hunter2"} {}', "not JSON"),
        (b'{"message": "hun\nter2"}', "not JSON"),
        (b'{"message": "hunter2\x00"}', "not JSON"),
        (b'{"event_id": 5, "message": "hunter2', "not JSON"),
        ('{"message": "hunter2"}'.encode("utf-16"), "not JSON"),
        (b'{"message": "hunter2", "x": 01}', "not JSON"),
        (b"[]", "not an object"),
        (b'"hunter2"', "not an object"),
        (b"null", "not an object"),
        (b"NaN", "not an object"),
        (b"[" * 100_000, "not JSON|too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "too deeply"),
        (b'{"event_id": [], "x": ' + b"[" * 3_000 + b"]" * 3_000 + b"}", "too deeply"),
        (b'{"x": "\\ud800", "y": ' + b"[" * 3_000 + b"]" * 3_000 + b"}", "too deeply"),
        (b'{"message": "' + b"x" * MAX_EVENT_BYTES + b'"}', "send at most"),
        (b'{"event_id": ' + b"9" * 5_000 + b"}", "not JSON"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_a_reason_that_quotes_nothing(raw: bytes | None, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        decode(raw)
    assert caught.value.stage == "decode"
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "payload", "mended"),
    [
        (b'{"x":NaN,"y":-Infinity,"z":1}', b'{"x":null,"y":null,"z":1}', ("not-a-number",)),
        (b'{"x":NaN,"y":123456789012345678901234}', b'{"x":null,"y":123456789012345678901234}', ("not-a-number",)),
        (b'{"x":"a\xffb"}', '{"x":"a\ufffdb"}'.encode(), ("utf-8",)),
        (b'{"x":"\xed\xa0\x80"}', '{"x":"\ufffd\ufffd\ufffd"}'.encode(), ("utf-8",)),
        (b'{"x":"a\\ud800b"}', '{"x":"a\ufffdb"}'.encode(), ("surrogates",)),
        (b'{"\\udc00":1}', '{"\ufffd":1}'.encode(), ("surrogates",)),
        (b'{"x":"\\ud83d\\ude00"}', b'{"x":"\\ud83d\\ude00"}', ()),
        (b'{"x":"\\ud83d\\ude00","y":NaN}', '{"x":"\U0001f600","y":null}'.encode(), ("not-a-number",)),
        (b'\xef\xbb\xbf{"x":1}', b'{"x":1}', ()),
        (b'{"x":1e400}', b'{"x":1e400}', ()),
        (b'{"message":"a\\u0000b"}', b'{"message":"a\\u0000b"}', ()),
    ],
)
def test_text_and_numbers_that_are_not_are_mended_in_the_payload(
    raw: bytes, payload: bytes, mended: tuple[str, ...]
) -> None:
    decoded = decode(raw)
    assert decoded.payload == payload
    assert decoded.mended == mended


def test_a_field_of_the_wrong_type_is_left_out_of_the_view_and_kept_in_the_payload() -> None:
    raw = event(release={"a": 1}, level="error", breadcrumbs="kept")
    decoded = decode(raw)
    assert decoded.event.release is None
    assert decoded.event.level == "error"
    assert decoded.payload == raw
    assert decoded.mended == ("release",)


def test_a_number_becomes_text_where_text_is_expected_and_a_boolean_does_not() -> None:
    decoded = decode(event(environment=7, level=1.5, transaction=True))
    assert (decoded.event.environment, decoded.event.level, decoded.event.transaction) == ("7", "1.5", None)
    assert set(decoded.mended) == {"environment", "level", "transaction"}


def test_the_same_mistake_in_every_frame_is_one_mistake() -> None:
    """More frames than MOST_MENDS, so that mending them one by one would refuse the event."""
    wrong = [{"function": f"f{index}", "lineno": str(index)} for index in range(3 * MOST_MENDS)]
    decoded = decode(frames(*wrong, {"function": "right", "lineno": 7}))
    assert [frame.function for frame in first_frames(decoded)][:2] == ["f0", "f1"]
    assert [frame.lineno for frame in first_frames(decoded)][-2:] == [None, 7]
    assert decoded.mended == ("exception.values.stacktrace.frames.lineno",)


def test_wrong_values_in_lists_are_taken_out() -> None:
    decoded = decode(frames({"function": "f"}, 5, "x", [1]))  # type: ignore[arg-type]
    assert [frame and frame.function for frame in first_frames(decoded)] == ["f", None, None, None]


def test_structures_among_the_tags_are_left_out() -> None:
    decoded = decode(event(tags={"a": {"b": 1}, "c": "d", "e": [1], "f": 2}))
    assert decoded.event.tag_items == [("c", "d"), ("f", "2")]
    assert decode(event(tags=[["a", "b"], ["c", {"d": 1}], {"key": "e"}, ["f"]])).event.tag_items == [("a", "b")]


def test_more_wrong_fields_than_an_event_has_are_refused() -> None:
    wrong: dict[str, object] = {
        name: [[]] for name in Event.__struct_fields__ if name not in ("breadcrumbs", "modules", "tags")
    }
    with pytest.raises(Refused, match="wrong type"):
        decode(json.dumps(wrong).encode())


def test_of_a_doubled_key_the_last_is_read() -> None:
    assert decode(b'{"level":"info","level":"fatal"}').event.level == "fatal"


def test_explicit_nulls_are_what_is_missing() -> None:
    every = decode(event(**dict.fromkeys(Event.__struct_fields__))).event
    assert msgspec.json.encode(every) == msgspec.json.encode(Event())


def test_a_mended_payload_decodes_again_to_the_same_view() -> None:
    decoded = decode(event(environment=7, release=[1], message="m"))
    assert decode_again(decoded.payload) == decoded.event


@given(weird_events)
def test_any_object_is_decoded_to_valid_json_or_refused(fields: dict[str, Any]) -> None:
    """``json.dumps`` writes NaN and Infinity as they are, and lone surrogates as escapes."""
    try:
        decoded = decode(json.dumps(fields).encode())
    except Refused:
        return
    strict = json.loads(decoded.payload, parse_constant=lambda name: pytest.fail(f"{name} was kept"))
    assert strict.keys() == {key.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for key in fields}
    decoded.payload.decode("utf-8")
    json.dumps(strict, ensure_ascii=False).encode("utf-8")


@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]":,0123456789.eE+-\\uDnultrfaseNI x', max_size=60).map(str.encode)
)
def test_any_bytes_are_decoded_to_valid_json_or_refused(raw: bytes) -> None:
    try:
        decoded = decode(raw)
    except Refused:
        return
    assert isinstance(json.loads(decoded.payload), dict)


@given(st.sampled_from([raw for _, raw in example_events()]), st.data())
def test_a_damaged_example_is_decoded_to_valid_json_or_refused(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw) - 1))
    damaged = raw[:at] + data.draw(st.binary(max_size=2)) + raw[at + data.draw(st.integers(0, 3)) :]
    try:
        decoded = decode(damaged)
    except Refused:
        return
    assert isinstance(json.loads(decoded.payload), dict)
