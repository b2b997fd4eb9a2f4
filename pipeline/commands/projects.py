"""``aftershock projects``: who may send through the gateway."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from pipeline.config import DEFAULT_FILE, Settings, load_settings
from pipeline.errors import Misconfigured
from pipeline.gateway.projects import Projects
from pipeline.gateway.settings import ProjectSettings

_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="The settings file.  [default: aftershock.toml]"
)
_URL = click.option("--url", help="Where SDKs reach the gateway.  [default: what [gateway] says it listens on]")


@click.group()
def command() -> None:
    """List projects and their DSNs, and add one.

    Projects are [[project]] tables in the settings. To rotate a key, add a second one to the table's keys and take the
    old one out when no program uses it any more; a key that is taken out is revoked. A gateway reads the settings when
    it starts.
    """


@command.command("list")
@_CONFIG
@_URL
def list_projects(*, config: Path | None, url: str | None) -> None:
    """Print each project's name, and a DSN for each of its keys.

    \b
    Examples:
      aftershock projects list
      aftershock projects list --url https://errors.example.com
    """
    settings = load_settings(config)
    for project in settings.projects:
        for key in project.keys:
            click.echo(f"{project.name}\t{_dsn(settings, url, project.id, key)}")
    if not settings.projects:
        click.echo("no [[project]] in the settings: on a loopback address the gateway takes every key", err=True)


@command.command("add")
@click.argument("name")
@click.option("--id", "number", type=click.IntRange(1), help="Its number in DSNs.  [default: the next one]")
@_CONFIG
@_URL
def add(*, name: str, number: int | None, config: Path | None, url: str | None) -> None:
    """Add a project with a new key to the settings file, and print its DSN.

    \b
    Examples:
      aftershock projects add shop
      aftershock projects add shop --url https://errors.example.com
    """
    file = config or Path(os.environ.get("AFTERSHOCK_CONFIG") or DEFAULT_FILE)
    settings = load_settings(file) if file.exists() else Settings()
    if number is None:
        number = max((project.id for project in settings.projects), default=0) + 1
    try:
        project = msgspec.convert(
            {"name": name, "id": number, "keys": [secrets.token_hex(16)]}, ProjectSettings, strict=True
        )
    except msgspec.ValidationError:
        raise Misconfigured("a project's name has 1 to 64 letters, digits, dots, dashes or underscores") from None
    Projects((*settings.projects, project))
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    gap = "\n" if text.endswith("\n") or not text else "\n\n"
    table = f'{gap if text else ""}[[project]]\nname = "{name}"\nid = {number}\nkeys = ["{project.keys[0]}"]\n'
    with file.open("a", encoding="utf-8") as opened:
        opened.write(table)
    click.echo(_dsn(settings, url, number, project.keys[0]))


def _dsn(settings: Settings, url: str | None, number: int, key: str) -> str:
    gateway = settings.gateway
    parts = urlsplit(url or f"http://{gateway.host}:{gateway.port}")
    if not parts.netloc or parts.scheme not in ("http", "https"):
        raise Misconfigured("--url is not of the form https://host[:port][/path]")
    return f"{parts.scheme}://{key}@{parts.netloc}{parts.path.rstrip('/')}/{number}"
