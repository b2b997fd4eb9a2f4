"""The issue store: what ClickHouse knows of issues and releases, and where it is noted that an issue came back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.json import Encoder

from pipeline.counts.reactions import Reaction
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.clickhouse_threads import ClickHouseThreads

_encode_lines = Encoder().encode_lines

REACTION_COLUMNS = ("project", "fingerprint", "change_id", "kind", "at", "environment", "release")


RELEASES = """
SELECT name, toUnixTimestamp64Milli(min(heard_of)) AS at
FROM
(
    SELECT release AS name, first_seen AS heard_of FROM releases WHERE project = {project:String}
    UNION ALL
    SELECT release, at FROM release_changes WHERE project = {project:String}
)
WHERE name != '' AND (empty({names:Array(String)}) OR name IN {names:Array(String)})
GROUP BY name
"""
"""Releases by their first event, session or transaction, or by when somebody said that they were made or deployed."""

SIMILAR = """
SELECT
    similar.fingerprint AS fingerprint,
    round(shared / (total + of_issue - shared), 3) AS similarity,
    known.status AS status,
    known.events AS events,
    known.users_affected AS users,
    formatDateTime(known.last_seen, '%Y-%m-%dT%H:%i:%SZ') AS last_seen,
    known.title AS title,
    arraySort(components) AS in_common
FROM
(
    SELECT
        issue AS fingerprint,
        sum(weight) AS total,
        sumIf(weight, of_both) AS shared,
        groupArrayIf(part, of_both AND NOT startsWith(part, 'word: ')) AS components,
        maxIf(total, issue = {fingerprint:String}) OVER () AS of_issue
    FROM
    (
        SELECT
            issue,
            part,
            -- What many issues have in common says little.
            log(1 + uniqExact(issue) OVER () / count() OVER (PARTITION BY part)) AS weight,
            max(issue = {fingerprint:String}) OVER (PARTITION BY part) AS of_both
        FROM
        (
            SELECT DISTINCT
                if(issue_merges.issue = '', grouped.fingerprint, issue_merges.issue) AS issue,
                arrayJoin(arrayDistinct(arrayConcat(
                    components,
                    -- Messages and lines of code are also compared word by word.
                    arrayMap(
                        word -> concat('word: ', word),
                        arrayFilter(
                            word -> length(word) > 2,
                            splitByNonAlpha(lower(arrayStringConcat(
                                arrayFilter(one -> match(one, '^(message|line): '), components), ' '
                            )))
                        )
                    )
                ))) AS part
            FROM
            (
                SELECT fingerprint, any(grouping_components) AS components
                FROM errors
                WHERE project = {project:String} AND timestamp > now() - toIntervalDay({days:UInt32})
                GROUP BY fingerprint
            ) AS grouped
            LEFT JOIN (SELECT fingerprint, issue FROM issue_merges WHERE project = {project:String}) AS issue_merges
                ON issue_merges.fingerprint = grouped.fingerprint
        )
    )
    GROUP BY issue
) AS similar
INNER JOIN (SELECT * FROM all_issues WHERE project = {project:String}) AS known
    ON known.fingerprint = similar.fingerprint
WHERE similar.fingerprint != {fingerprint:String} AND similarity >= {least:Float64}
ORDER BY similarity DESC, events DESC
LIMIT {limit:UInt32}
"""
"""Issues that have much in common with one: the weight of what both have, as a share of what either has."""


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

    def came_back(self) -> dict[tuple[str, str, str], Reaction]:
        """Return what issues have done: by project, fingerprint and the id of the change."""
        rows = self._clickhouse.rows(
            "SELECT project, fingerprint, change_id, any(kind) AS first_kind, "
            "argMin(environment, at) AS first_environment, argMin(release, at) AS first_release, "
            "toUnixTimestamp64Milli(min(at)) AS at_ms FROM issue_reactions GROUP BY project, fingerprint, change_id"
        )
        return {
            (row["project"], row["fingerprint"], row["change_id"]): Reaction(
                row["first_kind"],
                row["change_id"],
                row["project"],
                row["fingerprint"],
                row["first_environment"],
                row["first_release"],
                row["at_ms"],
                (),
            )
            for row in rows
        }

    def first_seen(self, releases: Iterable[tuple[str, str]]) -> list[tuple[str, str, int]]:
        """Return when releases were first heard of: (project, release, milliseconds since the epoch)."""
        wanted: dict[str, list[str]] = {}
        for project, release in releases:
            wanted.setdefault(project, []).append(release)
        return [
            (project, release, at_ms)
            for project, names in wanted.items()
            for release, at_ms in self.releases(project, names).items()
        ]

    def releases(self, project: str, names: Sequence[str] = ()) -> dict[str, int]:
        """Return a project's releases (some, or all) with when they were first heard of, in milliseconds."""
        rows = self._clickhouse.rows(RELEASES, {"project": project, "names": list(names)})
        return {row["name"]: row["at"] for row in rows}

    def similar(self, project: str, fingerprint: str, *, days: int, least: float, limit: int) -> list[dict[str, Any]]:
        """Return issues whose components are most like those of one, by the events of the latest days."""
        parameters = {"project": project, "fingerprint": fingerprint, "days": days, "least": least, "limit": limit}
        return self._clickhouse.rows(SIMILAR, parameters)

    def find(self, beginning: str, project: str) -> list[dict[str, Any]]:
        """Return the issues (``project``, ``fingerprint``) whose fingerprint begins so; empty for any project."""
        return self._clickhouse.rows(
            "SELECT DISTINCT CAST(project, 'String') AS project, fingerprint FROM issues "
            "WHERE startsWith(fingerprint, {beginning:String}) AND {project:String} IN ('', project) "
            "ORDER BY project, fingerprint LIMIT 10",
            {"beginning": beginning, "project": project},
        )


class IssueStoreThreads:
    """An issue store for asyncio, however long ClickHouse is away.

    Args:
        store: the issue store.
        threads: where its calls block.
    """

    def __init__(self, store: IssueStore, threads: ClickHouseThreads) -> None:
        self._store = store
        self._threads = threads

    async def first_seen(self, releases: set[tuple[str, str]]) -> Iterable[tuple[str, str, int]]:
        """Return when some releases were first heard of, as far as that is stored."""
        return await self._threads.answer(lambda: self._store.first_seen(releases))

    async def note(self, reactions: Sequence[Reaction]) -> None:
        """Store what issues have done; return when it is there. The same may come again."""
        await self._threads.answer(lambda: self._store.note(reactions))
