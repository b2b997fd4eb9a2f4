"""From an envelope of the SDK to messages for Kafka: which item goes to which topic, under which key.

=============  ==========  ===========================================
item           topic       key
=============  ==========  ===========================================
event          ``errors``  ``event_id``
transaction    ``spans``   ``contexts.trace.trace_id``
span (batch)   ``spans``   ``trace_id`` of each span, one message each
=============  ==========  ===========================================

There is no topic yet for anything else (sessions, logs, metrics, check-ins, attachments, profiles): those items are
handed back, so that the transport can count them as lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sentry_sdk.utils import json_dumps

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope, Item

ERRORS = "errors"
SPANS = "spans"


class Message(NamedTuple):
    """One message for Kafka.

    ``losses`` is what the SDK must hear of if the message does not arrive: pairs of data category and quantity.
    """

    topic: str
    key: str | None
    value: bytes
    losses: tuple[tuple[str, int], ...]


def messages_of(envelope: Envelope) -> tuple[list[Message], list[Item]]:
    """Return the messages for an envelope, in its order, and the items that no topic takes.

    Raises what the SDK's JSON encoder raises (``TypeError``, ``ValueError``) when a payload cannot be written as JSON.
    """
    messages: list[Message] = []
    others: list[Item] = []
    for item in envelope.items:
        build = BUILDERS.get(item.type or "")
        if build is None:
            others.append(item)
        else:
            messages.extend(build(item))
    return messages, others


def error_messages(item: Item) -> list[Message]:
    """Return the message for an error event."""
    return [Message(ERRORS, payload_of(item).get("event_id"), item.get_bytes(), (("error", 1),))]


def transaction_messages(item: Item) -> list[Message]:
    """Return the message for a transaction. Its loss counts as a transaction and, by the SDK's rule, as 1 + n spans."""
    payload = payload_of(item)
    trace = (payload.get("contexts") or {}).get("trace") or {}
    spans = 1 + len(payload.get("spans") or ())
    return [Message(SPANS, trace.get("trace_id"), item.get_bytes(), (("transaction", 1), ("span", spans)))]


def span_messages(item: Item) -> list[Message]:
    """Return one message a span of a batch of single spans."""
    spans: list[dict[str, Any]] = payload_of(item).get("items") or []
    return [Message(SPANS, span.get("trace_id"), json_dumps(span), (("span", 1),)) for span in spans]


def payload_of(item: Item) -> dict[str, Any]:
    """Return the item's JSON payload as the SDK built it, parsing it only where the SDK kept nothing but bytes."""
    payload = item.payload.json
    if payload is None:
        payload = json.loads(item.get_bytes())
    return payload if isinstance(payload, dict) else {}


BUILDERS: dict[str, Callable[[Item], list[Message]]] = {
    "event": error_messages,
    "transaction": transaction_messages,
    "span": span_messages,
}
"""How each type of envelope item becomes messages."""
