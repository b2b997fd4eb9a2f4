"""Clients that keep sending keys that do not fit."""

from __future__ import annotations

import json

import pytest
from statuses import status_of

from pipeline.config.gateway import ProjectSettings
from pipeline.gateway.endpoint import Endpoint, Incoming
from pipeline.gateway.guesses import MOST_ADDRESSES, Guesses, network_of
from pipeline.gateway.outcomes import Outcomes
from pipeline.gateway.projects import Projects
from pipeline.gateway.rejection import Rejected

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
NOW = 1_800_000_000.0
SHOP = ProjectSettings(name="shop", id=7, keys=(KEY, OTHER))


def endpoint(most: int = 3) -> Endpoint:
    return Endpoint(Projects([SHOP]), 1 << 20, Outcomes(), most_wrong_keys=most)


def send(one: Endpoint, key: str, address: str = "192.0.2.1", now: float = NOW, *, tunnel: bool = False) -> int:
    headers = {} if tunnel else {"x-sentry-auth": f"Sentry sentry_key={key}"}
    body = json.dumps({"dsn": f"https://{key}@host/7"} if tunnel else {}).encode()
    return status_of(lambda: one.take(Incoming("envelope", None if tunnel else "7", headers, {}, body, address), now))


def test_after_some_wrong_keys_an_address_is_told_to_wait_for_the_minute() -> None:
    one = endpoint()
    assert [send(one, f"{number:032x}") for number in range(5)] == [403, 403, 403, 429, 429]
    assert send(one, f"{9:032x}", tunnel=True) == 429
    # The right key is not told from a wrong one any more, and others are not concerned.
    assert send(one, KEY) == 429
    assert send(one, KEY, "192.0.2.2") == 200
    assert send(one, KEY, now=NOW + 60) == 200


def test_programs_behind_the_same_address_go_on_with_keys_that_were_taken() -> None:
    one = endpoint()
    assert [send(one, KEY), send(one, "a" * 32), send(one, KEY)] == [200, 403, 200]
    assert [send(one, "a" * 32) for _ in range(3)] == [403, 403, 429]
    assert [send(one, KEY), send(one, OTHER)] == [200, 429]


def test_a_missing_key_counts_too_and_the_answer_says_when_to_come_back() -> None:
    one = endpoint()
    for _ in range(3):
        with pytest.raises(Rejected):
            one.take(Incoming("envelope", "7", {}, {}, b"{}", "192.0.2.1"), NOW)
    with pytest.raises(Rejected) as caught:
        one.take(Incoming("envelope", "7", {}, {}, b"no envelope", "192.0.2.1"), NOW + 15)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 45)


def test_zero_means_any_number_and_without_projects_nothing_counts() -> None:
    one = endpoint(0)
    assert [send(one, "a" * 32) for _ in range(20)] == [403] * 20
    everybody = Endpoint(Projects(), 1 << 20, Outcomes(), most_wrong_keys=1)
    assert [status_of(lambda: everybody.take(Incoming("envelope", "7", {}, {}, b"{}", "a"), NOW))] * 3 == [401] * 3


def test_memory_is_bounded() -> None:
    guesses = Guesses(3)
    for number in range(MOST_ADDRESSES + 100):
        guesses.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW)
        guesses.succeeded("10.0.0.99", f"{number:032x}")
    assert len(guesses._addresses) == MOST_ADDRESSES
    assert max(len(one.keys) for one in guesses._addresses.values()) <= 32


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
        ("2001:db8::5", "2001:db8:0:0"),
        ("::1", "0:0:0:0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_an_ipv6_customer_has_one_count(address: str, network: str) -> None:
    assert network_of(address) == network
