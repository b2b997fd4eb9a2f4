"""The stage: an event in, its fingerprint with the reasons for it out. Pure, without I/O; one object a process."""

from __future__ import annotations

from xxhash import xxh3_128_hexdigest

from pipeline.fingerprint.result import Grouped, Read
from pipeline.fingerprint.rules import Rules
from pipeline.fingerprint.titles import culprit_of, title_of
from pipeline.fingerprint.variables import expand, only_default
from pipeline.fingerprint.versions import VERSIONS
from schemas.event import Event


def digest(version: str, components: list[str]) -> str:
    """Return xxh3-128 over a version's name and the components, as 32 hex digits."""
    # A unit separator cannot be typed, so two lists of components never give the same bytes.
    return xxh3_128_hexdigest("\x1f".join((version, *components)).encode("utf-8", "replace"))


class Grouping:
    """Groups events by rules that were compiled once. Its caches are bounded; nothing else changes."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules if rules is not None else Rules()
        decide = self._rules.decide if self._rules.frames else None
        versions = {self._rules.version, *self._rules.projects.values()}
        self._algorithms = {version: VERSIONS[version](decide) for version in versions}

    def group(self, event: Event, project: str = "") -> Grouped:
        """Return the issue an event belongs to.

        A rule of the configuration decides before the client's own fingerprint, and that before the algorithm.
        """
        version = self._rules.projects.get(project, self._rules.version)
        read = self._algorithms[version].read(event)
        rule, components = self._decided(event, read)
        return Grouped(
            fingerprint=digest(version, components),
            components=components,
            version=version,
            rule=rule,
            title=title_of(event, read),
            culprit=culprit_of(event, read),
            frames=read.frames,
        )

    def _decided(self, event: Event, read: Read) -> tuple[str, list[str]]:
        if self._rules.fingerprints:
            found = self._rules.match(event, read)
            if found is not None:
                return f"rule:{found.name}", expand(found.fingerprint, event, read)
        sent = event.fingerprint
        if sent:
            parts = [sent] if isinstance(sent, str) else sent
            if not only_default(parts):
                return "client", expand(parts, event, read)
        return read.rule, read.components
