"""Events to measure with: payloads captured from real SDKs, varied so that no two are equal. Seeded.

Each group is one of the captured payloads with frames and an exception type of its own, filled up with breadcrumbs
of a captured event to about 9 KB. A fifth of the events holds personal data, in the places where it is found in real
ones: the exception's value, local variables, breadcrumbs, the user, and the request. The others hold none.
"""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

EXAMPLES = Path(__file__).parent.parent / "schemas" / "examples" / "errors"
BASES = (
    "python-checkout",
    "python-flask-post-json",
    "python-flask-get",
    "python-exception-group",
    "node-cause",
    "node-websocket",
)
GROUPS = 500
MEAN_BYTES = 9000
PERSONAL_SHARE = 0.2
PROJECT = "shop"
USERS = 5000

_CAPTURED_PERSONAL = re.compile(r"[\w.]+(?:@|%40)example\.com|127\.0\.0\.1")
_SENSITIVE_KEY = re.compile(r'"(?:session_?id|password)":', re.IGNORECASE)
_MARK = re.compile(rb"<<(\w+)>>")
_NAMES = ("ada", "grace", "linus", "margaret", "dennis", "barbara", "ken", "frances")
_ENVIRONMENTS = ("production", "production", "production", "staging")

Pieces = list[bytes]
"""A payload cut at its marks: bytes that stay at even places, names of what is filled in at odd ones."""


class Generator:
    """Makes events.

    Args:
        seed: the same seed gives the same events, but for their time.
        groups: how many issues there are.
    """

    def __init__(self, seed: int = 1, groups: int = GROUPS) -> None:
        self._random = random.Random(seed)
        captured = [clean(msgspec.json.decode((EXAMPLES / f"{name}.json").read_bytes())) for name in BASES]
        breadcrumbs = captured[0]["breadcrumbs"]["values"]
        self._clean: list[Pieces] = []
        self._personal: list[Pieces] = []
        for group in range(groups):
            event = self._grouped(captured[group % len(captured)], group, breadcrumbs)
            self._clean.append(_cut(event))
            self._personal.append(_cut(with_personal_data(event)))

    def events(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Yield event ids and payloads, with the time at which each is made."""
        for _ in range(count):
            yield self.event(self._random.randrange(len(self._clean)))

    def event(self, group: int) -> tuple[str, bytes]:
        """Return the id and the payload of one event of a group."""
        chosen = self._personal if self._random.random() < PERSONAL_SHARE else self._clean
        pieces = chosen[group].copy()
        values = self._values()
        for place in range(1, len(pieces), 2):
            pieces[place] = values[pieces[place]]
        return values[b"event_id"].decode(), b"".join(pieces)

    def _values(self) -> dict[bytes, bytes]:
        """Return what is filled in at the marks of one event."""
        number = self._random.getrandbits
        user = number(32) % USERS
        name = _NAMES[user % len(_NAMES)]
        now = time.time()
        return {
            b"event_id": b"%032x" % number(128),
            b"trace_id": b"%032x" % number(128),
            b"span_id": b"%016x" % number(64),
            b"timestamp": b"%.6f" % now,
            b"environment": _ENVIRONMENTS[number(2)].encode(),
            b"user": b"%d" % user,
            b"order": b"%d" % (number(20) + 10000),
            b"amount": b"%d" % (number(14) + 100),
            b"basket": b"%020x" % number(80),
            b"email": b"%s.%d@example.com" % (name.encode(), user),
            b"card": card(number(30)).encode(),
            b"phone": b"+49 30 5550 %04d" % (number(16) % 10000),
            b"address": b"203.0.113.%d" % (number(8) % 254 + 1),
            b"token": b"%064x" % number(256),
        }

    def _grouped(self, base: dict[str, Any], group: int, breadcrumbs: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a captured event as one of a group: its own exception type and frames, about 9 KB."""
        event = copy.deepcopy(base)
        event |= {"event_id": "<<event_id>>", "timestamp": "<<timestamp>>", "environment": "<<environment>>"}
        event["user"] = {"id": "<<user>>"}
        event["transaction"] = f"{event.get('transaction', 'job')}.{group % 50}"
        event["release"] = f"shop@2.{group % 3}.1"
        trace = event.setdefault("contexts", {}).setdefault("trace", {})
        trace |= {"trace_id": "<<trace_id>>", "span_id": "<<span_id>>"}
        last = event["exception"]["values"][-1]
        last["type"] = f"{last['type']}{group}"
        last["value"] = "order <<order>> over <<amount>> EUR failed"
        for exception in event["exception"]["values"]:
            for frame in exception.get("stacktrace", {}).get("frames", ()):
                if frame.get("in_app"):
                    frame["function"] = f"{frame.get('function')}_{group}"
        frames = last["stacktrace"]["frames"]
        frames[-1].setdefault("vars", {})["basket"] = "'<<basket>>'"
        wanted = self._random.gauss(MEAN_BYTES, MEAN_BYTES / 10)
        trail = _breadcrumbs(event)
        while len(msgspec.json.encode(event)) < wanted - 150:
            crumb = copy.deepcopy(self._random.choice(breadcrumbs))
            crumb["data"] = (crumb.get("data") or {}) | {"order": "<<order>>", "row": len(trail)}
            trail.append(crumb)
        return event


def clean(event: dict[str, Any]) -> dict[str, Any]:
    """Return a captured event without the personal data and the secrets in it.

    Without ``_meta`` as well, which tells what the SDK's own filter took away.
    """
    text = msgspec.json.encode({key: value for key, value in event.items() if key != "_meta"}).decode()
    text = _SENSITIVE_KEY.sub('"basket":', _CAPTURED_PERSONAL.sub("someone", text))
    found: dict[str, Any] = msgspec.json.decode(text)
    return found


def with_personal_data(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with personal data in the usual places."""
    event = copy.deepcopy(event)
    event["user"] = {"id": "<<user>>", "email": "<<email>>", "ip_address": "<<address>>"}
    last = event["exception"]["values"][-1]
    last["value"] += " for <<email>>"
    frame = last["stacktrace"]["frames"][-1]
    frame.setdefault("vars", {})["payment"] = {"card": "'<<card>>'", "api_key": "'<<token>>'", "amount": "<<amount>>"}
    crumbs = _breadcrumbs(event)
    if crumbs:
        crumbs[-1]["message"] = "text message to <<phone>>"
    event.setdefault("extra", {})["headers"] = "Authorization: Bearer <<token>>"
    return event


def _breadcrumbs(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the list of breadcrumbs, whichever way the SDK spells it."""
    found = event.setdefault("breadcrumbs", {"values": []})
    crumbs: list[dict[str, Any]] = found if isinstance(found, list) else found["values"]
    return crumbs


def card(number: int) -> str:
    """Return a card number of 16 digits that passes the Luhn check."""
    digits = f"4111{number % 10**11:011d}"
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{digits}{-total % 10}"


def _cut(event: dict[str, Any]) -> Pieces:
    text = msgspec.json.encode(event)
    # A time is a number, and a mark is text.
    return _MARK.split(text.replace(b'"<<timestamp>>"', b"<<timestamp>>"))
