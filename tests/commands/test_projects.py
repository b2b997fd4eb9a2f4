"""``aftershock projects``: tables in the settings file, DSNs out."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sentry_sdk.utils import Dsn

from pipeline.commands.projects import command
from pipeline.config import load_settings
from pipeline.errors import Misconfigured


def run(*arguments: str) -> str:
    return CliRunner().invoke(command, arguments, catch_exceptions=False).output


def test_added_projects_are_in_the_settings_and_listed_with_dsns_that_sdks_read(tmp_path: Path) -> None:
    file = tmp_path / "aftershock.toml"
    first = run("add", "shop", "--config", str(file)).strip()
    second = run("add", "blog", "--config", str(file), "--url", "https://errors.example.com/in/").strip()
    settings = load_settings(file, {})
    assert [(project.name, project.id) for project in settings.projects] == [("shop", 1), ("blog", 2)]
    read = Dsn(first)
    assert (read.public_key, read.project_id, read.port) == (settings.projects[0].keys[0], "1", 8000)
    assert second == f"https://{settings.projects[1].keys[0]}@errors.example.com/in/2"
    assert run("list", "--config", str(file)).splitlines()[0] == f"shop\t{first}"


def test_a_table_is_added_to_what_the_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "aftershock.toml"
    file.write_text("[gateway]\nport = 9000", encoding="utf-8")
    assert ":9000/5" in run("add", "shop", "--id", "5", "--config", str(file))
    assert load_settings(file, {}).gateway.port == 9000


@pytest.mark.parametrize("arguments", [("shop",), ("blog", "--id", "1"), ("a b",), ("",)])
def test_a_name_or_number_that_cannot_be_taken_changes_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "aftershock.toml"
    run("add", "shop", "--config", str(file))
    before = file.read_text(encoding="utf-8")
    with pytest.raises(Misconfigured):
        run("add", *arguments, "--config", str(file))
    assert file.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[[project]]\nname = "shop"\nid = 1\nkeys = ["short"]\n', 4),
        ('[[project]]\nname = "shop"\nid = 1\nkeys = []\n', 4),
        ('[[project]]\nname = "shop"\nid = 0\nkeys = []\n', 3),
        ('[[project]]\nname = "shop"\n', 1),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_line(tmp_path: Path, table: str, line: int) -> None:
    file = tmp_path / "aftershock.toml"
    file.write_text(table, encoding="utf-8")
    with pytest.raises(Misconfigured, match=rf"aftershock\.toml:{line}: project"):
        load_settings(file, {})
