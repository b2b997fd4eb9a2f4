"""The benchmarks run, with so few events that their figures mean nothing; and their events are what they claim."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from benchmarks import http_apps, http_servers, latency, pipeline, scrub_linear, scrub_re
from benchmarks.envelopes import gzip_envelopes
from benchmarks.events import GROUPS, MEAN_BYTES, PERSONAL_SHARE, PROJECT, Generator, card
from benchmarks.plain_faust import luhn
from benchmarks.plain_faust import scrub as scrub_plainly
from benchmarks.processes import cpu_seconds, group, peak_megabytes
from benchmarks.targets import Target
from pipeline.fingerprint import Grouping
from pipeline.payload.decode import decode
from pipeline.scrub import Policy, Scrubber

MANY = 4000


@pytest.fixture(scope="module")
def payloads() -> list[bytes]:
    """Payloads of a generator with its usual settings."""
    return [payload for _id, payload in Generator(seed=7).events(MANY)]


def test_events_are_about_as_large_as_claimed(payloads: list[bytes]) -> None:
    """Their mean size is 9 KB, give or take 5 %."""
    assert mean(map(len, payloads)) == pytest.approx(MEAN_BYTES, rel=0.05)


def test_each_group_is_one_issue_and_nothing_has_to_be_mended(payloads: list[bytes]) -> None:
    """Five hundred groups are five hundred fingerprints."""
    grouping = Grouping()
    decoded = [decode(payload) for payload in payloads]
    assert not any(found.mended for found in decoded)
    assert len({grouping.group(found.event, PROJECT).fingerprint for found in decoded}) == GROUPS


def test_a_fifth_of_the_events_holds_personal_data_and_the_others_none(payloads: list[bytes]) -> None:
    """The scrubber finds several kinds in a fifth, and leaves the rest untouched."""
    scrubber = Scrubber(Policy())
    results = [scrubber.scrub(payload) for payload in payloads[:1000]]
    found = [result.findings for result in results if result.findings]
    assert len(found) / len(results) == pytest.approx(PERSONAL_SHARE, abs=0.05)
    assert {"email", "creditcard", "phone", "ip"} <= {kind for findings in found for kind, _field in findings}


def test_the_same_seed_gives_the_same_ids() -> None:
    """Only the time differs between two generators of one seed."""
    first, second = ([key for key, _payload in Generator(3, groups=10).events(20)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 20


def test_card_numbers_pass_the_check_of_both_contenders() -> None:
    """The ordinary agent's Luhn check takes the generated cards, and replaces them."""
    assert all(luhn(card(number)) for number in range(0, 100_000, 997))
    assert scrub_plainly({"vars": {"card": card(42)}, "mail": "to a.b@example.com"}) == {
        "vars": {"card": "[card]"},
        "mail": "to [email]",
    }


def test_the_ordinary_way_with_a_pattern_a_kind_finds_every_kind_and_leaves_the_rest(payloads: list[bytes]) -> None:
    """A peer that found less would be faster than it ought to be."""
    event = {
        "message": f"a.b@example.com {card(42)} 4111111111111112 +49 170 1234567 (415) 555-2671 10.0.0.1 123-45-6789",
        "extra": {
            "Api-Key": "x",
            "url": "postgres://shop:hunter2@db/shop",
            "iban": "DE89 3704 0044 0532 0130 00",
            "path": "/home/ada/x.py, Bearer abcdef123456, 00:1a:2b:3c:4d:5e",
        },
    }
    assert json.loads(scrub_re.scrub(json.dumps(event).encode())) == {
        "message": "[email] [creditcard] 4111111111111112 [phone] [phone] [ip] [ssn]",
        "extra": {
            "Api-Key": "[password]",
            "url": "postgres://shop:[password]@db/shop",
            "iban": "[iban]",
            "path": "/home/[user]/x.py, [token], [mac]",
        },
    }
    scrubber = Scrubber(Policy())
    personal = [payload for payload in payloads[:100] if scrubber.scrub(payload).payload is not payload]
    assert all(b"[email]" in scrub_re.scrub(payload) for payload in personal)


