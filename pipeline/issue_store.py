"""The issue store: what ClickHouse knows of issues and releases, and where it is noted that an issue came back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.json import Encoder

from pipeline.clickhouse import ClickHouse
from pipeline.reactions import Reaction

_encode_lines = Encoder().encode_lines

REACTION_COLUMNS = ("project", "fingerprint", "change_id", "kind", "at", "environment", "release")


class IssueStore:
    """The tables and views about issues."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def note(self, reactions: Sequence[Reaction]) -> None:
        """Store what issues have done. Storing the same again does no harm."""
        rows = [
            (one.project, one.fingerprint, one.change, one.kind, one.at_ms, one.environment, one.release)
            for one in reactions
        ]
        self._clickhouse.insert("issue_reactions", REACTION_COLUMNS, _encode_lines(rows), "")

    def first_seen(self, releases: Iterable[tuple[str, str]]) -> list[tuple[str, str, int]]:
        """Return when the first events of releases happened: (project, release, milliseconds since the epoch)."""
        wanted: dict[str, list[str]] = {}
        for project, release in releases:
            wanted.setdefault(project, []).append(release)
        return [
            (project, release, at_ms)
            for project, names in wanted.items()
            for release, at_ms in self.releases(project, names).items()
        ]

    def releases(self, project: str, names: Sequence[str] = ()) -> dict[str, int]:
        """Return a project's releases (some, or all) with when their first events happened, in milliseconds."""
        rows = self._clickhouse.rows(
            "SELECT CAST(release, 'String') AS name, toUnixTimestamp64Milli(min(first_seen)) AS at "
            "FROM errors_per_hour WHERE project = {project:String} AND release != '' "
            "AND (empty({names:Array(String)}) OR release IN {names:Array(String)}) GROUP BY name",
            {"project": project, "names": list(names)},
        )
        return {row["name"]: row["at"] for row in rows}

    def find(self, beginning: str, project: str) -> list[dict[str, Any]]:
        """Return the issues (``project``, ``fingerprint``) whose fingerprint begins so; empty for any project."""
        return self._clickhouse.rows(
            "SELECT DISTINCT CAST(project, 'String') AS project, fingerprint FROM issues "
            "WHERE startsWith(fingerprint, {beginning:String}) AND {project:String} IN ('', project) "
            "ORDER BY project, fingerprint LIMIT 10",
            {"beginning": beginning, "project": project},
        )
