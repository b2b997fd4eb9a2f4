"""The load of a round: uniquely numbered error events in groups whose counts lie on both sides of a threshold. Pure.

Every issue and environment is a *group*. Groups of class A have ``group`` events, those of class B one less, of weight
1; so a rule with the sum of a class A group as its threshold fires for each group of class A and for none of class B,
and one event that is lost or counted twice makes an alert that is missing or should not be there. Bursts come all at
once and fill a short window of their own.

The order of the draws from a round's random numbers is fixed: a seed has the same events for ever.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass, field

ENVIRONMENTS = ("production", "staging", "eu-canary")
_RELEASES = 3
_USERS = 300
_LATE_S, _BURST_LATE_S = 3.0, 0.5


def weight_of(position: int) -> float:
    """Return how many events the one at a position in its group stands for."""
    if position % 15 == 7:
        return 2.5
    return 2.0 if position % 15 in (3, 11) else 1.0


def weights(count: int, half: int | None = None) -> float:
    """Return the weight of the first ``count`` positions, or of every other of them from position ``half`` on."""
    return sum(weight_of(position) for position in range(count) if half is None or position % 2 == half)


@dataclass(frozen=True)
class Shape:
    """How many issues, events a group, and bursts (one for each environment) a round has."""

    issues: int = 40
    group: int = 75
    burst: int = 50
    bursts: int = field(default=len(ENVIRONMENTS), init=False)

    def __post_init__(self) -> None:
        # Class B is class A without its last event: it must weigh 1 and be in the half that is counted apart.
        assert weight_of(self.group - 1) == 1
        assert (self.group - 1) % 2 == 0
        # The rules of groups count bursts too, and must not fire for them.
        assert self.burst < self.whole - 1
        # Every environment has as many groups of class A as of class B.
        assert self.issues % 2 == 0

    def is_class_a(self, issue: int, environment: int) -> bool:
        """Say whether a group has all of its events."""
        return (issue + environment) % 2 == 0

    def size_of(self, issue: int, environment: int) -> int:
        """Return how many events a group has."""
        return self.group if self.is_class_a(issue, environment) else self.group - 1

    @property
    def whole(self) -> float:
        """The weight of a group of class A."""
        return weights(self.group)

    @property
    def half(self) -> float:
        """The weight of those events of a group of class A that are tagged ``half:a``."""
        return weights(self.group, 0)

    @property
    def everything(self) -> float:
        """The weight of an environment, its burst included."""
        return sum(weights(self.size_of(issue, 0)) for issue in range(self.issues)) + self.burst

    @property
    def types(self) -> int:
        """How many different issues there are."""
        return self.issues + self.bursts


FULL = Shape()
SMALL = Shape(issues=6, group=15, burst=15)
"""Some hundreds of events: for a round that shows quickly that the comparison sees."""

FRAMES = [
    {
        "filename": f"shop/{name}.py",
        "abs_path": f"/srv/shop/{name}.py",
        "function": f"step_{name}",
        "module": f"shop.{name}",
        "lineno": 10 + at,
        "context_line": f"    return step_{name}(order, customer=customer, attempt=attempt)",
        "pre_context": ["    # before", "    log.debug('going on')"],
        "post_context": ["    # after"],
        "in_app": True,
    }
    for at, name in enumerate(("web", "checkout", "orders", "payment", "charge"))
]


class Event:
    """One error event: what is sent of it, and what became of it.

    ``ms`` is its time in milliseconds and is known once :meth:`body` was called; ``partition`` and ``offset`` are known
    once Kafka has acknowledged it, ``failure`` says why it has not. ``may_be_missing`` marks an event that nobody
    promised to keep.
    """

    __slots__ = (
        "burst", "dist", "env", "failure", "half", "id", "level", "may_be_missing", "ms", "offset", "partition",
        "release", "type", "user", "weight",
    )  # fmt: skip

    def __init__(self, rng: random.Random, type_: str, env: str, position: int, *, burst: bool = False) -> None:
        self.id = f"{rng.getrandbits(128):032x}"
        self.type, self.env, self.burst = type_, env, burst
        self.weight = 1.0 if burst else weight_of(position)
        self.half = "" if burst else "ab"[position % 2]
        self.level = "error" if position % 5 else "warning"
        self.release = f"shop@{position % _RELEASES}.0"
        self.user = f"user-{rng.randrange(_USERS)}"
        self.dist = ""
        self.ms = 0
        self.partition: int | None = None
        self.offset: int | None = None
        self.failure: str | None = None
        self.may_be_missing = False

    @property
    def minute(self) -> int:
        """The minute in which it happened, in seconds since 1970."""
        return self.ms // 60_000 * 60

    @property
    def hour(self) -> int:
        """The hour in which it happened, in seconds since 1970."""
        return self.ms // 3_600_000 * 3600

    def body(self, now: float, rng: random.Random) -> bytes:
        """Return the event as JSON; it happened up to three seconds before ``now`` (seconds since 1970)."""
        self.ms = int((now - rng.uniform(0, _BURST_LATE_S if self.burst else _LATE_S)) * 1000)
        return json.dumps(self.payload()).encode()

    def payload(self) -> dict[str, object]:
        """Return the event as an SDK would send it, with the time it has."""
        exception = {
            "type": self.type,
            "value": "it failed",
            "mechanism": {"type": "x", "handled": True},
            "stacktrace": {"frames": FRAMES},
        }
        dist = {"dist": self.dist} if self.dist else {}
        return {
            "event_id": self.id,
            "timestamp": rfc3339(self.ms),
            "platform": "python",
            "level": self.level,
            "environment": self.env,
            "release": self.release,
            "transaction": "checkout",
            "server_name": "web-1",
            "user": {"id": self.user},
            "tags": {"half": self.half, "kind": "burst" if self.burst else "plain"},
            "exception": {"values": [exception]},
            **dist,
        }


def rfc3339(ms: int) -> str:
    """Return a time in milliseconds since 1970 as SDKs write it."""
    when = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def events_of_round(rng: random.Random, shape: Shape = FULL) -> list[Event]:
    """Return a round's events in the order in which they are sent."""
    events = [
        Event(rng, f"Failure{issue}Error", env, position)
        for issue in range(shape.issues)
        for number, env in enumerate(ENVIRONMENTS)
        for position in range(shape.size_of(issue, number))
    ]
    rng.shuffle(events)
    for burst, env in enumerate(ENVIRONMENTS):
        at = rng.randrange(len(events) * 8 // 10)
        events[at:at] = [Event(rng, f"Burst{burst}Error", env, p, burst=True) for p in range(shape.burst)]
    return events


def in_class_a(event: Event) -> bool:
    """Say whether a plain event belongs to a group of class A: one event less, and an alert is missing."""
    if event.burst:
        return False
    return (int(event.type.removeprefix("Failure").removesuffix("Error")) + ENVIRONMENTS.index(event.env)) % 2 == 0
