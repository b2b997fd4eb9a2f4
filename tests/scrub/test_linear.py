"""No input makes the work grow faster than its size: counted in calls of the interpreter, not in seconds."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from pipeline.scrub import Policy, Scrubber

SCRUBBER = Scrubber(Policy())
HARMLESS = (
    "1-", "1 ", "1.", "01 23 ", "00-", "4-", "4111 1111 1111 1112 ", "a:b:c:d:", "ab@cd.", "%253a", "123456 1234567",
    "35-209900-176148-", "00000000-0000-", "Bearer a", "AKIA", "xapp-1", "://a:b@c ", ":password>", "\\\\u0040",
    "/home/", "+1 ", "tel 12 ", "&quot;password&quot;:", "password=&quot;", "&lt;password&gt;", "&#64;a.b", "x&commat;",
    "PASS a", "AUTH PLAIN ", "AUTH a ", "A1 LOGIN a ", "334 UGFzc3dvcmQ6", "code is 1 ", "1 is your ", "code 1 ",
    "session id a", "SSN is 219", "password -> ", '"password" -> ', 'setPassword("', "Private-Lines: 1\n",
    "\\\\srv\\home\\", "\\home\\a", "1\\xa0", "пароль ", "пароль: ", "\\u043f", "net use \\\\a ",
    "password: |\n ", "private_key: " + "A" * 64 + "\n", "212-555-0147 ext ", "--- PASS:", "is too short ",
    "token 'a", "Your a code: 1", "enter code 1 ", "{password,", 'password";s:1:', "</key><string>", "requirepass ",
    "ENV A_TOKEN ", "password for a changed to ", 'key="password" value=', "ldapsearch -w ",
    "&amp;quot;token&amp;quot;:", "пароль\uff1a",
)  # fmt: skip
"""What candidates report again and again, and what holds nothing."""

UNITS = (
    "@a@a.b", "a@b.co ", "1", "4111 ", "4111111111111111,", "1.2.3.4 ", "::1:", "password=", "password=x&", "\\", '"',
    '"password":"x",', '\\"', "%40", "%2540", "eyJhbGciOi.", "Bearer abcdef1 ", "://a:b@c ", "://a:", "/home/a/b ",
    "-----BEGIN PRIVATE KEY-----", "+1 415 555 2671 ", "DE89 3704 ", "xoxb-", "[", "sk-a1-", "\n", "é", "Cookie: ",
    "01 02 03 04 05 ", "ssn:", *HARMLESS,
)  # fmt: skip


def calls(value: Any) -> int:
    """Return how many Python and C functions one scrubbing calls."""
    payload = json.dumps(value, ensure_ascii=False).encode()
    counted = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        SCRUBBER.scrub(payload)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("shape", ["text", "list"])
def test_twice_the_size_is_at_most_twice_the_calls(unit: str, shape: str) -> None:
    def event(times: int) -> Any:
        if shape == "text":
            return {"message": unit * times}
        return {"extra": {"a": [4111111111111111, unit] * times}}

    calls(event(4))
    small, large = calls(event(100)), calls(event(400))
    assert large <= 5 * small + 500


HEADS = (
    "http://a:", "//:", "Authorization: ", "password='", "('password', '", "<password>", "eyJhbGciOi.", "phone ",
    "-----BEGIN PRIVATE KEY-----", "Cookie: ", "INSERT INTO users (password) VALUES (", "password ", '"token": "',
    "token=", "password=&quot;", "&lt;password&gt;", 'password = "a" -> "', "private_key: |\n ", "PASS ", "AUTH PLAIN ",
    "A1 LOGIN ", "Your code is ", "session id ", "Private-Lines: 2\n", "\\\\srv\\home\\", 'setPassword("', "пароль: ",
    "password -> ", "password: is too short ", "net use \\\\srv\\x ", "334 UGFzc3dvcmQ6\n", "private_key=" + "A" * 64,
    "ENV A_TOKEN ", "requirepass ", "{password, '", 'password";s:1:"', "<key>password</key><string>",
    "<password><![CDATA[", "token '", "пароль\uff1a", "password for a changed to ", "ldapsearch -x -w ",
)  # fmt: skip


@pytest.mark.parametrize("unit", HARMLESS)
def test_a_kilobyte_of_what_only_looks_like_something_costs_few_calls(unit: str) -> None:
    """Each stretch of text is looked at once by each check, however many candidates end in it."""
    text = unit * (20_000 // len(unit))
    assert calls({"message": text}) <= 15_000 * 20


TAILS = (
    "@", ":", "a@", "1@", "'", "\\", "=", "%40", "x.", "/", "<", ")", ",", "('a', 'b'),", "0", "a", "(", '"',
    "password ", "&quot;", "is ", "must be ", "A" * 64 + "\n", "-> ", "\\home\\",
)  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_a_long_tail_is_scrubbed_once_and_for_all(head: str) -> None:
    """An expression that tries a tail anew from each of its bytes would take minutes here."""
    for unit in TAILS:
        once = SCRUBBER.scrub(json.dumps({"message": head + unit * (60_000 // len(unit))}).encode()).payload
        assert SCRUBBER.scrub(once).payload is once
