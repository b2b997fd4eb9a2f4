"""What the commands about issues share: finding an issue by the beginning of its fingerprint, and changing it."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import click

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors, printable
from pipeline.config.settings import Settings
from pipeline.counts.issue_store import IssueStore
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Misconfigured
from pipeline.issues.changes import Wishes, now, read_wishes, send_changes, with_fields, with_status
from pipeline.issues.states import Issue
from schemas.issue_change import IssueChange

FEWEST_DIGITS = 6
TIMEOUT_S = 600


def with_desk(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--project``, ``--by`` and the settings' options, and pass it a :class:`Desk` first."""

    @click.option("--project", default="", help="The issue's project, where the fingerprint is not in one alone.")
    @click.option("--by", default="", help="Who makes the change.  [default: the user of this process]")
    @with_settings
    @wraps(command)
    def wrapped(settings: Settings, *, project: str, by: str, **options: Any) -> Any:
        one_line_errors()
        return command(Desk(settings, project, by or _user()), **options)

    return wrapped


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


class Desk:
    """Where the issues of an installation are changed; ``project`` narrows the search for them."""

    def __init__(self, settings: Settings, project: str, by: str) -> None:
        self.settings = settings
        self.clickhouse = ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S)
        self.store = IssueStore(self.clickhouse)
        self.wishes: Wishes = asyncio.run(read_wishes(settings.kafka))
        self.now = now()
        self._project = project
        self._by = by

    def find(self, beginning: str) -> Issue:
        """Return the issue whose fingerprint begins so.

        Raises:
            Misconfigured: there is none, or more than one.
        """
        wanted = beginning.strip().lower()
        if not re.fullmatch(rf"[0-9a-f]{{{FEWEST_DIGITS},32}}", wanted):
            raise Misconfigured(
                f"{printable(beginning)} is no fingerprint: give its first {FEWEST_DIGITS} to 32 hexadecimal digits"
            )
        stored = {(row["project"], row["fingerprint"]) for row in self.store.find(wanted, self._project)}
        wished = {
            issue for issue in self.wishes.changes if issue[1].startswith(wanted) and self._project in ("", issue[0])
        }
        found = sorted(stored | wished)
        if not found:
            raise Misconfigured(f"no issue begins with {wanted}: see `aftershock issues list --status all`")
        if len(found) > 1:
            named = ", ".join(f"{printable(project)}/{fingerprint}" for project, fingerprint in found[:5])
            raise Misconfigured(f"{wanted} may be {named}: give more digits, or --project")
        return found[0]

    def find_whole(self, beginning: str) -> Issue:
        """Return an issue that is not part of another one.

        Raises:
            Misconfigured: there is none, or it was merged.
        """
        project, fingerprint = self.find(beginning)
        target = self.wishes.states.target(project, fingerprint)
        if target != fingerprint:
            raise Misconfigured(f"{fingerprint} is merged into {target}: name that one, or unmerge it first")
        return project, fingerprint

    def set_status(self, issues: Iterable[Issue], said: str, **fields: Any) -> None:
        """Give issues another status, and say so."""
        self._send([with_status(self.wishes.of(one, self.now), self.now, self._by, **fields) for one in issues], said)

    def set_fields(self, issues: Iterable[Issue], said: str, **fields: Any) -> None:
        """Change something else of issues, and say so."""
        self._send([with_fields(self.wishes.of(one, self.now), self.now, self._by, **fields) for one in issues], said)

    def _send(self, changes: Sequence[IssueChange], said: str) -> None:
        asyncio.run(send_changes(self.settings.kafka, changes))
        for one in changes:
            click.echo(f"{printable(one.project)}/{one.fingerprint}: {said}")
