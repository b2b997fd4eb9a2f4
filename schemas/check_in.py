"""The check-in contract, version 1: a monitored job says that it begins, or how it ended, as Sentry's SDKs send it.

Both have the same ``check_in_id``. A check-in has no time of its own: it is filed under Kafka's.
Source: https://develop.sentry.dev/sdk/telemetry/check-ins/.
"""

from __future__ import annotations

from msgspec import Raw, Struct

from schemas.event import NOTHING, TraceContext

SCHEMA_VERSION = 1


class Contexts(Struct, gc=False):
    """What is read of a check-in's contexts."""

    trace: TraceContext | None = None


class CheckIn(Struct, gc=False):
    """A message on the topic ``check-ins``.

    * ``check_in_id``: names the run, a UUID. ``monitor_slug``: names the job; the only field that has to be there.
    * ``status``: ``in_progress``, ``ok`` or ``error``. ``duration``: seconds, at the end.
    * ``monitor_config``: the schedule and how late or long a run may be, as the SDK was told.
    """

    monitor_slug: str
    check_in_id: str | None = None
    status: str | None = None
    duration: float | None = None
    release: str | int | float | None = None
    environment: str | None = None
    contexts: Contexts | None = None
    monitor_config: Raw = NOTHING
