"""What people read in a list of issues: a title and a culprit. Neither goes into a fingerprint."""

from __future__ import annotations

from pipeline.fingerprint.result import Read
from schemas.event import Event

LONGEST = 200
"""Characters of a title or a culprit."""


def _line(text: str) -> str:
    """Return the first line that holds something, in one line and short enough for a table."""
    head = text[: 4 * LONGEST].strip()
    if not head:
        return ""
    line = head.splitlines()[0].strip()
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def title_of(event: Event, read: Read) -> str:
    """Return ``Type: first line of the value``, the message, or what else names the event; never empty."""
    if read.title:
        return _line(read.title)
    exceptions = event.exceptions
    if exceptions:
        main = exceptions[-1]
        type_ = (main.type or "").strip()
        value = "" if main.value is None else _line(str(main.value))
        title = f"{type_}: {value}" if type_ and value else type_ or value
        if title:
            return _line(title)
    entry = event.log_entry
    if entry is not None:
        title = _line(entry.formatted or "") or _line(entry.message or "")
        if title:
            return title
    return _line(read.function) or _line(event.transaction or "") or f"({event.level or 'error'} without a message)"


def culprit_of(event: Event, read: Read) -> str:
    """Return the transaction, or where the blamed frame lives; empty when neither is known."""
    if event.transaction:
        return _line(event.transaction)
    if read.module and read.function:
        return _line(f"{read.module} in {read.function}")
    return _line(read.function)
