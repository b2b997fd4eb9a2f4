"""``aftershock releases``: say what a release is, and see how it does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors, plural, printable, show_table
from pipeline.config.settings import Settings
from pipeline.edges import kafka
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.kafka import ProducerRecord
from pipeline.errors import Misconfigured
from pipeline.payload import normalize
from pipeline.releases.changes import message_of, with_commits
from pipeline.releases.commits import commits_of
from schemas.release import Deploy, Kind, Ref, ReleaseChange
from schemas.topics import RELEASES

LISTED = ("project", "release", "first_seen", "released_at", "errors", "new_issues", "sessions", "crash_free_sessions")
NUMERIC = frozenset(("errors", "new_issues", "sessions", "crash_free_sessions"))
MOST_LISTED = 100


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the release and its projects."""
    projects = click.option(
        "--project", "projects", metavar="NAME", multiple=True, required=True, help="Which project."
    )
    return click.argument("version")(projects(command))


@click.group()
def command() -> None:
    """Say what a release is, and see how it does.

    A release is there as soon as an event or a session names it. What is said here goes over Kafka's topic releases
    into the tables of docs/releases.md. `sentry-cli releases` does the same over the gateway.

    \b
    Examples:
      aftershock releases new shop@1.4.2 --project shop
      aftershock releases set-commits shop@1.4.2 --project shop --since v1.4.1
      aftershock releases finalize shop@1.4.2 --project shop
      aftershock releases list
    """
    one_line_errors()


@command.command("new")
@_about
@click.option("--url", default="", help="Where to read about it.")
@click.option("--finalize", is_flag=True, help="It is released already.")
@with_settings
def new(settings: Settings, *, version: str, projects: tuple[str, ...], url: str, finalize: bool) -> None:
    """Make a release, before anything of it runs.

    \b
    Examples:
      aftershock releases new shop@1.4.2 --project shop
      aftershock releases new shop@1.4.2 --project shop --project web --finalize
    """
    now = time.time()
    kinds: tuple[Kind, ...] = ("created", "finalized") if finalize else ("created",)
    _send(settings, [ReleaseChange(name, version, kind, now, url) for name in projects for kind in kinds])
    click.echo(f"made {version}")


@command.command("finalize")
@_about
@click.option("--released", metavar="TIME", help="When: RFC 3339, or seconds since 1970.  [default: now]")
@with_settings
def finalize(settings: Settings, *, version: str, projects: tuple[str, ...], released: str | None) -> None:
    """Say that a release is out.

    \b
    Examples:
      aftershock releases finalize shop@1.4.2 --project shop
      aftershock releases finalize shop@1.4.2 --project shop --released 2025-11-25T12:00:00Z
    """
    at_ms = normalize.milliseconds(released) if released else int(time.time() * 1000)
    if at_ms is None:
        raise Misconfigured("--released is no time: write it like 2025-11-25T12:00:00Z, or in seconds since 1970")
    _send(settings, [ReleaseChange(name, version, "finalized", at_ms / 1000) for name in projects])
    click.echo(f"finalized {version}")


@command.command("set-commits")
@_about
@click.option("--since", default="", metavar="COMMIT", help="Leave out what this commit, tag or branch has already.")
@click.option("--most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The most commits.")
@click.option("--repository", default="", metavar="NAME", help="What it is called.  [default: as its remote origin]")
@click.option("--directory", type=click.Path(path_type=Path), default=".", help="Where it is.  [default: here]")
@click.option("--commit", "refs", metavar="REPOSITORY@COMMIT", multiple=True, help="Name a commit; nothing is read.")
@with_settings
def set_commits(
    settings: Settings,
    *,
    version: str,
    projects: tuple[str, ...],
    since: str,
    most: int,
    repository: str,
    directory: Path,
    refs: tuple[str, ...],
) -> None:
    """Say which commits a release consists of: those of the Git repository here, or those that are named.

    What was said before about the same release does not count any more. Messages are scrubbed, and authors' e-mail
    addresses are not stored.

    \b
    Examples:
      aftershock releases set-commits shop@1.4.2 --project shop --since v1.4.1
      aftershock releases set-commits shop@1.4.2 --project shop --commit acme/shop@8a3d61c1b5b54be4
    """
    now = time.time()
    if refs:
        named = [_ref(ref) for ref in refs]
        _send(settings, [ReleaseChange(name, version, "refs", now, refs=named) for name in projects])
        click.echo(f"{plural(len(named), 'repository').replace('repositorys', 'repositories')} of {version}")
        return
    commits = commits_of(directory, since, most, repository)
    changes = [ReleaseChange(name, version, "commits", now) for name in projects]
    _send(settings, [part for change in changes for part in with_commits(change, commits)])
    click.echo(f"{plural(len(commits), 'commit')} of {version}")


