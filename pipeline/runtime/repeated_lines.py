"""Which lines of a log are repeats of one that was written: decided by their shape, and counted instead of written.

A client that has lost its server says so hundreds of times a second, and always the same. The first line of a shape is
written at once; what repeats it is counted, and the counts are written together, in one line every :data:`EVERY_S`
seconds. A shape that has been silent for so long is new again. No line is held back to be written later.

Pure: the time is an argument. The memory is bounded: of :data:`MOST_SHAPES` shapes the one that was seen longest ago is
forgotten, and would be written again.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from typing import NamedTuple

EVERY_S = 30.0
MOST_SHAPES = 500
MOST_TEXT = 300
"""Characters that are kept of a line, and looked at to tell shapes apart."""

OWN = "pipeline"
SUBJECTS = {"kafka": "Kafka", "clickhouse": "ClickHouse"}

_ABSENCE = re.compile(
    r"KafkaConnectionError|NodeNotReadyError|RequestTimedOutError|KafkaTimeoutError|KafkaUnavailableError|"
    r"CoordinatorNotAvailable|NotCoordinator|BrokerNotAvailable|NoBrokersAvailable|[Cc]oordinator dead|"
    r"Connect call failed|Connection (?:refused|reset)|Unable (?:to )?connect|Unable to (?:update|request) metadata|"
    r"does not answer|has not answered|cannot be resolved|did not (?:take|acknowledge)"
)
_VARYING = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b|\d+")


class Shape(NamedTuple):
    """What lines that repeat each other have in common: who says it, about which server, and what, without numbers."""

    logger: str
    subject: str
    text: str


class Digest(NamedTuple):
    """What was left out: how often the most frequent shape, in how many seconds, and how many lines of other shapes."""

    shape: Shape
    level: int
    line: str
    times: int
    seconds: float
    others: int
    other_shapes: int

    def __str__(self) -> str:
        """Return it as a line of a log."""
        times = "once" if self.times == 1 else f"{self.times:,} times"
        said = f"{self.line} (repeated {times} in {self.seconds:.0f} s"
        if self.others:
            kinds = f"{self.other_shapes} other kinds" if self.other_shapes > 1 else "another kind"
            said += f", and {self.others:,} lines of {kinds}"
        return said + ")"


def shape_of(logger: str, template: str, message: str, *, exact: bool) -> Shape:
    """Return the shape of a line.

    Lines in which one logger says in whatever words that a server is away have one shape. ``template`` is the message
    before its arguments were put in; libraries put into theirs what varies. With ``exact``, only the same text is the
    same shape.
    """
    own = logger.partition(".")[0] == OWN
    start = message[:MOST_TEXT]
    subject = "kafka" if logger.partition(".")[0] == "aiokafka" else ""
    if own:
        subject = next((key for key, name in SUBJECTS.items() if name in start), "")
    if exact and own:
        return Shape(logger, subject, message[: 10 * MOST_TEXT])
    if subject and _ABSENCE.search(start):
        return Shape(logger, subject, "")
    return Shape(logger, subject, _VARYING.sub("N", start if own else template[:MOST_TEXT]))


class _Seen:
    __slots__ = ("held", "last", "level", "line")

    def __init__(self, line: str, level: int, now: float) -> None:
        self.line = line
        self.level = level
        self.last = now
        self.held = 0


class Repeats:
    """What was said lately, and how often since it was written.

    Args:
        every_s: how often counts are written, in seconds.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._seen: OrderedDict[Shape, _Seen] = OrderedDict()
        self._began: float | None = None
        self._forgotten = 0
        self._left_out: Counter[str] = Counter()

    @property
    def due(self) -> float | None:
        """When the next digest is due; ``None`` while nothing was left out since the last one."""
        return None if self._began is None else self._began + self._every_s

    def admit(self, shape: Shape, level: int, line: str, now: float) -> bool:
        """Return whether a line is to be written; if not, it is counted."""
        seen = self._seen.get(shape)
        if seen is None or (not seen.held and now - seen.last >= self._every_s):
            self._seen[shape] = _Seen(line[:MOST_TEXT], level, now)
            self._seen.move_to_end(shape)
            if len(self._seen) > MOST_SHAPES:
                self._forgotten += self._seen.popitem(last=False)[1].held
            return True
        self._seen.move_to_end(shape)
        seen.last = now
        seen.held += 1
        self._left_out[shape.subject] += 1
        if self._began is None:
            self._began = now
        return False

    def digest(self, now: float) -> Digest | None:
        """Return what was left out since the last one, and begin to count anew."""
        began, self._began = self._began, None
        held = {shape: seen for shape, seen in self._seen.items() if seen.held}
        others, self._forgotten = self._forgotten, 0
        for subject in self._left_out.keys() - {shape.subject for shape in held}:
            del self._left_out[subject]  # silent for so long: what comes next is another absence
        if not held or began is None:
            return None
        shape, most = max(held.items(), key=lambda found: found[1].held)
        others += sum(seen.held for seen in held.values()) - most.held
        digest = Digest(shape, most.level, most.line, most.held, now - began, others, len(held) - 1)
        for seen in held.values():
            seen.held = 0
        return digest

    def settle(self, subject: str) -> int:
        """Return how many lines about a server were left out since the last call; no digest tells of them any more."""
        for shape, seen in self._seen.items():
            if shape.subject == subject:
                seen.held = 0
        return self._left_out.pop(subject, 0)
