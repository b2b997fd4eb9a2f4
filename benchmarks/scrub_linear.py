"""How scrubbing grows with an event's size, over hostile input: ``python -m benchmarks.scrub_linear``.

Each shape is one event whose strings are made to keep a scanner busy: runs of digits, dots, at signs, colons, quotes
and backslashes, beginnings of keys and cards, JSON within strings. It is scrubbed at 16 KB to 2 MB.
Where the work is linear, a kilobyte costs the same at every size. ``growth`` is what a kilobyte costs at the largest
size over what it costs at 16 KB; the worst, and the dearest kilobyte of all, are printed last. Exit code 1 says that
some growth is beyond ``--most``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import click

from benchmarks import say_how
from pipeline.scrub import Policy, Scrubber

SIZES_KB = (16, 64, 256, 1024, 2000)
"""The last one stays below what the worker takes at all (``MAX_EVENT_BYTES``)."""

UNITS = {
    "digits": "4",
    "card prefixes": "4111 ",
    "almost cards": "4111 1111 1111 1112 ",
    "cards": "4111111111111111 ",
    "digits and dashes": "1-",
    "dashes": "-",
    "dots": ".",
    "digits and dots": "1.2.",
    "addresses": "10.1.2.3 ",
    "at signs": "@",
    "mailboxes without an end": "a@",
    "mailboxes": "a@b.co ",
    "domains": "@a.b",
    "letters": "a",
    "colons": ":",
    "hex and colons": "ab:",
    "hex": "deadbeef",
    "quotes": '"',
    "backslashes": "\\",
    "quotes and backslashes": '\\"',
    "assignments": "a=",
    "passwords": "password=",
    "passwords with values": "password=x&",
    "tokens with values": "token=a ",
    "tokens in literals": '"token: ',
    "options": "--password x ",
    "user options": "-u a:",
    "national phones": "030 1234567 ",
    "called numbers": "call 4155552671 ",
    "form parts": 'name="password"\r\n\r\nx',
    "validation errors": "\na\n  , input_value=",
    "elements": "<password a>x</password>",
    "driver names": "a:b@tcp(",
    "key ends": "QUJDREVGQUJDREVG\n-----END PRIVATE",
    "client options": "mysql -u a ",
    "brackets": "[",
    "braces": "{",
    "objects": '{"a":',
    "members": '"password":"x",',
    "percent signs": "%",
    "percent codes": "%40",
    "double percent codes": "%2540",
    "base64": "QUJD",
    "base64 lines": "QUJDREVG" * 9 + "\n",
    "token beginnings": "eyJhbGciOi.",
    "slack beginnings": "xoxb-",
    "key beginnings": "sk-a1-",
    "key lines": "-----BEGIN PRIVATE KEY-----",
    "bearers": "Bearer abcdef1 ",
    "URLs": "://a:b@c ",
    "URLs without an end": "://a:",
    "directories": "/home/a/b ",
    "backslash directories": "\\Users\\a ",
    "phones": "+1 415 555 2671 ",
    "plus signs": "+",
    "IBAN beginnings": "DE89 3704 ",
    "cookies": "Cookie: a=b; ",
    "blanks": " ",
    "line breaks": "\n",
    "other letters": "é",
    "null characters": "\0",
}

Shape = Callable[[str, int], Any]


def as_message(unit: str, characters: int) -> Any:
    """Return an event with one long string."""
    return {"message": unit * (characters // len(unit))}


def as_inner_json(unit: str, characters: int) -> Any:
    """Return an event with one long string inside JSON text inside JSON text."""
    inner = json.dumps({"b": unit * (characters // len(unit))})
    return {"extra": {"body": json.dumps({"a": inner})}}


def as_many(unit: str, characters: int) -> Any:
    """Return an event with many short strings."""
    text = (unit * 60)[:60]
    return {"extra": {"values": [text] * (characters // 63)}}


SHAPES: dict[str, Shape] = {"one string": as_message, "JSON in strings": as_inner_json, "many strings": as_many}


def payload_of(shape: Shape, unit: str, kilobytes: int) -> bytes:
    """Return the event of a shape as JSON text of about this size, however much of it has to be escaped."""
    wanted = kilobytes * 1000
    probe = len(json.dumps(shape(unit, 10_000)))
    return json.dumps(shape(unit, wanted * 10_000 // probe)).encode()


def us_a_kilobyte(scrubber: Scrubber, payload: bytes, rounds: int) -> float:
    """Return the least processor time of some rounds, in microseconds a kilobyte."""
    times = []
    for _ in range(rounds):
        started = time.process_time_ns()
        scrubber.scrub(payload, "shop", "production")
        times.append(time.process_time_ns() - started)
    return min(times) / len(payload)


class Growth(NamedTuple):
    """What a kilobyte of one shape costs at each size that was measured, in microseconds."""

    shape: str
    unit: str
    costs: list[float]

    @property
    def growth(self) -> float:
        """What a kilobyte costs at the largest size, over what it costs at the smallest."""
        return self.costs[-1] / self.costs[0]

    def line(self) -> str:
        """Return one line of the report."""
        left_out = ["-"] * (len(SIZES_KB) - len(self.costs))
        costs = " ".join(f"{cost:>8}" for cost in [*(f"{cost:.2f}" for cost in self.costs), *left_out])
        return f"{self.shape:16} {self.unit:26} {costs} {self.growth:7.2f}"


def measure(rounds: int, shapes: Iterable[str], longest_s: float) -> Iterator[Growth]:
    """Yield the growth of every unit in every shape; sizes that would take longer than allowed are left out."""
    scrubber = Scrubber(Policy())
    for shape in shapes:
        for name, unit in UNITS.items():
            costs: list[float] = []
            for size in SIZES_KB:
                if costs and costs[-1] * size / 1e6 > longest_s:
                    break
                costs.append(us_a_kilobyte(scrubber, payload_of(SHAPES[shape], unit, size), rounds))
            yield Growth(shape, name, costs)


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often each event is scrubbed; the fastest counts.")
@click.option("--shape", "shapes", multiple=True, type=click.Choice(tuple(SHAPES)), help="Only these shapes.")
@click.option("--most", default=2.0, show_default=True, help="The growth that is taken for linear.")
@click.option("--longest-s", default=5.0, show_default=True, help="Leave out sizes that would take longer.")
def main(rounds: int, shapes: tuple[str, ...], most: float, longest_s: float) -> None:
    """Measure how scrubbing grows with the size of hostile events, in microseconds a kilobyte."""
    say_how()
    click.echo(f"{'':43} {' '.join(f'{size:5} KB' for size in SIZES_KB)}  growth")
    found = []
    for one in measure(rounds, shapes or SHAPES, longest_s):
        found.append(one)
        click.echo(one.line())
    worst, dearest = max(found, key=lambda one: one.growth), max(found, key=lambda one: one.costs[0])
    click.echo(f"worst growth: {worst.growth:.2f} ({worst.shape}, {worst.unit})")
    click.echo(f"dearest kilobyte: {dearest.costs[0]:.0f} us ({dearest.shape}, {dearest.unit})")
    sys.exit(1 if worst.growth > most else 0)


if __name__ == "__main__":
    main()
