"""Outcomes: what was not taken, added up until a message is made of it. Pure; time is an argument.

Whoever drops or refuses an item says so with :meth:`Outcomes.add`. What is added in about a second leaves together,
as few messages on the topic ``outcomes``, so a flood that is refused stays small there. A gateway that is killed loses
the counts of its last second; what was taken is never counted here.
"""

from __future__ import annotations

import uuid

import msgspec

from pipeline.gateway.items import Message
from schemas.outcome import Count
from schemas.outcome import Outcomes as OutcomesMessage
from schemas.topics import OUTCOMES

MOST_KINDS = 5000
"""How many different counts are kept apart at a time; what goes beyond is counted without project and key."""

MOST_IN_A_MESSAGE = 1000
KEY_DIGITS = 8
_encode = msgspec.json.Encoder().encode

_Kind = tuple[str, str, str, str]


class Outcomes:
    """Counts by project, key, category and reason."""

    def __init__(self) -> None:
        self._counts: dict[_Kind, int] = {}

    def add(self, project: str, key: str, category: str, reason: str, quantity: int = 1) -> None:
        """Count items that were not taken.

        Args:
            project: the project's name; empty where it is not known.
            key: the public key; empty where it is not known. Its first eight digits are kept.
            category: the items' data category.
            reason: a word of this program, or a word, a colon and a detail: ``filtered:localhost``. Holds nothing
                that was sent.
            quantity: how many items; none are not counted.
        """
        if quantity <= 0:
            return
        kind = (project, key[:KEY_DIGITS], category, reason)
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = ("", "", category, reason)
        self._counts[kind] = self._counts.get(kind, 0) + quantity

    def take(self, now_s: float) -> list[Message]:
        """Return messages with everything that was added since the last time, and begin at nothing.

        Args:
            now_s: seconds since 1970.
        """
        counts = [Count(*kind, quantity) for kind, quantity in self._counts.items()]
        self._counts.clear()
        return [
            _message(counts[start : start + MOST_IN_A_MESSAGE], now_s)
            for start in range(0, len(counts), MOST_IN_A_MESSAGE)
        ]


def _message(counts: list[Count], now_s: float) -> Message:
    value = _encode(OutcomesMessage(uuid.uuid4().hex, round(now_s, 3), counts))
    return Message(OUTCOMES.name, None, value, "")
