"""The scrubber as the worker calls it: bytes in, bytes and counts out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.errors import Refused
from pipeline.scrub import Policy, Scrubber


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber(Policy())


def test_clean_event_comes_back_as_the_same_object(scrubber: Scrubber) -> None:
    payload = b'{"message":"order 17 not found","level":"error"}'
    result = scrubber.scrub(payload)
    assert result.payload is payload
    assert result.findings == {}


def test_findings_are_counted_by_kind_and_field(scrubber: Scrubber) -> None:
    event = {
        "exception": {"values": [{"type": "ValueError", "value": "no jane@example.com or joe@example.com"}]},
        "request": {"headers": {"Authorization": "Bearer abc", "Accept": "text/html"}},
        "user": {"id": "42", "ip_address": "203.0.113.7"},
    }
    result = scrubber.scrub(json.dumps(event).encode())
    assert result.findings == {
        ("email", "exception.value"): 2,
        ("token", "request.headers"): 1,
        ("ip", "user.ip_address"): 1,
    }
    scrubbed = json.loads(result.payload)
    assert scrubbed["exception"]["values"][0]["value"] == "no [email] or [email]"
    assert scrubbed["request"]["headers"] == {"Authorization": "[token]", "Accept": "text/html"}
    assert scrubbed["user"] == {"id": "42", "ip_address": "[ip]"}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")], ids=["none", "usual", "around"])
def test_fields_are_named_whatever_white_space_stands_between_tokens(
    scrubber: Scrubber, separators: tuple[str, str]
) -> None:
    event = {"request": {"method": "GET", "url": "https://shop.example/?email=jane@example.com"}}
    result = scrubber.scrub(json.dumps(event, separators=separators).encode())
    assert result.findings == {("email", "request.url"): 1}


def test_text_that_is_no_json_is_refused_without_its_content(scrubber: Scrubber) -> None:
    with pytest.raises(Refused) as refused:
        scrubber.scrub(b'{"a": 1, "user": {"ip_address": "203.0.113.7"')
    assert "203" not in str(refused.value)
    assert refused.value.stage == "scrub"


REMEMBERED = {
    "a number that only its key announces": (
        {"extra": {"h": ["phone", "2125550147"]}},
        {"extra": {"h": {"phone": "2125550147"}}},
        "2125550147",
    ),
    "the end of a key whose lines stand before": (
        {"extra": {"h": ["x", "-----END PRIVATE KEY-----"]}},
        {"extra": {"h": ["AAABAQCzq7HunterAAABAQCzq7Hunter", "-----END PRIVATE KEY-----"]}},
        "AAABAQCzq7Hunter",
    ),
}


@pytest.mark.parametrize(("harmless", "event", "secret"), REMEMBERED.values(), ids=REMEMBERED.keys())
def test_what_was_harmless_elsewhere_is_looked_at_again(
    scrubber: Scrubber, harmless: dict[str, Any], event: dict[str, Any], secret: str
) -> None:
    payload = json.dumps(harmless).encode()
    assert scrubber.scrub(payload).payload is payload
    assert secret not in scrubber.scrub(json.dumps(event).encode()).payload.decode()
