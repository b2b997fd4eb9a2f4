"""Properties that hold for any event: nothing raised but a refusal, structure kept, twice is once, secrets gone."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.scrub import Policy, Scrubber

SCRUBBER = Scrubber(Policy())
SECRETS = (
    "jane.doe@example.com", "4111 1111 1111 1111", "5555555555554444", "+14155552671", "(415) 555-2671", "203.0.113.77",
    "2001:db8::ff00:42:8329", "DE89370400440532013000", "536-22-8726", "00:1B:44:11:3A:B7", "ghp_" + "A1b2C3d4E5f6" * 3,
    "https://bob:hunter2zz@db.example/x", "Bearer mF9B5f41JqMxyz", "password=hunter2zz", "'token': 'hunter2zz'",
    "/home/jdoe/x/y.py", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27u",
)  # fmt: skip
KEYS = (
    st.sampled_from(("message", "password", "token", "extra", "vars", "name", "value", "a", "headers", "cookies"))
    | st.sampled_from(("user", "id", "data", "context_line", "modules", "release"))
    | st.sampled_from(SECRETS)
    | st.text(max_size=6)
)
JOINTS = (
    " ",
    "\n",
    "=",
    ":",
    "&",
    "%40",
    "%3D",
    '"',
    "'",
    "\\",
    "\\n",
    "\\u0040",
    "{",
    "}",
    "[",
    "]",
    ",",
    "@",
    "+",
    "::",
)
WORDS = ("[email]", "password", "token", "0", "1-", "secret=", "Cookie: ", "-----BEGIN PRIVATE KEY-----")
PIECES = st.sampled_from((*SECRETS, *JOINTS, *WORDS))
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | inner.map(lambda value: json.dumps(value))
    ),
    max_leaves=12,
)
EVENTS = st.dictionaries(KEYS, VALUES, max_size=5)
BOUNDED = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def shape(value: Any) -> Any:
    """Return the structure of a JSON value, without its leaves and the names of its keys."""
    if isinstance(value, dict):
        return {str(index): shape(item) for index, item in enumerate(value.values())}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return 0


@BOUNDED
@given(EVENTS, st.booleans(), st.sampled_from([None, 1]))
def test_structure_is_kept_and_twice_is_once(event: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    payload = json.dumps(event, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    if payload >= b"\xed\xa0" and not ascii_only:
        payload = json.dumps(event, indent=indent).encode()
    once = SCRUBBER.scrub(payload)
    assert shape(json.loads(once.payload)) == shape(event)
    twice = SCRUBBER.scrub(once.payload)
    assert twice.payload == once.payload
    assert twice.findings == {}
    assert SCRUBBER.scrub(payload) == once


@BOUNDED
@given(
    st.sampled_from(SECRETS[:10]),
    st.text(alphabet=st.characters(exclude_categories=("L", "N", "Cs")), max_size=4).map(lambda text: text + " "),
    st.sampled_from([" ", "\n", "\t", ", ", ") ", "' ", '" ', "; ", "> ", "\r\n"]),
    st.sampled_from(["message", "note", "filename2", "x"]),
    st.booleans(),
)
def test_planted_secret_is_gone(secret: str, before: str, after: str, key: str, ascii_only: bool) -> None:
    payload = json.dumps({"extra": {key: before + secret + after}}, ensure_ascii=ascii_only).encode()
    assert secret not in json.loads(SCRUBBER.scrub(payload).payload)["extra"][key]