@pytest.mark.parametrize("shape", scrub_linear.SHAPES.values())
@pytest.mark.parametrize("unit", ["digits", "quotes and backslashes", "other letters", "base64 lines"])
def test_hostile_events_are_as_large_as_they_say(shape: scrub_linear.Shape, unit: str) -> None:
    """However much of a string has to be escaped."""
    size = len(scrub_linear.payload_of(shape, scrub_linear.UNITS[unit], 64))
    assert size == pytest.approx(64_000, rel=0.05)


def test_growth_is_the_cost_at_the_largest_size_over_that_at_the_smallest() -> None:
    """What was left out is shown as such."""
    growth = scrub_linear.Growth("one string", "digits", [2.0, 3.0])
    assert growth.growth == 1.5
    assert growth.line().split()[-4:] == ["-", "-", "-", "1.50"]


def test_a_target_says_whether_it_was_met() -> None:
    """At least and less than are told apart, in the verdict and in the line."""
    assert Target("speed", 21.0, 20.0).met
    assert not Target("memory", 400.0, 400.0, at_least=False).met
    assert "MISSED" in Target("speed", 19.0, 20.0).line()


def test_a_process_is_measured() -> None:
    """This process has used some time and some memory."""
    assert cpu_seconds(os.getpid()) > 0
    assert peak_megabytes(os.getpid()) > 10
    assert os.getpid() in group(os.getpgrp())


def test_the_throughput_benchmark_runs_with_every_contender(tmp_path: Path) -> None:
    """All three store all of their events, and everything that was measured is in the file."""
    file = tmp_path / "figures.json"
    assert pipeline.main(["--rounds=1", "--scale=0.005", "--broker=embedded", f"--json={file}"]) in (0, 1)
    figures = json.loads(file.read_text())
    assert set(figures["medians"]) == {"aftershock", "plain_faust", "bound"}
    assert figures["medians"]["aftershock"]["alerts"] > 0
    assert len(figures["targets"]) == 3


def test_the_latency_benchmark_runs(tmp_path: Path) -> None:
    """Every event's row is seen, and every new issue's alert."""
    file = tmp_path / "figures.json"
    assert latency.main(["--rate=100", "--seconds=2", "--warm-up=1", "--broker=embedded", f"--json={file}"]) in (0, 1)
    figures = json.loads(file.read_text())
    assert figures["rows"]["count"] + figures["rows, warm-up"]["count"] == 300
    assert figures["alerts"]["count"] + figures["alerts, warm-up"]["count"] == 15
    assert figures["rows"]["count"] > 150


def test_the_benchmark_of_http_servers_runs_with_those_that_are_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is answered with 200, and servers that are not installed are named."""
    assert http_servers.main(["--rounds=1", "--requests=200", "--seconds=0.2", "--json"]) == 0
    said = capsys.readouterr()
    servers = json.loads(said.out)["servers"]
    assert servers["aiohttp"]["statuses"]["200"] > 200
    assert servers["aiohttp"]["cpu_times_ours"] == 1
    assert servers.keys() | {left.split(" (")[0] for left in said.err.split("left out: ")[1:]} == {
        contender.name for contender in http_servers.CONTENDERS
    }


def test_the_application_of_the_http_servers_answers_with_the_id_or_says_why_not() -> None:
    """It does the work that it is measured at, also as an ASGI application whose body comes in pieces."""
    [body] = gzip_envelopes(1)
    event_id = json.loads(gzip.decompress(body).split(b"\n")[0])["event_id"]
    path = "/api/1/envelope/"
    assert http_apps.answer("POST", path, "gzip", body[:-9])[0] == 400
    assert http_apps.answer("GET", path, "gzip", b"")[0] == 405
    assert http_apps.answer("POST", "/", "gzip", body)[0] == 404

    pieces = iter([(body[:100], True), (body[100:], False)])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        piece, more = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": more}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-encoding", b"gzip")]}
    asyncio.run(http_apps.asgi(scope, receive, send))
    assert sent[0]["status"] == 200
    assert json.loads(sent[1]["body"]) == {"id": event_id}
