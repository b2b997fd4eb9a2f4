"""The event contract, version 1: Sentry's event payload, as every SDK sends it.

The structs name only what the pipeline reads. Everything else in a payload is kept untouched, because what is
stored is the (scrubbed) payload itself and these structs are a view of it.

Types are as wide as real SDKs are: where the protocol has grown several spellings of one thing (a list or an
object with ``values``, a number or a string), the field accepts them all and a property gives the one meaning.
Source: https://develop.sentry.dev/sdk/data-model/event-payloads/ and the payloads under ``schemas/examples/``.
"""

from __future__ import annotations

from msgspec import Raw, Struct

SCHEMA_VERSION = 1

NOTHING = Raw(b"null")
"""The default of fields that are kept as raw JSON."""

Scalar = str | int | float | bool | None
"""A JSON value that is not an object or an array."""


# Grouping writes frames and mechanisms out to recognise a stack that it has read before: in short.
class Frame(Struct, gc=False, omit_defaults=True):
    """One frame of a stack trace; ``frames`` run from the oldest call to the newest."""

    function: str | None = None
    raw_function: str | None = None
    module: str | None = None
    filename: str | None = None
    abs_path: str | None = None
    lineno: int | None = None
    colno: int | None = None
    in_app: bool | None = None
    context_line: str | None = None
    package: str | None = None
    platform: str | None = None
    instruction_addr: str | int | None = None
    symbol: str | None = None


class Stacktrace(Struct, gc=False):
    """A list of frames, oldest call first."""

    frames: list[Frame | None] | None = None


class Mechanism(Struct, gc=False, omit_defaults=True):
    """How an exception was captured, and its place in an exception group."""

    type: str | None = None
    handled: bool | None = None
    synthetic: bool | None = None
    source: str | None = None
    exception_id: int | None = None
    parent_id: int | None = None
    is_exception_group: bool | None = None


class ExceptionValue(Struct, gc=False):
    """One exception of a chain; chains run from the innermost cause to the one that was raised last."""

    type: str | None = None
    value: Scalar = None
    module: str | None = None
    mechanism: Mechanism | None = None
    stacktrace: Stacktrace | None = None
    thread_id: str | int | None = None


class ExceptionValues(Struct, gc=False):
    """``{"values": [...]}``, the usual spelling of a list of exceptions."""

    values: list[ExceptionValue | None] | None = None


class Thread(Struct, gc=False):
    """One thread of the process, with its stack where the SDK recorded it."""

    id: str | int | None = None
    name: str | None = None
    crashed: bool | None = None
    current: bool | None = None
    stacktrace: Stacktrace | None = None


class ThreadValues(Struct, gc=False):
    """``{"values": [...]}``, the usual spelling of a list of threads."""

    values: list[Thread | None] | None = None


class LogEntry(Struct, gc=False):
    """A log message: the template, its parameters and the formatted text."""

    message: str | None = None
    formatted: str | None = None
    params: Raw = NOTHING


class User(Struct, gc=False):
    """The user an event happened to."""

    id: str | int | float | None = None
    email: str | None = None
    username: str | None = None
    ip_address: str | None = None


class Request(Struct, gc=False):
    """The HTTP request an event happened in."""

    method: str | None = None
    url: str | None = None
    headers: Raw = NOTHING


class Sdk(Struct, gc=False):
    """The SDK that sent the event."""

    name: str | None = None
    version: str | None = None


class TraceContext(Struct, gc=False):
    """``contexts.trace``: where in which trace the event happened; for a transaction, its root span."""

    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    op: str | None = None
    status: str | None = None
    description: str | None = None


class Span(Struct, gc=False):
    """One span of a transaction, or a single span on the ``spans`` topic."""

    span_id: str | None = None
    trace_id: str | None = None
    parent_span_id: str | None = None
    segment_id: str | None = None
    op: str | None = None
    description: str | None = None
    name: str | None = None
    status: str | None = None
    start_timestamp: float | str | None = None
    timestamp: float | str | None = None
    end_timestamp: float | str | None = None
    exclusive_time: float | None = None
    is_segment: bool | None = None
    tags: dict[str, Scalar] | list[list[Scalar] | None] | None = None
    data: Raw = NOTHING


class Attribute(Struct, gc=False):
    """One attribute of a streamed span: ``{"value": "http.server", "type": "string"}``."""

    value: Raw = NOTHING


class Event(Struct, gc=False):
    """An error event, a transaction, or a single span: what the pipeline reads of a message on a topic.

    ``contexts``, ``breadcrumbs``, ``modules`` and report bodies stay raw JSON: they are stored and scrubbed, and
    only ``contexts.trace`` is read (see :class:`TraceContext`).
    """

    event_id: str | None = None
    type: str | None = None
    project: str | int | None = None
    timestamp: float | str | None = None
    start_timestamp: float | str | None = None
    level: str | None = None
    platform: str | None = None
    logger: str | None = None
    message: str | LogEntry | None = None
    logentry: LogEntry | None = None
    exception: ExceptionValues | list[ExceptionValue | None] | None = None
    threads: ThreadValues | list[Thread | None] | None = None
    stacktrace: Stacktrace | None = None
    user: User | None = None
    tags: dict[str, Scalar] | list[list[Scalar] | None] | None = None
    contexts: dict[str, Raw] | None = None
    request: Request | None = None
    breadcrumbs: Raw = NOTHING
    release: str | int | float | None = None
    dist: str | int | float | None = None
    environment: str | None = None
    server_name: str | None = None
    sdk: Sdk | None = None
    transaction: str | None = None
    fingerprint: list[Scalar] | str | None = None
    modules: Raw = NOTHING
    spans: list[Span | None] | None = None
    csp: Raw = NOTHING
    hpkp: Raw = NOTHING
    expectct: Raw = NOTHING
    expectstaple: Raw = NOTHING
    span_id: str | None = None
    trace_id: str | None = None
    parent_span_id: str | None = None
    segment_id: str | None = None
    op: str | None = None
    description: str | None = None
    name: str | None = None
    status: str | None = None
    end_timestamp: float | str | None = None
    exclusive_time: float | None = None
    is_segment: bool | None = None
    attributes: dict[str, Attribute | None] | None = None

    @property
    def exceptions(self) -> list[ExceptionValue]:
        """The chain of exceptions, innermost cause first, whichever way it was spelled."""
        found = self.exception
        if isinstance(found, ExceptionValues):
            found = found.values
        return [value for value in found if value is not None] if found else []

    @property
    def thread_list(self) -> list[Thread]:
        """The threads, whichever way they were spelled."""
        found = self.threads
        if isinstance(found, ThreadValues):
            found = found.values
        return [thread for thread in found if thread is not None] if found else []

    @property
    def log_entry(self) -> LogEntry | None:
        """The log message, from ``logentry`` or from either spelling of ``message``; ``None`` without one."""
        if self.logentry is not None:
            return self.logentry
        if isinstance(self.message, str):
            return LogEntry(formatted=self.message)
        return self.message

    @property
    def tag_items(self) -> list[tuple[str, str]]:
        """The tags as pairs of text, from an object or from a list of pairs; empty values are left out."""
        found = self.tags
        if not found:
            return []
        pairs = found.items() if isinstance(found, dict) else [p for p in found if p is not None and len(p) == 2]
        return [(str(key), tag_text(value)) for key, value in pairs if key is not None and value is not None]


def tag_text(value: Scalar) -> str:
    """Return a scalar the way SDKs write it in a tag: booleans in lower case, everything else as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
