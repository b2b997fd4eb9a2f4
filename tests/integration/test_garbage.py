"""Bad input: mended or a dead letter, and nothing else suffers."""

from __future__ import annotations

import json

import pytest
from installation import Installation, event, message

from schemas.dead_letter import DeadLetter

SECRET = b"hunter2-never-seen-again"

DEAD = {
    "not JSON": b"hello " + SECRET,
    "truncated": json.dumps(event()).encode()[:-200],
    "an array": b"[1, 2, 3]",
    "a number": b"42",
    "empty": b"",
    "20 MB": b'{"message": "' + b"x" * 20_000_000 + b'"}',
    "nested deeply": b'{"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "binary": bytes(range(256)) * 8,
    "an unknown type": b'{"type": "video", "message": "x"}',
}
MENDED = {
    "wrong types": {"level": {"a": 1}, "tags": "none", "user": "bob", "release": ["1"], "exception": 7, "message": "m"},
    "a clock in 1970": {"message": "m", "timestamp": 1},
    "a clock in 2100": {"message": "m", "timestamp": "2100-01-01T00:00:00Z"},
    "unknown fields": {"message": "m", "hello": {"world": [1, {"two": None}]}},
    "no fields": {},
    "nothing but nulls": {"message": None, "level": None, "exception": None, "timestamp": None, "tags": None},
}
RAW_MENDED = {
    "invalid UTF-8": b'{"message": "caf\xe9"}',
    "NaN": b'{"message": "m", "extra": {"a": NaN, "b": -Infinity}}',
    "a lone surrogate": b'{"message": "half \\ud800"}',
}


@pytest.mark.usefixtures("kafka")
def test_garbage_is_buried_or_mended_and_the_partition_goes_on(installation: Installation) -> None:
    good = [event(number) for number in range(50)]
    messages = [message(one) for one in good[:25]]
    messages += [("errors", value, None) for value in DEAD.values()]
    messages += [("errors", json.dumps(value).encode(), None) for value in MENDED.values()]
    messages += [("errors", value, None) for value in RAW_MENDED.values()]
    messages += [message(one) for one in good[25:]]
    stored = len(good) + len(MENDED) + len(RAW_MENDED)
    with installation.worker() as worker:
        installation.produce(messages)
        installation.wait_for_rows(stored)
        installation.wait_for_rows(len(DEAD), "dead_letters")

    ids = {row["event_id"] for row in installation.rows("SELECT event_id FROM errors")}
    assert {one["event_id"] for one in good} <= ids
    assert len(ids) == stored
    letters = installation.consume("dead-letters")
    assert sorted(record.value for record in letters) == sorted(DEAD.values())
    for record in letters:
        headers = DeadLetter.from_headers(record.headers)
        assert (headers.topic, headers.stage, headers.project) == ("errors", "decode", "shop")
        assert headers.reason
    assert SECRET.decode() not in str(installation.rows("SELECT * FROM dead_letters"))
    assert SECRET.decode() not in worker.process.log.read_text()
    astray = installation.rows(
        "SELECT timestamp = received AS clamped, client_timestamp FROM errors WHERE "
        "client_timestamp < '2001-01-01' OR client_timestamp > '2099-01-01'"
    )
    assert len(astray) == 2
    assert all(row["clamped"] for row in astray)
