"""``aftershock projects``: who may send through the gateway, and how much."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors
from pipeline.config.gateway import CATEGORIES, ProjectSettings
from pipeline.config.settings import Settings
from pipeline.errors import Misconfigured
from pipeline.gateway.auth import from_dsn
from pipeline.gateway.projects import clash, without_clashes
from pipeline.gateway.registry import register, registered, unregister
from pipeline.gateway.rejection import Rejected

_URL = click.option("--url", help="Where SDKs reach the gateway.  [default: what [gateway] says it listens on]")
_LIMITS = ("minute", "day", "month")


@click.group()
def command() -> None:
    """Say who may send through the gateway, and how much.

    Projects are kept on Kafka's topic projects, which every gateway follows: what is changed here holds within
    seconds, without a restart. [[project]] tables in the settings are listed too, but are changed there.

    \b
    Examples:
      aftershock projects add shop
      aftershock projects rotate shop
      aftershock projects revoke 0123456789abcdef0123456789abcdef
      aftershock projects set shop --per-day error=100000 --spike 10
    """
    one_line_errors()


@command.command("list")
@_URL
@with_settings
def list_projects(settings: Settings, *, url: str | None) -> None:
    """Print each project's name, and a DSN for each of its keys.

    \b
    Examples:
      aftershock projects list
      aftershock projects list --url https://errors.example.com
    """
    projects = _all(settings)
    for project in projects:
        _show_keys(settings, project, url)
    if not projects:
        click.echo("no project: on a loopback address the gateway takes every key, elsewhere none", err=True)


@command.command("add")
@click.argument("name")
@click.option("--id", "number", type=click.IntRange(1), help="Its number in DSNs.  [default: the next one]")
@_URL
@with_settings
def add(settings: Settings, *, name: str, number: int | None, url: str | None) -> None:
    """Add a project with a new key, and print its DSN.

    \b
    Examples:
      aftershock projects add shop
      aftershock projects add shop --url https://errors.example.com
    """
    projects = _all(settings)
    if number is None:
        number = max((project.id for project in projects), default=0) + 1
    project = _made({"name": name, "id": number, "keys": [_new_key()]})
    same = clash((*projects, project))
    if same:
        raise Misconfigured(f"there is a project with this {same}: choose another, or see `aftershock projects list`")
    dsn = _dsn(settings, url, project.id, project.keys[0])
    asyncio.run(register(settings.kafka, project))
    click.echo(dsn)


@command.command("keys")
@click.argument("name")
@_URL
@with_settings
def keys(settings: Settings, *, name: str, url: str | None) -> None:
    """Print a DSN for each key of a project.

    \b
    Examples:
      aftershock projects keys shop
    """
    found = next((project for project in _all(settings) if project.name == name), None)
    if found is None:
        raise _unknown()
    _show_keys(settings, found, url)


@command.command("rotate")
@click.argument("name")
@click.option("--revoke-others", is_flag=True, help="Take the project's other keys out at once.")
@_URL
@with_settings
def rotate(settings: Settings, *, name: str, revoke_others: bool, url: str | None) -> None:
    """Give a project a new key, and print its DSN.

    The keys it had go on being taken, until `aftershock projects revoke` takes them out: put the new DSN into your
    programs first.

    \b
    Examples:
      aftershock projects rotate shop
      aftershock projects rotate shop --revoke-others
    """
    project = _changeable(settings, name)
    key = _new_key()
    dsn = _dsn(settings, url, project.id, key)
    asyncio.run(register(settings.kafka, _changed(project, keys=[key] if revoke_others else [key, *project.keys])))
    click.echo(dsn)


@command.command("revoke")
@click.argument("key", metavar="KEY|DSN")
@with_settings
def revoke(settings: Settings, *, key: str) -> None:
    """Take a key out of its project: nothing that comes with it is taken any more.

    \b
    Examples:
      aftershock projects revoke 0123456789abcdef0123456789abcdef
      aftershock projects revoke https://0123456789abcdef0123456789abcdef@errors.example.com/1
    """
    key = _key_of(key)
    owner = next((project for project in _all(settings) if key in project.keys), None)
    if owner is None:
        raise Misconfigured("no project has this key: see `aftershock projects list`")
    project = _changeable(settings, owner.name)
    left = [one for one in project.keys if one != key]
    if not left:
        raise Misconfigured(
            f"it is the only key of {project.name}: `aftershock projects rotate {project.name} --revoke-others` gives "
            f"it another instead, `aftershock projects remove {project.name}` ends the project"
        )
    asyncio.run(register(settings.kafka, _changed(project, keys=left)))
    click.echo(f"revoked a key of {project.name}")


@command.command("set")
@click.argument("name")
@click.option("--origin", "origins", multiple=True, metavar="GLOB", help="A web page that may send; '*' for all.")
@click.option("--per-minute", multiple=True, metavar="CATEGORY=N", help="The most items of a key and minute.")
@click.option("--per-day", multiple=True, metavar="CATEGORY=N", help="The most items of a key and day, in UTC.")
@click.option("--per-month", multiple=True, metavar="CATEGORY=N", help="The most items of a key and month, in UTC.")
@click.option(
    "--spike", type=click.FloatRange(0), help="The most an hour may have: 1 or more times its norm; 0 for no end."
)
@with_settings
def change(
    settings: Settings,
    *,
    name: str,
    origins: tuple[str, ...],
    per_minute: tuple[str, ...],
    per_day: tuple[str, ...],
    per_month: tuple[str, ...],
    spike: float | None,
) -> None:
    """Set what a project may send. What is not named stays as it is; a limit without a number is taken away.

    Categories are error, transaction, span, log_item, session, monitor, feedback, attachment, profile,
    profile_chunk, replay, default; all counts them all.

    \b
    Examples:
      aftershock projects set shop --origin 'https://*.example.com'
      aftershock projects set shop --per-minute error=6000 --per-day error=100000 --per-month all=5000000
      aftershock projects set shop --per-day error= --spike 10
    """
    project = _changeable(settings, name)
    fields: dict[str, Any] = {}
    if origins:
        fields["origins"] = [] if "*" in origins else list(origins)
    for period, given in zip(_LIMITS, (per_minute, per_day, per_month), strict=True):
        if given:
            fields[f"per_{period}"] = _limits(getattr(project, f"per_{period}"), given)
    if spike is not None and 0 < spike < 1:
        raise Misconfigured("--spike is 1 or more, in times an hour's norm, or 0 for no end")
    if spike is not None:
        fields["spike"] = {"times": spike} if spike else None
    changed = _changed(project, **fields)
    asyncio.run(register(settings.kafka, changed))
    click.echo(msgspec.json.format(msgspec.json.encode(changed), indent=2).decode())


@command.command("remove")
@click.argument("name")
@with_settings
def remove(settings: Settings, *, name: str) -> None:
    """Remove a project with all its keys. What was stored of it stays.

    \b
    Examples:
      aftershock projects remove shop
    """
    asyncio.run(unregister(settings.kafka, _changeable(settings, name).name))
    click.echo(f"removed {name}")


def _all(settings: Settings) -> list[ProjectSettings]:
    """Return the projects of the settings and of the topic, by number."""
    learned = asyncio.run(registered(settings.kafka))
    found = [*settings.projects, *without_clashes(settings.projects, learned.values())]
    return sorted(found, key=lambda project: project.id)


def _changeable(settings: Settings, name: str) -> ProjectSettings:
    if any(project.name == name for project in settings.projects):
        raise Misconfigured(f"{name} is a [[project]] of the settings: change it there, and restart the gateways")
    found = asyncio.run(registered(settings.kafka)).get(name)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> Misconfigured:
    return Misconfigured("there is no such project: see `aftershock projects list`")


def _made(fields: dict[str, Any]) -> ProjectSettings:
    try:
        return msgspec.convert(fields, ProjectSettings, strict=True)
    except msgspec.ValidationError as error:
        if str(error).endswith("`$.name`"):
            raise Misconfigured("a project's name has 1 to 64 letters, digits, dots, dashes or underscores") from None
        raise Misconfigured(f"the project would not be valid: {error}") from None


def _changed(project: ProjectSettings, **fields: Any) -> ProjectSettings:
    return _made({**msgspec.to_builtins(project), **fields})


def _limits(before: dict[Any, int], given: Iterable[str]) -> dict[str, int]:
    limits: dict[str, int] = {str(category): most for category, most in before.items()}
    for one in given:
        category, equals, number = one.partition("=")
        if not equals or not (number.isdigit() or not number):
            raise Misconfigured("a limit is a category, =, and a number: error=6000, or error= to take it away")
        if category not in CATEGORIES:
            raise Misconfigured(f"a limit's category is one of {', '.join(CATEGORIES)}")
        limits.pop(category, None)
        if number:
            limits[category] = int(number)
    return limits


def _key_of(text: str) -> str:
    """Return the key that was given, by itself or in its DSN."""
    if "://" not in text:
        return text.lower()
    try:
        return from_dsn(text).key
    except Rejected as rejected:
        raise Misconfigured(
            f"{rejected.reason}: give the key, or its DSN as `aftershock projects list` prints it"
        ) from None


def _new_key() -> str:
    return secrets.token_hex(16)


def _show_keys(settings: Settings, project: ProjectSettings, url: str | None) -> None:
    for key in project.keys:
        click.echo(f"{project.name}\t{_dsn(settings, url, project.id, key)}")


def _dsn(settings: Settings, url: str | None, number: int, key: str) -> str:
    gateway = settings.gateway
    parts = urlsplit(url or f"http://{gateway.host}:{gateway.port}")
    if not parts.netloc or parts.scheme not in ("http", "https"):
        raise Misconfigured("--url is not of the form https://host[:port][/path]")
    return f"{parts.scheme}://{key}@{parts.netloc}{parts.path.rstrip('/')}/{number}"
