"""Scrubbing, beside its peers: ``python -m benchmarks.scrub``.

The same events, in one process and one run, in turns:

* this scrubber, from JSON text to JSON text;
* Sentry's Relay through its Python binding, with its default configuration and with its rules applied to every string.
  The job that this scrubber does, from JSON text to JSON text, is the binding's documented call with the text decoded
  before it and encoded after it (by msgspec, the fastest there is). Beside it, what is in it: the call alone, which
  takes and returns Python objects and so converts them to JSON text and back; and Relay's own work alone, with JSON
  text handed through;
* the ordinary way in Python, an expression a kind over every string (``benchmarks/scrub_re.py``), from JSON text to
  JSON text;
* the scan's own expressions in Python's ``re`` and in RE2, over the text as a whole, finding only.

Every round has events of its own, and its first look at them is what counts: what is remembered of one event helps
another only as far as events really repeat each other.

Also: clean events against events that hold something, and time against size up to 1 MB
(``python -m benchmarks.scrub_linear`` has the hostile inputs).

Needs the dependency groups ``dev`` (``sentry-relay``) and ``bench`` (``google-re2``); a peer that is
missing is left out and named.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Callable

import click
import msgspec

from benchmarks import installed, say_how
from benchmarks.events import Generator
from benchmarks.scrub_re import scrub as scrub_by_kind
from pipeline.scrub import Policy, Scrubber
from pipeline.scrub.candidates import CANDIDATES

Contender = Callable[[bytes], object]
_RULES = ("@email", "@creditcard", "@ip", "@iban", "@imei", "@mac", "@usssn", "@urlauth", "@pemkey", "@userpath",
          "@password", "@bearer")  # fmt: skip
_EVENTS = 200
RATIOS = ("median", "mean", "p99")


def relay(rules_on_all_strings: bool) -> Contender:
    """Return Relay's scrubber, by its default configuration or its rules on all strings, handed JSON text as it is."""
    from sentry_relay.processing import pii_strip_event

    config = json.dumps(relay_configuration(rules_on_all_strings))

    def strip(payload: bytes) -> object:
        def as_text(value: object) -> object:
            return payload.decode() if value is payload else value

        return pii_strip_event(config, payload, json_dumps=as_text, json_loads=lambda text: text)

    return strip


def relay_on_objects(rules_on_all_strings: bool, payloads: list[bytes]) -> Contender:
    """Return the same through the binding's documented call; the payloads are decoded here, unmeasured."""
    from sentry_relay.processing import pii_strip_event

    config = relay_configuration(rules_on_all_strings)
    decoded = {payload: json.loads(payload) for payload in payloads}
    return lambda payload: pii_strip_event(config, decoded[payload])


def relay_from_text_to_text(rules_on_all_strings: bool) -> Contender:
    """Return the same with the JSON text decoded before the call and encoded after it."""
    from sentry_relay.processing import pii_strip_event

    config = relay_configuration(rules_on_all_strings)
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    return lambda payload: encode(pii_strip_event(config, decode(payload)))


def relay_configuration(rules_on_all_strings: bool) -> object:
    """Return what Relay is to scrub."""
    from sentry_relay.processing import convert_datascrubbing_config, validate_pii_config

    if rules_on_all_strings:
        config = {"applications": {"$string": _RULES}}
        validate_pii_config(json.dumps(config))
        return config
    settings = {"scrubData": True, "scrubDefaults": True, "scrubIpAddresses": True}
    return convert_datascrubbing_config({**settings, "excludeFields": [], "sensitiveFields": []})


def expressions() -> list[tuple[str, bool]]:
    """Return the scan's expressions, and whether they ignore case."""
    wanted = Policy().wanted
    return [(c.expression, c.caseless) for c in CANDIDATES if not wanted.isdisjoint(c.kinds)]


def python_re() -> Contender:
    """Return a search for the same expressions with Python's ``re``, one after the other, over the raw bytes."""
    compiled = [re.compile(text.encode(), re.IGNORECASE if caseless else 0) for text, caseless in expressions()]
    return lambda payload: [match.span() for pattern in compiled for match in pattern.finditer(payload)]


def re2() -> Contender:
    """Return a search for the same expressions with RE2's set, over the raw bytes, in one pass (which, not where)."""
    import re2 as engine

    options = engine.Options()
    options.encoding = engine.Options.Encoding.LATIN1
    options.max_mem = 256 * 1024 * 1024
    found = engine.Set.SearchSet(options)
    for text, caseless in expressions():
        found.Add(f"(?i){text}" if caseless else text)
    found.Compile()
    return lambda payload: found.Match(payload.decode("latin-1"))


