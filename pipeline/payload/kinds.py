"""What kind of event a payload is: an error, or a transaction or span. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.errors import Refused
from schemas.topics import SPANS

ERROR_TYPES = frozenset((None, "", "error", "default", "csp", "hpkp", "expectct", "expectstaple"))


class Shape(Protocol):
    """The fields that decide; :class:`schemas.event.Event` has them."""

    @property
    def type(self) -> str | None:
        """The type that was sent."""

    @property
    def span_id(self) -> str | None:
        """The id of a single span."""

    @property
    def exceptions(self) -> Sequence[object]:
        """The chain of exceptions."""

    @property
    def log_entry(self) -> object | None:
        """The log message, however it was spelled."""


def is_span(event: Shape, topic: str) -> bool:
    """Say whether an event is a transaction or a span: by its type, and on ``spans`` by its fields where that is open.

    An event with a message or an exception is an error everywhere, since a span's row has no room for them.

    Raises:
        Refused: the type is one that this version does not process.
    """
    if event.type in ("transaction", "span"):
        return True
    if event.type in ERROR_TYPES:
        return topic == SPANS.name and event.span_id is not None and not event.exceptions and event.log_entry is None
    raise Refused("decode", "the field type is none of error, default, csp, transaction, span: send it elsewhere")
