"""Filter: drop what the configuration says nobody wants to see, before any work is spent on it."""

from __future__ import annotations

import re
from fnmatch import translate

from schemas.event import Event


class Filter:
    """Compiled glob patterns; :meth:`drops` says whether an event is dropped, and by which setting.

    Args:
        environments: globs over the environment.
        messages: globs over ``Type: value`` of the last exception, or over the log message.
        releases: globs over the release.
    """

    def __init__(
        self, environments: tuple[str, ...] = (), messages: tuple[str, ...] = (), releases: tuple[str, ...] = ()
    ) -> None:
        self._environments = _compiled(environments)
        self._messages = _compiled(messages)
        self._releases = _compiled(releases)
        self.active = any((environments, messages, releases))

    def drops(self, event: Event) -> str | None:
        """Return the setting that drops this event, ``None`` if it stays."""
        if self._environments and self._environments.fullmatch(event.environment or ""):
            return "environments"
        if self._releases and self._releases.fullmatch(str(event.release or "")):
            return "releases"
        if self._messages and self._messages.fullmatch(headline(event)):
            return "messages"
        return None


def headline(event: Event) -> str:
    """Return ``Type: value`` of the exception raised last, or the log message; empty without either."""
    exceptions = event.exceptions
    if exceptions:
        last = exceptions[-1]
        return f"{last.type or 'Error'}: {last.value}" if last.value not in (None, "") else last.type or "Error"
    entry = event.log_entry
    return (entry.formatted or entry.message or "") if entry else ""


def _compiled(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(glob) for glob in globs), re.DOTALL) if globs else None