def contenders(payloads: list[bytes]) -> dict[str, Contender]:
    """Return who takes part over these payloads; who cannot is named on standard error."""
    scrubber = Scrubber(Policy())
    found: dict[str, Contender] = {"aftershock": lambda payload: scrubber.scrub(payload, "shop", "production")}
    peers: dict[str, Callable[[], Contender]] = {
        "relay, rules on all strings": lambda: relay_from_text_to_text(True),
        "relay, rules on all strings, the call alone": lambda: relay_on_objects(True, payloads),
        "relay, rules on all strings, its work alone": lambda: relay(True),
        "relay, default": lambda: relay_from_text_to_text(False),
        "relay, default, the call alone": lambda: relay_on_objects(False, payloads),
        "relay, default, its work alone": lambda: relay(False),
        "python re, a pattern a kind": lambda: scrub_by_kind,
        "python re over the whole text, finding only": python_re,
        "re2 set over the whole text, finding only": re2,
    }
    for name, make in peers.items():
        try:
            found[name] = make()
        except ImportError as error:
            print(f"left out: {name} ({error.name} is not installed)", file=sys.stderr)
    return found


def measure(contender: Contender, payloads: list[bytes]) -> list[float]:
    """Return the time each payload took, in microseconds."""
    times = []
    for payload in payloads:
        started = time.perf_counter_ns()
        contender(payload)
        times.append((time.perf_counter_ns() - started) / 1000)
    return times


def percentile(times: list[float], share: float) -> float:
    """Return the time that ``share`` of the events stay under."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def summary(times: list[float]) -> dict[str, float]:
    """Return median, mean and 99th percentile in microseconds."""
    return {
        "median_us": round(statistics.median(times), 1),
        "mean_us": round(statistics.fmean(times), 1),
        "p99_us": round(percentile(times, 0.99), 1),
    }


def by_size(scrubber: Scrubber) -> dict[str, float]:
    """Return microseconds a kilobyte for one event at sizes up to 1 MB, a fifth of its messages with an address."""
    found = {}
    for kilobytes in (10, 100, 1000):
        crumbs: list[dict[str, str]] = []
        while len(crumbs) * 120 < kilobytes * 1000:
            who = "for user77@example.com" if len(crumbs) % 5 == 0 else "for nobody in particular"
            crumbs.append({"category": "shop", "message": f"step {len(crumbs)} {who}, took 12.5 ms", "level": "info"})
        payload = json.dumps({"breadcrumbs": {"values": crumbs}}).encode()
        times = measure(scrubber.scrub, [payload] * max(3, 300 // kilobytes))
        found[f"{len(payload) // 1000} kB"] = round(statistics.median(times) / (len(payload) / 1000), 2)
    return found


def run(rounds: int) -> dict[str, object]:
    """Measure everything; the contenders take turns, so that all see the same machine."""
    payloads = [payload for _, payload in Generator(seed=7).events(_EVENTS * (rounds + 1))]
    scrubber = Scrubber(Policy())
    personal = [scrubber.scrub(payload).payload is not payload for payload in payloads]
    taking_part = contenders(payloads)
    times: dict[str, list[float]] = {name: [] for name in taking_part}
    for first in range(0, len(payloads), _EVENTS):
        for name, contender in taking_part.items():
            measured = measure(contender, payloads[first : first + _EVENTS])
            times[name] += measured if first else []  # the first round warms everything up
    ours = summary(times["aftershock"])
    halves: dict[bool, list[float]] = {False: [], True: []}
    for time_, holds in zip(times["aftershock"], personal[_EVENTS:], strict=True):
        halves[holds].append(time_)
    return {
        "versions": installed("hyperscan", "sentry-relay", "google-re2"),
        "events": {
            "count": len(payloads),
            "mean_bytes": sum(map(len, payloads)) // len(payloads),
            "personal": sum(personal),
        },
        "contenders": {
            name: {**figures, **{f"times_our_{of}": round(figures[f"{of}_us"] / ours[f"{of}_us"], 1) for of in RATIOS}}
            for name, figures in ((name, summary(found)) for name, found in times.items())
        },
        "clean": summary(halves[False]),
        "personal": summary(halves[True]),
        "personal_over_clean": round(statistics.median(halves[True]) / statistics.median(halves[False]), 2),
        "us_a_kilobyte": by_size(scrubber),
    }


@click.command()
@click.option("--rounds", default=5, show_default=True, help=f"How many rounds of {_EVENTS} events each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(rounds: int, as_json: bool) -> None:
    """Measure scrubbing beside Relay, Python's re and RE2."""
    say_how()
    found = run(rounds)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name}: {value}" if name != "contenders" else "contenders:")
        if name == "contenders" and isinstance(value, dict):
            for contender, figures in value.items():
                click.echo(f"  {contender:43} {figures}")


if __name__ == "__main__":
    main()
