"""docs/alerts.md says what the code does: its rules are valid, its defaults, tables and examples are the real ones."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerts.rules import MAX_PANES, Rules
from pipeline.config.reader import SettingsReader
from pipeline.errors import Misconfigured
from pipeline.payload.matching import HEADER_FIELDS, TEXT_FIELDS
from schemas.alert import Alert, decode_alert
from schemas.topics import ALERTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def names_in_first_column(heading: str) -> list[str]:
    table = TEXT.split(heading, 1)[1].split("\n\n", 1)[0]
    return [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]


def rules(block: str) -> Rules:
    return Rules.from_toml(tomllib.loads(block)["rule"], lambda _path: "aftershock.toml")


def test_the_rules_shown_as_defaults_are_the_defaults() -> None:
    assert rules(blocks("toml")[0]) == Rules()


def test_the_rule_that_uses_every_setting_does() -> None:
    block = blocks("toml")[1]
    (table,) = tomllib.loads(block)["rule"]
    assert sorted(table) == sorted(names_in_first_column("| setting | for | meaning | when left out |"))
    (rule,) = rules(block).all
    assert {condition.field for condition in rule.match.conditions} == {*HEADER_FIELDS, *TEXT_FIELDS, "tags.region"}


def test_the_mistake_reads_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("aftershock.toml")
    file.write_text('[[rule]]\nname = "checkout errors"\nkind = "count"\nthreshold = 0\nwindow = "5m"\n')
    reader = SettingsReader(file)
    with pytest.raises(Misconfigured) as caught:
        Rules.from_toml(reader.values["rule"], reader.place)
    assert str(caught.value) == blocks("text")[0].strip()


def test_the_alert_shown_is_the_example() -> None:
    example = (ROOT / "schemas" / "examples" / "alerts" / "issue-burst-firing.json").read_text(encoding="utf-8")
    assert blocks("json") == [example]


def test_every_field_of_an_alert_is_described() -> None:
    assert names_in_first_column("| field | meaning |") == list(Alert.__struct_fields__)


def test_the_figures_are_those_of_the_code() -> None:
    assert f"at most {MAX_PANES} parts" in TEXT
    assert f"kept for {ALERTS.retention_ms // 86_400_000} days" in TEXT
    assert f"by `{ALERTS.key.replace(' ', '_')}`" in TEXT


def test_the_typed_example_runs() -> None:
    found: dict[str, Any] = {}
    exec(blocks("python")[1], found)
    data = blocks("json")[0].encode()
    assert found["subject"](data) == f"105 events in 5 minutes: {decode_alert(data).title}"
