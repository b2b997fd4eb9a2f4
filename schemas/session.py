"""The session contract, version 1: an update of one session, or aggregates of many, as Sentry's SDKs send them.

An update carries the full state of its session: the first has ``init``, later ones (for up to five days) replace what
was said before, and any of them may arrive twice or out of order. A server that handles too many to name them sends
aggregates: how many sessions that began in some minute ended how. Whoever sends these counts each session in one bucket
only.

Source: https://develop.sentry.dev/sdk/telemetry/sessions/.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

SCHEMA_VERSION = 1

Quantity = Annotated[int, Meta(ge=0, le=2**40)]


class Attributes(Struct, gc=False):
    """What all sessions of a message have in common."""

    release: str | int | float | None = None
    environment: str | None = None


class Bucket(Struct, gc=False):
    """How many sessions that began in a minute ended how; each is counted once.

    ``errored`` are those that ended in order but had errors; ``did`` names the user where all were one user's.
    """

    started: float | str | None = None
    did: str | int | None = None
    exited: Quantity | None = None
    errored: Quantity | None = None
    abnormal: Quantity | None = None
    crashed: Quantity | None = None


class Session(Struct, gc=False):
    """A message on the topic ``sessions``: with ``aggregates``, or an update of the session ``sid``.

    * ``sid``: names the session, a UUID. ``did``: names the user; stored as a keyed hash only.
    * ``init``: whether it is the first update. ``seq``: rises with each; the time is taken where there is none.
    * ``started``, ``timestamp``: when the session began and when this was said; seconds since 1970, or RFC 3339.
    * ``duration``: seconds, where the session has ended. ``errors``: how many errors happened in it so far.
    * ``status``: ``ok`` while it goes on, then ``exited``, ``unhandled`` (a page with an error that nobody caught),
      ``abnormal`` or ``crashed``.
    """

    sid: str | None = None
    did: str | int | None = None
    init: bool | None = None
    seq: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    started: float | str | None = None
    timestamp: float | str | None = None
    duration: float | None = None
    status: str | None = None
    errors: Quantity | None = None
    attrs: Attributes | None = None
    aggregates: list[Bucket | None] | None = None