@command.command("deploy")
@_about
@click.option("--environment", required=True, help="Where to.")
@click.option("--name", default="", help="What the deployment is called.")
@click.option("--url", default="", help="Where to read about it.")
@with_settings
def deploy(
    settings: Settings, *, version: str, projects: tuple[str, ...], environment: str, name: str, url: str
) -> None:
    """Say that a release was deployed.

    \b
    Examples:
      aftershock releases deploy shop@1.4.2 --project shop --environment production
    """
    now = time.time()
    made = Deploy(environment, name, url, None, now)
    _send(settings, [ReleaseChange(project, version, "deploy", now, deploy=made) for project in projects])
    click.echo(f"deployed {version} to {environment}")


@command.command("list")
@click.option("--project", metavar="NAME", default="", help="In this project alone.  [default: in all]")
@with_settings
def list_releases(settings: Settings, *, project: str) -> None:
    """List releases, the newest first, with what is new in them and how many sessions ended well.

    \b
    Examples:
      aftershock releases list --project shop
    """
    rows = ClickHouse(settings.clickhouse).rows(
        f"SELECT {', '.join(LISTED)} FROM release_overview WHERE {{project:String}} IN ('', project) "  # noqa: S608
        f"ORDER BY coalesce(released_at, created_at, first_seen) DESC LIMIT {MOST_LISTED}",
        {"project": project},
    )
    show_table(LISTED, [[_cell(row[name]) for name in LISTED] for row in rows], [name in NUMERIC for name in LISTED])


@command.command("show")
@click.argument("version")
@click.option("--project", metavar="NAME", default="", help="In this project alone.  [default: in all]")
@with_settings
def show(settings: Settings, *, version: str, project: str) -> None:
    """Show everything that is known of a release, as a JSON object for each project that has it.

    \b
    Examples:
      aftershock releases show shop@1.4.2 --project shop
    """
    clickhouse = ClickHouse(settings.clickhouse)
    found = clickhouse.rows(
        "SELECT * FROM release_overview WHERE release = {release:String} AND {project:String} IN ('', project)",
        {"release": version, "project": project},
    )
    if not found:
        raise Misconfigured("no such release: see `aftershock releases list`")
    for row in found:
        about = {"release": version, "project": row["project"]}
        told = {name: clickhouse.rows(f"{sql} WHERE {_OF_ONE}", about) for name, sql in _TOLD.items()}
        click.echo(json.dumps({**row, **told}, default=str, indent=2))


@command.command("token")
@click.argument("name")
@click.option("--project", "projects", metavar="NAME", multiple=True, required=True, help="For which project.")
def token(*, name: str, projects: tuple[str, ...]) -> None:
    """Make a token for sentry-cli: the table for the settings goes to standard output, the token to standard error.

    It is shown once; the settings hold its hash alone. A gateway reads the settings when it starts.

    \b
    Examples:
      aftershock releases token ci --project shop >> aftershock.toml
    """
    made = secrets.token_hex(32)
    digest = hashlib.sha256(made.encode()).hexdigest()
    # JSON's strings and lists of strings are TOML's as well.
    click.echo(f'\n[[token]]\nname = {json.dumps(name)}\nsha256 = "{digest}"\nprojects = {json.dumps(projects)}')
    click.echo(f"SENTRY_AUTH_TOKEN={made}", err=True)


_OF_ONE = "project = {project:String} AND release = {release:String}"
_TOLD = {
    "health": "SELECT * EXCEPT (project, release) FROM release_health",
    "deploys": "SELECT environment, name, url, began, finished FROM release_deploys",
    "refs": "SELECT repository, commit, previous_commit, said_at FROM release_refs FINAL",
    "contents": "SELECT commit, repository, message, author, committed_at, files FROM release_contents",
}


def _ref(text: str) -> Ref:
    repository, separator, commit = text.rpartition("@")
    if not separator or not repository or not commit:
        raise Misconfigured("--commit is not of the form repository@commit")
    previous, _, latest = commit.rpartition("..")
    return Ref(repository, latest, previous)


def _send(settings: Settings, changes: Sequence[ReleaseChange]) -> None:
    """Send changes, each acknowledged.

    Raises:
        Misconfigured: there is no such topic, or a message is too large.
        Unavailable: Kafka did not acknowledge.
    """

    def refused(_message: ProducerRecord, reason: str) -> None:
        raise Misconfigured(f"Kafka does not take the release: {reason}")

    async def send() -> None:
        await kafka.require_topics(settings.kafka, (RELEASES.name,))
        messages: Iterable[ProducerRecord] = (
            ProducerRecord(RELEASES.name, *message_of(change), (("project", change.project.encode()),))
            for change in changes
        )
        await kafka.send_all(settings.kafka, messages, sent=lambda _message: None, refused=refused)

    asyncio.run(send())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    text = "" if value is None else str(value)
    return printable(text[:19] if hasattr(value, "isoformat") else text)
