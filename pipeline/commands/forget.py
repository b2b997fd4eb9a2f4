"""``aftershock forget``: erase a person from every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from pipeline.commands.settings import with_settings
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Unavailable
from pipeline.payload.identity import user_hash
from pipeline.regrouping.tables import Tables
from schemas.alert import quote
from schemas.event import User

REBUILT = (
    ("errors", ("errors_per_minute", "errors_per_hour", "issues")),
    ("spans", ("transactions_per_minute",)),
    ("sessions", ("sessions_per_hour",)),
    ("session_aggregates", ("sessions_per_hour",)),
    ("logs", ()),
    ("feedback", ()),
    ("release_commits", ()),
)
"""Tables with rows about a person, and the aggregates that hold no more of one than a count."""

NAMED_IN = {"sessions": "", "session_aggregates": "", "release_commits": "author"}
"""The column that names a person, where it is not ``user_id``; empty where there is none."""


@click.command()
@click.option("--user", "user", required=True, metavar="ID|EMAIL|NAME|ADDRESS", help="Who: as the SDK's user has it.")
@click.option("--project", metavar="NAME", help="In this project alone.  [default: in all]")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings
def command(settings: Settings, *, user: str, project: str | None, dry_run: bool, yes: bool) -> None:
    """Erase a person from every table, and say what was done.

    Deletes the rows of errors, spans, sessions, logs, feedback and commits whose user_id (or author) is USER, or whose
    user_hash is the keyed hash of USER as id, e-mail address, user name or address (AFTERSHOCK_HASH_KEY must be the key
    they were stored with), and takes these hashes out of the rows of others that stand for errors of this person. Waits
    until the rows are gone from disk. Counts by minute, hour and issue stay: they hold no more of a person than a
    number.

    Messages still in Kafka are not touched: they go when their retention ends, and dead letters with theirs.

    \b
    Examples:
      aftershock forget --user 4711 --dry-run
      aftershock forget --user jane@example.com --project shop --yes
    """
    clickhouse = ClickHouse(settings.clickhouse, timeout_s=600)
    tables = Tables(clickhouse)
    if owner := tables.locked_by():
        raise Unavailable(f"{owner.doing} since {owner.since}: wait, and run the same again")
    if tables.left_over():
        # A copy that is being made would bring the person back.
        raise Unavailable("history was being grouped anew: finish that with `aftershock regroup --apply`")
    projects = [project] if project else projects_of(clickhouse)
    key = settings.hash_key.encode()
    conditions = {
        table: condition_for(user, projects, key, every_project=project is None, column=NAMED_IN.get(table, "user_id"))
        for table, _ in REBUILT
    }
    found = {table: count(clickhouse, table, conditions[table]) for table, _ in REBUILT}
    for table, number in found.items():
        click.echo(f"{table}: {number} rows")
    hashes = {name: sorted(hashes_of(user, name, key).values()) for name in projects}
    elsewhere = standing_for(hashes)
    others = count(clickhouse, "errors", f"{elsewhere} AND NOT {conditions['errors']}")
    if others:
        click.echo(f"errors: {others} rows of others stand for events of this person")
    if dry_run or not (others or any(found.values())):
        click.echo("nothing was erased" if dry_run else "nobody by that name is stored")
        return
    if not yes:
        click.confirm("Erase them for good?", abort=True)
    for table, aggregates in REBUILT:
        if found[table]:
            clickhouse.command(f"ALTER TABLE {table} DELETE WHERE {conditions[table]} SETTINGS mutations_sync = 2")
            remaining = count(clickhouse, table, conditions[table])
            click.echo(f"{table}: {found[table] - remaining} rows erased, {remaining} remain")
            if aggregates:
                click.echo(f"{', '.join(aggregates)}: kept, they hold counts alone")
    if others:
        gone = ", ".join(str(one) for of_project in hashes.values() for one in of_project)
        clickhouse.command(
            f"ALTER TABLE errors UPDATE other_users = arrayFilter(one -> one NOT IN ({gone}), other_users) "
            f"WHERE {elsewhere} SETTINGS mutations_sync = 2"
        )
        click.echo(f"errors: this person was taken out of {others} rows of others")
    click.echo("Kafka: messages not older than their topics' retention may still hold this person")


def projects_of(clickhouse: ClickHouse) -> list[str]:
    """Return every project that has rows about people."""
    parts = (f"SELECT DISTINCT project FROM {table}" for table, _ in REBUILT)  # noqa: S608 - names of ours
    rows = clickhouse.rows(" UNION DISTINCT ".join(parts))
    return sorted(str(row["project"]) for row in rows)


def condition_for(user: str, projects: list[str], key: bytes, *, every_project: bool, column: str = "user_id") -> str:
    """Return the SQL condition that is true for a person's rows in some projects.

    ``column`` names a person beside the hash; empty where none does.
    """
    who = [f"{column} = {quote(user)}"] if column else ["false"]
    for project in projects:
        hashes = sorted(hashes_of(user, project, key).values())
        if hashes:
            who.append(f"(project = {quote(project)} AND user_hash IN ({', '.join(map(str, hashes))}))")
    condition = f"({' OR '.join(who)})"
    return condition if every_project else f"project = {quote(projects[0])} AND {condition}"


def standing_for(hashes: Mapping[str, Sequence[int]]) -> str:
    """Return the SQL condition that is true for rows that stand for other events of somebody, by project."""
    of_projects = [
        f"(project = {quote(project)} AND hasAny(other_users, [{', '.join(map(str, known))}]))"
        for project, known in hashes.items()
        if known
    ]
    return f"({' OR '.join(of_projects) or 'false'})"


def hashes_of(user: str, project: str, key: bytes) -> Mapping[str, int]:
    """Return the hashes that a person may be stored under, by which field of the user they are made from."""
    spellings = {
        "id": User(id=user),
        "email": User(email=user),
        "username": User(username=user),
        "ip_address": User(ip_address=user),
    }
    found = {name: user_hash(spelling, project, key) for name, spelling in spellings.items()}
    return {name: value for name, value in found.items() if value}


def count(clickhouse: ClickHouse, table: str, condition: str) -> int:
    """Return how many rows of a table a condition is true for."""
    return int(clickhouse.rows(f"SELECT count() AS number FROM {table} WHERE {condition}")[0]["number"])  # noqa: S608 - quoted
