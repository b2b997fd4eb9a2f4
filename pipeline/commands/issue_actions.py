"""``aftershock issues resolve``, ``ignore``, ``open``, ``assign``, ``merge``, ``unmerge`` and ``delete``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from pipeline.commands.issue_desk import Desk, with_desk
from pipeline.commands.terminal import plural, printable
from pipeline.errors import Misconfigured
from pipeline.issues.states import Issue
from pipeline.releases.order import newest, package_of
from schemas.alert import quote
from schemas.issue_change import MOST_USERS

ERASED = ("errors", "issues", "errors_per_minute", "errors_per_hour", "alerts")
"""The tables that have rows of an issue."""

_DURATION = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_issues = click.argument("issues", nargs=-1, required=True, metavar="FINGERPRINT...")


@click.command()
@_issues
@click.option("--in-release", metavar="RELEASE", help="The fix is in this release: it is back from there on.")
@click.option("--next-release", is_flag=True, help="The fix comes after the newest release that is known now.")
@with_desk
def resolve(desk: Desk, *, issues: tuple[str, ...], in_release: str | None, next_release: bool) -> None:
    """Resolve issues. One that happens again has regressed, and is open again.

    With a release, only events of releases that should have the fix count: versions are compared as semantic versions
    (shop@1.9.0 is before shop@1.10.0), other names by when they were first heard of.

    \b
    Examples:
      aftershock issues resolve 5d41402abc4b
      aftershock issues resolve 5d41402abc4b --in-release shop@2.5.0
      aftershock issues resolve 5d41402abc4b 7d793037a076 --next-release
    """
    if in_release and next_release:
        raise Misconfigured("--in-release and --next-release exclude each other: leave one of them out")
    for issue in [desk.find_whole(one) for one in issues]:
        if not (in_release or next_release):
            desk.set_status([issue], "resolved", status="resolved")
            continue
        seen = desk.store.releases(issue[0])
        release = in_release or _newest(desk, issue, seen)
        field = "in_release" if in_release else "after_release"
        said = f"resolved in {printable(release)}" if in_release else f"resolved after {printable(release)}"
        at = datetime.fromtimestamp(seen[release] / 1000, UTC) if release in seen else None
        desk.set_status([issue], said, status="resolved", release_first_seen=at, **{field: release})


def _newest(desk: Desk, issue: Issue, seen: dict[str, int]) -> str:
    """Return the newest release of the issue's project, of the package that the issue happens in."""
    rows = desk.clickhouse.rows(
        "SELECT last_release FROM all_issues WHERE project = {project:String} AND fingerprint = {fingerprint:String}",
        {"project": issue[0], "fingerprint": issue[1]},
    )
    release = newest(seen, package_of(rows[0]["last_release"]) if rows and rows[0]["last_release"] else None)
    if not release:
        raise Misconfigured(f"no release of {printable(issue[0])} is known: resolve it without --next-release")
    return release


@click.command()
@_issues
@click.option("--until-count", type=click.IntRange(1), metavar="N", help="Until N more events.")
@click.option("--until-users", type=click.IntRange(1, MOST_USERS), metavar="N", help="Until N users have had it.")
@click.option(
    "--until", "until", metavar="TIME", help="Until a time (2026-10-01T09:00Z), or for so long (30m, 8h, 7d)."
)
@with_desk
def ignore(
    desk: Desk, *, issues: tuple[str, ...], until_count: int | None, until_users: int | None, until: str | None
) -> None:
    """Ignore issues: for good, or until something happens. Whichever is first ends it.

    \b
    Examples:
      aftershock issues ignore 5d41402abc4b
      aftershock issues ignore 5d41402abc4b --until-count 1000
      aftershock issues ignore 5d41402abc4b --until-users 50 --until 7d
    """
    end = _moment(until, desk.now) if until else None
    said = [
        *([f"{plural(until_count, 'more event')}"] if until_count else []),
        *([f"{plural(until_users, 'user')}"] if until_users else []),
        *([f"{end:%Y-%m-%d %H:%M:%S} UTC"] if end else []),
    ]
    desk.set_status(
        [desk.find_whole(one) for one in issues],
        f"ignored until {' or '.join(said)}" if said else "ignored",
        status="ignored",
        until_count=until_count,
        until_users=until_users,
        until=end,
    )


