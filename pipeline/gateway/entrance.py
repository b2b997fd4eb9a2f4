"""The entrance: filters and sampling for what comes over HTTP, before it becomes messages on Kafka. Pure.

A payload is decoded for it only when there is something to decide, and what cannot be decoded passes: the worker says
what is wrong with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from pipeline.errors import Refused
from pipeline.gateway.items import Message
from pipeline.gateway.reports import Outcome
from pipeline.inbound import Client, Inbound, Verdict
from pipeline.inbound.facts import Facts
from pipeline.inbound.gate import KEPT, SAMPLED
from pipeline.inbound.settings import Kind
from pipeline.payload.decode import decode
from pipeline.tables.outcomes import CATEGORIES
from schemas.event import Event

KINDS: dict[str, Kind] = {category: kind for kind, category in CATEGORIES.items()}
"""What filters and sampling rules call a data category; the other categories pass."""

_EVENT = msgspec.json.Decoder(Event)


class _Attributes(Struct):
    release: str | None = None
    environment: str | None = None


class _Session(Struct):
    sid: str | None = None
    did: str | int | None = None
    attrs: _Attributes | None = None


_SESSION = msgspec.json.Decoder(_Session)


class Entrance:
    """Lets messages in, or does not.

    Args:
        inbound: the filters and sampling rules.
    """

    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound
        self.open = not inbound.active

    def let_in(self, messages: Sequence[Message], category: str, client: Client) -> tuple[list[Message], list[Outcome]]:
        """Return the messages that stay, with their weights, and what became of the others."""
        kind = KINDS.get(category)
        if kind is None:
            return list(messages), []
        kept: list[Message] = []
        dropped: Counter[str] = Counter()
        for message in messages:
            verdict = self._judge(message, kind, client)
            if verdict.dropped:
                dropped[verdict.dropped] += 1
            else:
                kept.append(message if verdict.weight == 1 else message._replace(weight=f"{verdict.weight:.12g}"))
        return kept, [_outcome(category, reason, count) for reason, count in dropped.items()]

    def _judge(self, message: Message, kind: Kind, client: Client) -> Verdict:
        if kind == "session":
            return self._judge_session(message)
        try:
            event = _EVENT.decode(message.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            try:
                event = decode(message.value).event
            except Refused:
                return KEPT
        return self._inbound.judge(event, kind, message.project, client)

    def _judge_session(self, message: Message) -> Verdict:
        """Judge a session, by its own id: all that is told of it is decided alike. Aggregates are not sampled."""
        try:
            session = _SESSION.decode(message.value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return KEPT
        attributes = session.attrs or _Attributes()
        environment, release = attributes.environment or "", attributes.release or ""
        facts = Facts("session", message.project, environment, release, identity=session.sid or str(session.did or ""))
        dropped_by = self._inbound.filter_of(message.project, environment).drops(Event(), facts)
        if dropped_by:
            return Verdict(dropped_by, 0.0)
        return self._inbound.sample(facts) if facts.identity else KEPT


def _outcome(category: str, reason: str, quantity: int) -> Outcome:
    return (
        Outcome(category, SAMPLED, quantity) if reason == SAMPLED else Outcome(category, "filtered", quantity, reason)
    )
