"""The feedback contract, version 1: what a user wrote, in both forms that Sentry's SDKs send.

A feedback is an event with ``contexts.feedback``. The older form, a user report, has ``comments`` at the top and the id
of the event it is about. Name and e-mail address are never stored; the user is counted by a keyed hash.
Source: https://develop.sentry.dev/sdk/data-model/envelope-items/#user-feedback.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.event import TraceContext, User

SCHEMA_VERSION = 1


class Words(Struct, gc=False):
    """``contexts.feedback``: what was written, by whom, about which event and on which page."""

    message: str | None = None
    name: str | None = None
    contact_email: str | None = None
    associated_event_id: str | None = None
    url: str | None = None
    source: str | None = None


class Contexts(Struct, gc=False):
    """What is read of a feedback's contexts."""

    feedback: Words | None = None
    trace: TraceContext | None = None


class Feedback(Struct, gc=False):
    """A message on the topic ``feedback``: with ``contexts.feedback``, or a user report with ``comments``.

    ``event_id`` is the feedback's own id; of a user report, that of the event it is about.
    """

    event_id: str | None = None
    timestamp: float | str | None = None
    platform: str | None = None
    release: str | int | float | None = None
    environment: str | None = None
    user: User | None = None
    contexts: Contexts | None = None
    comments: str | None = None
    name: str | None = None
    email: str | None = None