def _moment(text: str, now: datetime) -> datetime:
    duration = _DURATION.fullmatch(text)
    try:
        if duration:
            return now + timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Misconfigured(f"--until {printable(text)}: write a time like 2026-10-01T09:00Z, or 30m, 8h, 7d") from None
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    if at <= now:
        raise Misconfigured(f"--until {printable(text)}: is over: name a time that is still to come")
    return at


@click.command("open")
@_issues
@with_desk
def open_(desk: Desk, *, issues: tuple[str, ...]) -> None:
    """Open issues again that were resolved, ignored or discarded.

    \b
    Example:
      aftershock issues open 5d41402abc4b
    """
    desk.set_status([desk.find_whole(one) for one in issues], "open", status="open")


@click.command()
@_issues
@click.option("--to", "assignee", metavar="NAME", help="Who looks after them: any name up to 200 characters.")
@click.option("--nobody", is_flag=True, help="Take the name away.")
@with_desk
def assign(desk: Desk, *, issues: tuple[str, ...], assignee: str | None, nobody: bool) -> None:
    """Say who looks after issues.

    \b
    Examples:
      aftershock issues assign 5d41402abc4b --to ada
      aftershock issues assign 5d41402abc4b --nobody
    """
    if bool(assignee) == nobody or len(assignee or "") > 200:
        raise Misconfigured("say who: --to NAME (up to 200 characters), or --nobody")
    said = f"assigned to {printable(assignee)}" if assignee else "assigned to nobody"
    desk.set_fields([desk.find_whole(one) for one in issues], said, assignee=assignee or "")


@click.command()
@_issues
@click.option("--into", required=True, metavar="FINGERPRINT", help="The issue that they become part of.")
@with_desk
def merge(desk: Desk, *, issues: tuple[str, ...], into: str) -> None:
    """Merge issues into another one of their project.

    Events keep the fingerprint that grouping gave them, so nothing is rewritten, and `unmerge` is as quick. From now on
    they are counted together, for alerts too; the views show them as one issue, with all that has been.

    \b
    Examples:
      aftershock issues merge 7d793037a076 --into 5d41402abc4b
      aftershock issues similar 5d41402abc4b
    """
    target = desk.find_whole(into)
    found = [desk.find_whole(one) for one in issues]
    for project, fingerprint in found:
        if project != target[0]:
            raise Misconfigured(f"{fingerprint} is of {printable(project)}, not of {printable(target[0])}")
    # What was merged into them goes along: each is part of the target itself, and can be taken out by itself.
    members = [(target[0], one) for _, whole in found for one in desk.wishes.states.members(target[0], whole)]
    desk.set_fields(members, f"merged into {target[1]}", merged_into=target[1])


@click.command()
@_issues
@with_desk
def unmerge(desk: Desk, *, issues: tuple[str, ...]) -> None:
    """Take issues out of the one that they were merged into; `issues show` names them.

    \b
    Example:
      aftershock issues unmerge 7d793037a076
    """
    found = [desk.find(one) for one in issues]
    for project, fingerprint in found:
        if desk.wishes.states.target(project, fingerprint) == fingerprint:
            raise Misconfigured(f"{fingerprint} is not merged into another issue")
    desk.set_fields(found, "an issue of its own", merged_into="")


@click.command()
@_issues
@click.option("--discard", is_flag=True, help="Also drop its events from now on, until it is opened again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_desk
def delete(desk: Desk, *, issues: tuple[str, ...], discard: bool, yes: bool) -> None:
    """Delete issues with everything that is stored of them, what was merged into them included.

    If it happens again, it is a new issue. With --discard its events are dropped when they arrive, and counted as
    discarded in the table outcomes.

    \b
    Examples:
      aftershock issues delete 5d41402abc4b --yes
      aftershock issues delete 5d41402abc4b --discard --yes
    """
    found = [desk.find_whole(one) for one in issues]
    if not yes:
        click.confirm(f"Delete {plural(len(found), 'issue')} for good?", abort=True)
    # First the word, so that events on their way are not taken for the old issue.
    desk.set_status(
        found, "discarded" if discard else "deleted", status="open", deleted="discard" if discard else "once"
    )
    condition = " OR ".join(
        f"(project = {quote(project)} AND fingerprint = {quote(member)})"
        for project, fingerprint in found
        for member in desk.wishes.states.members(project, fingerprint)
    )
    for table in ERASED:
        desk.clickhouse.command(f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2")
    click.echo(f"erased from {', '.join(ERASED)}")
