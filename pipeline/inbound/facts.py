"""Facts: what filters and sampling look at, the same for every type of data. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from pipeline.inbound.settings import Kind
from schemas.event import Event, TraceContext

_TRACE = msgspec.json.Decoder(TraceContext)
_TEXT = msgspec.json.Decoder(str)


class Facts(NamedTuple):
    """What is known of one event, transaction, span, log or session; empty text for what is not.

    ``identity`` is what sampling decides by: the trace id, or else the event id. ``address`` and ``user_agent`` are
    those of the HTTP request, where there was one.
    """

    kind: Kind
    project: str
    environment: str = ""
    release: str = ""
    transaction: str = ""
    identity: str = ""
    address: str = ""
    user_agent: str = ""


def facts_of(event: Event, kind: Kind, project: str, address: str = "", user_agent: str = "") -> Facts:
    """Return the facts of an event; spans and logs that say them in attributes are understood."""
    release = "" if event.release is None else str(event.release)
    return Facts(
        kind,
        project,
        event.environment or _attribute(event, "sentry.environment"),
        release or _attribute(event, "sentry.release"),
        event.transaction or (_segment(event) if kind == "span" else ""),
        _trace_id(event) or event.event_id or event.span_id or "",
        address,
        user_agent,
    )


def _segment(event: Event) -> str:
    """Return the name of the transaction that a single span belongs to."""
    named = _attribute(event, "sentry.segment.name") or _attribute(event, "sentry.transaction")
    return named or (event.name or event.description or "" if event.is_segment else "")


def _trace_id(event: Event) -> str:
    if event.trace_id:
        return event.trace_id
    context = (event.contexts or {}).get("trace")
    if context is None:
        return ""
    try:
        return _TRACE.decode(context).trace_id or ""
    except msgspec.MsgspecError:
        return ""


def _attribute(event: Event, name: str) -> str:
    found = (event.attributes or {}).get(name)
    if found is None:
        return ""
    try:
        return _TEXT.decode(found.value)
    except msgspec.MsgspecError:
        return ""
