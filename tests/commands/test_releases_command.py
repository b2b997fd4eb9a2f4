"""``aftershock releases``, against real servers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from commandline import Commands

from pipeline.config.settings import load_settings
from pipeline.errors import Misconfigured
from schemas.release import ReleaseChange

VERSION = "shop@1.4.2"


def said(aftershock: Commands) -> list[ReleaseChange]:
    records = aftershock.on_topic("releases")
    found = [msgspec.json.decode(record.value, type=ReleaseChange) for record in records]
    assert len({record.key for record in records}) == len(records)
    return sorted(found, key=lambda change: (change.time, change.project, change.kind))


def test_what_is_said_is_on_the_topic_under_a_key_of_its_own(aftershock: Commands, tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Jane Doe", "-c", "user.email=jane@example.com"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for name in ("first", "second", "third"):
        (tmp_path / f"{name} ä.py").write_text(name)
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", f"--message={name}\n\nand more"], check=True)
    for arguments in (
        ("new", VERSION, "--project", "shop", "--project", "web", "--url", "https://example.com"),
        ("set-commits", VERSION, "--project", "shop", "--since", "HEAD~2", "--repository", "acme/shop"),
        ("set-commits", VERSION, "--project", "shop", "--commit", "acme/shop@7b2c..8a3d"),
        ("finalize", VERSION, "--project", "shop"),
        ("deploy", VERSION, "--project", "shop", "--environment", "production"),
    ):
        done = aftershock.run("releases", *arguments)
        assert done.exit_code == 0, done.output
    made, other, commits, refs, finalized, deploy = said(aftershock)
    assert [(one.project, one.kind) for one in (made, other)] == [("shop", "created"), ("web", "created")]
    assert [(one.message, one.files, one.repository) for one in commits.commits] == [
        ("third\n\nand more", ["third ä.py"], "acme/shop"),
        ("second\n\nand more", ["second ä.py"], "acme/shop"),
    ]
    assert (commits.commits[0].author_name, commits.commits[0].author_email) == ("Jane Doe", "")
    assert (refs.refs[0].repository, refs.refs[0].commit, refs.refs[0].previous_commit) == ("acme/shop", "8a3d", "7b2c")
    assert (finalized.kind, deploy.kind) == ("finalized", "deploy")
    assert deploy.deploy is not None
    assert deploy.deploy.environment == "production"


@pytest.mark.parametrize(
    "arguments",
    [
        ("finalize", VERSION, "--project", "shop", "--released", "some day"),
        ("set-commits", VERSION, "--project", "shop", "--commit", "no commit"),
        ("set-commits", VERSION, "--project", "shop", "--since", "no-such-tag"),
        ("show", "no such release"),
    ],
)
def test_what_cannot_be_done_is_said_on_one_line(aftershock: Commands, arguments: tuple[str, ...]) -> None:
    done = aftershock.run("releases", *arguments)
    assert isinstance(done.exception, Misconfigured)
    assert "\n" not in str(done.exception)
    assert aftershock.on_topic("releases") == []


def test_releases_are_listed_and_shown_with_all_that_is_known(aftershock: Commands) -> None:
    now = int(time.time() * 1000)
    aftershock.insert(
        "session_aggregates",
        [{"project": "shop", "environment": "e", "release": VERSION, "started": now, "exited": 3, "crashed": 1}],
    )
    aftershock.insert(
        "errors",
        [{"project": "shop", "environment": "e", "release": VERSION, "fingerprint": "f", "timestamp": now}],
    )
    aftershock.insert(
        "release_changes", [{"project": "web", "release": "web@1.0", "kind": "created", "at": now - 10_000}]
    )
    aftershock.insert(
        "release_commits", [{"project": "shop", "release": VERSION, "said_at": now, "commit": "8a3d", "message": "m"}]
    )
    listed = aftershock.run("releases", "list").stdout.splitlines()
    assert [line.split()[1] for line in listed[1:]] == [VERSION, "web@1.0"]
    assert "0.7500" in listed[1]
    assert len(aftershock.run("releases", "list", "--project", "web").stdout.splitlines()) == 2

    shown = json.loads(aftershock.run("releases", "show", VERSION).stdout)
    assert (shown["sessions"], shown["new_issues"], shown["commits"], shown["errors"]) == (4, 1, 1, 1)
    assert shown["health"][0]["sessions_crashed"] == 1
    assert shown["contents"][0]["commit"] == "8a3d"
    assert shown["deploys"] == shown["refs"] == []


def test_a_token_is_shown_once_and_the_settings_hold_its_hash(aftershock: Commands, tmp_path: Path) -> None:
    done = aftershock.run("releases", "token", 'ci "main"', "--project", "shop", "--project", "web")
    token = done.stderr.strip().removeprefix("SENTRY_AUTH_TOKEN=")
    assert len(token) == 64
    assert token not in done.stdout
    (tmp_path / "made.toml").write_text(f"[worker]\nlinger_ms = 1\n{done.stdout}")
    (found,) = load_settings(tmp_path / "made.toml", {}).tokens
    assert found.sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert (found.name, found.projects) == ('ci "main"', ("shop", "web"))
