"""Span attributes: what SDKs that stream their spans put into ``attributes`` instead of into fields.

Source: https://develop.sentry.dev/sdk/telemetry/spans/span-protocol/ and ``schemas/examples/spans/*-span.json``.
"""

from __future__ import annotations

import msgspec

from schemas.event import Attribute, Event, User

FIELDS = {
    "op": "sentry.op",
    "release": "sentry.release",
    "environment": "sentry.environment",
    "platform": "sentry.platform",
    "segment_id": "sentry.segment.id",
    "transaction": "sentry.segment.name",
    "server_name": "server.address",
}
"""Field of the event to the attribute that holds it."""

_SCALAR = msgspec.json.Decoder(str | int | float | bool | None)


def with_attributes(event: Event) -> Event:
    """Return a single span with the fields filled in that it has as attributes only."""
    attributes = event.attributes
    if not attributes:
        return event
    missing = {field: name for field, name in FIELDS.items() if getattr(event, field) in (None, "")}
    found = {field: text for field, name in missing.items() if (text := _text(attributes.get(name)))}
    if event.user is None and (user_id := _text(attributes.get("user.id"))):
        return msgspec.structs.replace(event, **found, user=User(id=user_id))
    return msgspec.structs.replace(event, **found)


def _text(attribute: Attribute | None) -> str:
    if attribute is None:
        return ""
    try:
        value = _SCALAR.decode(attribute.value)
    except msgspec.DecodeError:
        return ""
    return "" if value is None else str(value)
