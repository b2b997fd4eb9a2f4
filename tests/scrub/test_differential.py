"""Whatever Relay's default configuration removes from real SDKs' events is removed here too, or listed with its reason.

Relay's binding (``sentry-relay``) is a tool of comparison only; without it these tests are skipped, and say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.scrub import Policy, Scrubber

relay = pytest.importorskip("sentry_relay.processing", reason="sentry-relay is not installed (dependency group dev)")

SCRUBBER = Scrubber(Policy())
EXAMPLES = sorted(
    file
    for kind in ("errors", "spans")
    for file in Path(__file__).parents[2].joinpath("schemas/examples", kind).glob("*.json")
)
SETTINGS = {
    "scrubData": True, "scrubDefaults": True, "scrubIpAddresses": True, "excludeFields": [], "sensitiveFields": [],
}  # fmt: skip
CONFIG = relay.convert_datascrubbing_config(SETTINGS)
PLANTED = {
    "password": "hunter2zz", "text": "card 4111 1111 1111 1111", "api_key": "abc123xyz", "note": "ssn 536-22-8726",
    "ip": "203.0.113.77", "my_token": "tok123zz", "iban": "DE89370400440532013000", "auth": "zz9", "mysql_pwd": "zz8",
    "credentials": {"a": "zz7"}, "stripetoken": "zz6",
    "pem": "-----BEGIN PRIVATE KEY-----\nMIIEv\n-----END PRIVATE KEY-----",
}  # fmt: skip

REASONS = (
    (re.compile(r"127\.0\.0\.1|^0\.0\.0\.0|^::1$|^\{\{auto\}\}$"), "loopback addresses and placeholders are nobody's"),
    (re.compile(r"^\d+\.\d+\.0\.0$"), "four-part versions (Chrome/120.0.0.0) are no addresses"),
    (re.compile(r"-node\.\d+$"), "V8's version in Node is no address"),
    (re.compile(r"^page=2$"), "not removed: Relay takes the query string apart into pairs"),
    (re.compile(r"^[0-9a-f]{8}-[0-9a-f-]{27}$"), "not removed: Relay writes event ids without dashes"),
    (re.compile(r"^authorising$"), "a whole value, because the word before it begins with auth: prose holds no secret"),
)
"""Texts that Relay removes and that stay here, and why."""


UNREAD = frozenset(("timestamp", "start_timestamp", "end_timestamp", "project"))
"""Keys whose values Relay rewrites or drops without meaning to scrub them."""


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in UNREAD:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\s'\",;()<>\[\]]+", text) if re.search(r"\w{2}", word)]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: f"{file.parent.name}/{file.stem}")
@pytest.mark.parametrize("planted", [False, True], ids=["as captured", "with secrets"])
def test_what_relay_removes_is_removed(file: Path, planted: bool) -> None:
    event = json.loads(file.read_bytes())
    if planted:
        event.setdefault("extra", {}).update(PLANTED)
    theirs = "\n".join(texts({**relay.pii_strip_event(CONFIG, event), "_meta": None}))
    ours = "\n".join(texts(json.loads(SCRUBBER.scrub(json.dumps(event).encode()).payload)))
    gone = {word for text in texts(event) for word in words(text) if word not in theirs}
    assert {word for word in gone if word in ours and not any(known.search(word) for known, _ in REASONS)} == set()
    assert not planted or all(
        secret not in ours for secret in ("hunter2zz", "4111 1111", "zz9", "MIIEv", "203.0.113.77")
    )
