"""``aftershock explain`` on events from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.commands.explain import command

EVENT = {
    "platform": "python",
    "exception": {
        "values": [
            {
                "type": "ValueError",
                "value": "mail to ann@example.com failed",
                "stacktrace": {"frames": [{"function": "send", "module": "shop.mail", "in_app": True}]},
            }
        ]
    },
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AFTERSHOCK_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def test_shows_what_decided_and_every_component(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT))
    result = CliRunner().invoke(command, [str(file)])
    assert result.exit_code == 0, result.output
    assert "decided by   stacktrace (v1)" in result.output
    assert "  type: ValueError\n  frame: shop.mail in send\n" in result.output
    assert "culprit      shop.mail in send" in result.output


def test_shows_nothing_that_the_scrubber_removes() -> None:
    result = CliRunner().invoke(command, ["-"], input=json.dumps(EVENT))
    assert result.exit_code == 0, result.output
    assert "ann@example.com" not in result.output
    assert "[email]" in result.output


def test_prints_json_for_programs() -> None:
    result = CliRunner().invoke(command, ["-", "--json"], input=json.dumps({"message": "order 17 is late"}))
    shown = json.loads(result.output)
    assert (shown["rule"], shown["components"]) == ("message", ["message: order * is late"])


def test_uses_the_rules_of_the_settings(tmp_path: Path) -> None:
    settings = tmp_path / "aftershock.toml"
    settings.write_text(
        '[[grouping.fingerprint]]\nname = "mail"\nmatch = { function = "send" }\nfingerprint = ["mail", "{{ type }}"]\n'
    )
    result = CliRunner().invoke(command, ["-", "--config", str(settings)], input=json.dumps(EVENT))
    assert "decided by   rule:mail (v1)" in result.output
    assert "  mail\n  ValueError\n" in result.output


def test_missing_file_is_named_with_what_to_do() -> None:
    result = CliRunner().invoke(command, ["nothing.json"])
    assert "nothing.json: cannot be read" in str(result.exception)
