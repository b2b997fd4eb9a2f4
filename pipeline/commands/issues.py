"""``aftershock issues``: list and show issues, find similar ones, and change what becomes of them."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from pipeline.commands import issue_actions
from pipeline.commands.issue_desk import TIMEOUT_S, Desk, with_desk
from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import on_terminal, one_line_errors, printable, show_table
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Misconfigured

STATUSES = {
    "open": ("open", "regressed"),
    "regressed": ("regressed",),
    "resolved": ("resolved",),
    "ignored": ("ignored",),
    "all": ("open", "regressed", "resolved", "ignored"),
}
ORDERS = {"events": "events", "users": "users", "last": "last_seen", "first": "first_seen"}
SHORT = 12
"""How many digits of a fingerprint a table shows on a terminal: enough to name the issue."""

LIST = """
SELECT
    CAST(project, 'String') AS project,
    fingerprint,
    CAST(status, 'String') AS status,
    events,
    users_affected AS users,
    formatDateTime(all_issues.first_seen, '%Y-%m-%dT%H:%i:%SZ') AS first_seen,
    formatDateTime(all_issues.last_seen, '%Y-%m-%dT%H:%i:%SZ') AS last_seen,
    assignee,
    title
FROM all_issues
WHERE {project:String} IN ('', project)
    AND {assignee:String} IN ('', assignee)
    AND has({statuses:Array(String)}, status)
ORDER BY ORDERED DESC
LIMIT {limit:UInt32}
"""
SHOW = """
SELECT * EXCEPT (came_back_at), formatDateTime(came_back_at, '%Y-%m-%dT%H:%i:%SZ') AS came_back_at
FROM all_issues WHERE project = {project:String} AND fingerprint = {fingerprint:String}
"""
HISTORY = """
SELECT formatDateTime(at, '%Y-%m-%dT%H:%i:%SZ') AS time, what, by
FROM
(
    SELECT
        updated_at AS at,
        concat(
            if(deleted = '', status, concat('deleted ', deleted)),
            if(in_release = '', '', concat(' in ', in_release)),
            if(after_release = '', '', concat(' after ', after_release)),
            if(isNull(until_count), '', concat(' until ', toString(until_count), ' events')),
            if(isNull(until_users), '', concat(' until ', toString(until_users), ' users')),
            if(isNull(until), '', concat(' until ', toString(until))),
            if(merged_into = '', '', concat(', merged into ', merged_into)),
            if(assignee = '', '', concat(', assigned to ', assignee))
        ) AS what,
        updated_by AS by
    FROM issue_changes FINAL
    WHERE project = {project:String} AND fingerprint = {fingerprint:String}
    UNION ALL
    SELECT at, concat(kind, if(release = '', '', concat(' in ', release))), ''
    FROM issue_reactions FINAL
    WHERE project = {project:String} AND fingerprint = {fingerprint:String}
)
ORDER BY at DESC
LIMIT 20
"""


@click.group()
def command() -> None:
    """List and show issues, find similar ones, and resolve, ignore, merge, assign or delete them.

    An issue is named by its fingerprint, or by the first six digits or more of it. Changes are messages on the topic
    issue-changes: what a command does, any program can do (docs/issues.md).

    \b
    Examples:
      aftershock issues list
      aftershock issues resolve 5d41402abc4b --next-release
      aftershock issues ignore 5d41402abc4b --until-users 50
      aftershock issues similar 5d41402abc4b
    """


for _action in (
    issue_actions.resolve,
    issue_actions.ignore,
    issue_actions.open_,
    issue_actions.assign,
    issue_actions.merge,
    issue_actions.unmerge,
    issue_actions.delete,
):
    command.add_command(_action)


@command.command("list")
@click.option("--project", default="", help="Of this project alone.")
@click.option("--status", type=click.Choice(tuple(STATUSES)), default="open", show_default=True, help="Which ones.")
@click.option("--assignee", default="", metavar="NAME", help="Those that NAME looks after.")
@click.option(
    "--sort", "order", type=click.Choice(tuple(ORDERS)), default="events", show_default=True, help="The order."
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
@with_settings
def list_command(
    settings: Settings, *, project: str, status: str, assignee: str, order: str, limit: int, as_json: bool
) -> None:
    """List issues: status, events, users, first and last seen. Issues that were merged are one.

    \b
    Examples:
      aftershock issues list --project shop
      aftershock issues list --status regressed --sort last
      aftershock issues list --status all --json | jq -r .fingerprint
    """
    one_line_errors()
    rows = ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S).rows(
        LIST.replace("ORDERED", ORDERS[order]),
        {"project": project, "assignee": assignee, "statuses": list(STATUSES[status]), "limit": limit},
    )
    columns = ("project", "fingerprint", "status", "events", "users", "first_seen", "last_seen", "assignee", "title")
    _write(rows, columns, ("events", "users"), as_json=as_json)


@command.command()
@click.argument("issue", metavar="FINGERPRINT")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@with_desk
def show(desk: Desk, *, issue: str, as_json: bool) -> None:
    """Show one issue: what is known of it, what was merged into it, and who did what when.

    \b
    Example:
      aftershock issues show 5d41402abc4b
    """
    project, fingerprint = desk.find(issue)
    target = desk.wishes.states.target(project, fingerprint)
    parameters = {"project": project, "fingerprint": target}
    rows = desk.clickhouse.rows(SHOW, parameters)
    if not rows:
        raise Misconfigured(f"nothing is stored of {fingerprint}: it was deleted, or never happened")
    history = desk.clickhouse.rows(HISTORY, parameters)
    if as_json:
        click.echo(msgspec.json.encode({**rows[0], "history": history}))
        return
    for name, value in rows[0].items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        click.echo(f"{name:<15} {printable(text) or '-'}")
    if target != fingerprint:
        click.echo(f"{fingerprint} is merged into it")
    for entry in history:
        click.echo(
            f"{entry['time']}  {printable(entry['what'])}{' by ' if entry['by'] else ''}{printable(entry['by'])}"
        )


@command.command()
@click.argument("issue", metavar="FINGERPRINT")
@click.option(
    "--days", type=click.IntRange(1), default=30, show_default=True, help="Look at the events of so many days."
)
@click.option(
    "--least", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="How much they have in common, 0 to 1."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines, with what they have in common.")
@with_desk
def similar(desk: Desk, *, issue: str, days: int, least: float, limit: int, as_json: bool) -> None:
    """Find issues of the same project that may be the same: candidates for merging.

    Compared is what went into their fingerprints: types, frames, messages and lines word by word. What is rare counts
    more than what many issues have.

    \b
    Examples:
      aftershock issues similar 5d41402abc4b
      aftershock issues similar 5d41402abc4b --least 0.6 --json | jq -r .fingerprint
    """
    project, fingerprint = desk.find(issue)
    target = desk.wishes.states.target(project, fingerprint)
    rows = desk.store.similar(project, target, days=days, least=least, limit=limit)
    columns = ("similarity", "fingerprint", "status", "events", "users", "last_seen", "title")
    _write(rows, (*columns, "in_common") if as_json else columns, columns[:1] + columns[3:5], as_json=as_json)
    if not rows and not as_json:
        click.echo("none is similar: --least finds those that have less in common", err=True)


def _write(rows: list[dict[str, Any]], columns: tuple[str, ...], numeric: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode({name: row[name] for name in columns}))
        return
    if on_terminal():
        rows = [{**row, "fingerprint": row["fingerprint"][:SHORT]} for row in rows]
    show_table(columns, ([str(row[name]) for name in columns] for row in rows), [name in numeric for name in columns])
