"""The envelope parser: the framing as SDKs write it, and nothing else."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentry_sdk.envelope import Envelope as SdkEnvelope
from sentry_sdk.envelope import Item as SdkItem
from sentry_sdk.envelope import PayloadRef
from statuses import OK, status_of

from pipeline.gateway.envelope import MOST_ITEMS, parse
from pipeline.gateway.rejection import Rejected

ID = "9ec79c33ec9942ab8353589fcb2e04dc"


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"{}", []),
        (b"{}\n", []),
        (b"{}\n\n\n", []),
        (b'{}\n{"type":"event"}', [("event", b"")]),
        (b'{}\n{"type":"event"}\n', [("event", b"")]),
        (b'{}\n{"type":"event"}\n{"a":1}', [("event", b'{"a":1}')]),
        (b'{}\n{"type":"event"}\n{"a":1}\n', [("event", b'{"a":1}')]),
        (b'{}\n{"type":"event","length":7}\n{"a":1}', [("event", b'{"a":1}')]),
        (b'{}\n{"type":"event","length":7}\n{"a":1}\n', [("event", b'{"a":1}')]),
        (b'{}\n{"type":"event","length":0}\n\n{"type":"x"}\ny', [("event", b""), ("x", b"y")]),
        (b'{}\n{"type":"attachment","length":5}\na\nb\nc\n{"type":"x"}\ny', [("attachment", b"a\nb\nc"), ("x", b"y")]),
        (b'{}\n{"type":"attachment"}\na\r\n{"type":"x"}\n', [("attachment", b"a\r"), ("x", b"")]),
        (b'{}\r\n{"type":"x","length":null}\r\ny\n', [("x", b"y")]),
        (b'{}\n{"type":"future","new":[1]}\n\xff\xfe', [("future", b"\xff\xfe")]),
        (b'{}\n\n{"type":"x"}\ny\n\n\n{"type":"z"}\n', [("x", b"y"), ("z", b"")]),
    ],
)
def test_items_are_framed_by_length_or_by_the_line(body: bytes, items: list[tuple[str, bytes]]) -> None:
    assert [(item.type, item.payload) for item in parse(body).items] == items


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]",
        b"nothing",
        b'{"event_id":1}',
        b'{"event_id":"short"}',
        b"\xff{}",
        b"[" * 100_000,
        b'{"trace":' + b"[" * 100_000,
        b"{}\n{}\n",
        b"{}\n[]\n",
        b'{}\n{"type":1}\n',
        b'{}\n{"type":"x","length":-1}\n',
        b'{}\n{"type":"x","length":1.5}\nab',
        b'{}\n{"type":"x","length":99999999999999999999}\nab',
        b'{}\n{"type":"x","length":3}\nab',
        b'{}\n{"type":"x","length":1}\nab',
        b'{}\n{"type":"x","length":2}\nab{"type":"y"}\n',
        b'{}\n{"type":"x"\n}\nab',
    ],
)
def test_broken_framing_is_a_400(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        parse(body)
    assert caught.value.status == 400


def test_too_many_items_are_a_413() -> None:
    body = b"{}\n" + b'{"type":"x"}\n\n' * (MOST_ITEMS + 1)
    with pytest.raises(Rejected) as caught:
        parse(body)
    assert caught.value.status == 413
    assert len(parse(b"{}\n" + b'{"type":"x"}\n\n' * MOST_ITEMS).items) == MOST_ITEMS


def test_the_event_id_is_read_in_every_spelling() -> None:
    for spelling in (ID, ID.upper(), f"{ID[:8]}-{ID[8:12]}-{ID[12:16]}-{ID[16:20]}-{ID[20:]}"):
        assert parse(json.dumps({"event_id": spelling}).encode()).header.event_id == ID


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
payloads = st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())
types = st.sampled_from(("event", "transaction", "attachment", "session", "client_report", "something"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(types, payloads), max_size=6), st.dictionaries(st.sampled_from(("sdk", "trace")), json_values)
)
def test_what_the_python_sdk_writes_is_read_back(contents: list[tuple[str, bytes]], headers: dict[str, Any]) -> None:
    """The SDK's own serialiser is the other side of the differential."""
    written = SdkEnvelope({**headers, "event_id": ID})
    for kind, payload in contents:
        written.add_item(SdkItem(payload=PayloadRef(bytes=payload), type=kind))
    parsed = parse(written.serialize())
    assert parsed.header.event_id == ID
    assert [(item.type, item.payload) for item in parsed.items] == contents


lines = st.sampled_from(
    (b"{}", b"", b'{"type":"x"}', b'{"type":"event","length":2}', b'{"type":"y","length":0}', b"ab", b"\r", b'{"a":1}')
)


@settings(max_examples=500, deadline=None)
@given(st.lists(lines, max_size=8), st.binary(max_size=4))
def test_lines_in_any_order_are_parsed_or_refused_and_nothing_else(parts: list[bytes], tail: bytes) -> None:
    body = b"\n".join((b"{}", *parts, tail))
    status = status_of(lambda: parse(body))
    assert status in (OK, 400)
    items = parse(body).items if status == OK else ()
    assert sum(len(item.payload) for item in items) <= len(body)
    assert all(item.payload in body for item in items)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    assert status_of(lambda: parse(body)) in (OK, 400)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(types, payloads), min_size=1, max_size=4), st.integers(0, 400), st.integers(0, 255))
def test_one_changed_byte_breaks_nothing_but_the_envelope(
    contents: list[tuple[str, bytes]], place: int, byte: int
) -> None:
    written = SdkEnvelope({"event_id": ID})
    for kind, payload in contents:
        written.add_item(SdkItem(payload=PayloadRef(bytes=payload), type=kind))
    body = bytearray(written.serialize())
    body[place % len(body)] = byte
    assert status_of(lambda: parse(bytes(body))) in (OK, 400)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("attachment", "session", "something")), payloads), max_size=4))
def test_both_readers_agree_on_valid_envelopes(contents: list[tuple[str, bytes]]) -> None:
    written = SdkEnvelope({"event_id": ID})
    for kind, payload in contents:
        written.add_item(SdkItem(payload=PayloadRef(bytes=payload), type=kind))
    body = written.serialize()
    theirs = SdkEnvelope.deserialize_from(io.BytesIO(body))
    assert [(item.type, item.payload) for item in parse(body).items] == [
        (item.headers["type"], item.get_bytes()) for item in theirs.items
    ]
