"""The log contract, version 1: one structured log, as Sentry's SDKs send them.

Release, environment, user and SDK are among the attributes, under ``sentry.*`` and ``user.*``.
Source: https://develop.sentry.dev/sdk/telemetry/logs/.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.event import Attribute

SCHEMA_VERSION = 1


class Log(Struct, gc=False):
    """A message on the topic ``logs``.

    * ``timestamp``: seconds since 1970, or RFC 3339. ``trace_id``: the trace it was written in.
    * ``level``: trace, debug, info, warn, error or fatal. ``severity_number``: OpenTelemetry's, 1 to 24.
    * ``body``: the text. ``attributes``: ``{"value": ..., "type": ...}`` by name.
    """

    timestamp: float | str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    level: str | None = None
    severity_number: int | None = None
    body: str | None = None
    attributes: dict[str, Attribute | None] | None = None
