"""The calls that sentry-cli makes about releases, and sentry-cli itself against a gateway."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from installation import Installation

from deploy.local.cache import cached
from deploy.local.gateway import Gateway
from deploy.local.npm import extract
from deploy.local.ports import free_port
from pipeline.config.gateway import TokenSettings
from pipeline.errors import Misconfigured, Unavailable
from pipeline.gateway.rejection import Rejected
from pipeline.gateway.releases import Answered, ReleaseCalls
from schemas.release import ReleaseChange

TOKEN = "0123456789abcdef" * 4
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
SETTINGS = TokenSettings("ci", DIGEST, ("shop", "web"))
CALLS = ReleaseCalls([SETTINGS], ["acme/shop"])
NOW = 1_800_000_000.0
ORGANIZATION = "/api/0/organizations/acme"

CLI_VERSION = "3.8.0"
CLI_PACKAGES = {
    ("Linux", "x86_64"): "@sentry/cli-linux-x64",
    ("Linux", "aarch64"): "@sentry/cli-linux-arm64",
    ("Darwin", "arm64"): "@sentry/cli-darwin",
}


def call(method: str, path: str, body: Any = b"") -> Answered:
    return CALLS.take(SETTINGS, method, path, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)


def changes(answered: Answered) -> list[ReleaseChange]:
    assert {message.topic for message in answered.messages} <= {"releases"}
    found = [msgspec.json.decode(message.value, type=ReleaseChange) for message in answered.messages]
    assert [message.project for message in answered.messages] == [change.project for change in found]
    return found


def test_a_new_release_is_a_message_for_each_of_its_projects() -> None:
    sent = {"version": "shop@1.0", "projects": ["web", "shop"], "url": "https://x.example.com", "dateReleased": None}
    answered = call("POST", f"{ORGANIZATION}/releases/", sent)
    assert answered.status == 201
    assert answered.value["version"] == "shop@1.0"
    assert [(one.project, one.kind, one.time) for one in changes(answered)] == [
        ("web", "created", NOW),
        ("shop", "created", NOW),
    ]
    (alone,) = changes(call("POST", "/api/0/projects/acme/shop/releases/", {"version": "1"}))
    assert alone.project == "shop"


def test_what_a_put_says_is_what_changes() -> None:
    path = f"{ORGANIZATION}/releases/shop%2Fa%401.0/"
    (finalized,) = changes(call("PUT", path, {"projects": ["shop"], "dateReleased": "2025-11-25T12:00:00.123456789Z"}))
    assert (finalized.release, finalized.kind, finalized.time) == ("shop/a@1.0", "finalized", 1764072000.123)
    commit = {"id": "8a3d", "message": "m\n", "patch_set": [{"path": "a", "type": "A"}], "author_name": None}
    both = changes(call("PUT", path, {"commits": [commit]}))
    assert [(one.project, one.kind) for one in both] == [("shop", "commits"), ("web", "commits")]
    assert (both[0].commits[0].message, both[0].commits[0].files) == ("m", ["a"])
    (refs, _) = changes(call("PUT", path, {"refs": [{"repository": "a/b", "commit": "8", "previousCommit": "7"}]}))
    assert refs.refs[0].previous_commit == "7"
    assert changes(call("PUT", path, {"projects": ["shop"]})) == []


def test_a_deploy_is_a_message() -> None:
    sent = {"environment": "production", "name": None, "dateFinished": "2025-11-25T12:00:00Z", "projects": ["shop"]}
    answered = call("POST", f"{ORGANIZATION}/releases/1.0/deploys/", sent)
    (deploy,) = changes(answered)
    assert deploy.deploy is not None
    assert (deploy.deploy.environment, deploy.deploy.finished) == ("production", 1764072000)
    assert (answered.status, answered.value["environment"]) == (201, "production")


def test_what_sentry_cli_asks_for_is_answered_without_a_message() -> None:
    assert call("GET", f"{ORGANIZATION}/repos/?cursor=").value[0]["name"] == "acme/shop"
    assert call("GET", f"{ORGANIZATION}/releases/1.0/previous-with-commits/") == (200, {}, [])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/0/organizations/acme/issues/", b"", 404),
        ("GET", f"{ORGANIZATION}/releases/", b"", 405),
        ("DELETE", f"{ORGANIZATION}/releases/1.0/", b"", 405),
        ("POST", f"{ORGANIZATION}/releases/", {"version": "1", "projects": [], "status": "archived"}, 405),
        ("POST", f"{ORGANIZATION}/releases/", {"version": "1", "projects": ["other"]}, 403),
        ("POST", "/api/0/projects/acme/other/releases/", {"version": "1"}, 403),
        ("POST", f"{ORGANIZATION}/releases/", {"projects": ["shop"]}, 400),
        ("POST", f"{ORGANIZATION}/releases/", {"version": " 1"}, 400),
        ("POST", f"{ORGANIZATION}/releases/", {"version": "1\n2"}, 400),
        ("POST", f"{ORGANIZATION}/releases/", {"version": "1" * 201}, 400),
        ("POST", f"{ORGANIZATION}/releases/", b"[", 400),
        ("POST", f"{ORGANIZATION}/releases/", b"[" * 5000, 400),
        ("PUT", f"{ORGANIZATION}/releases/1.0/", {"commits": [{}]}, 400),
    ],
)
def test_anything_else_is_refused(method: str, path: str, body: Any, status: int) -> None:
    with pytest.raises(Rejected) as caught:
        call(method, path, body)
    assert caught.value.status == status


def test_only_a_token_of_the_settings_is_admitted() -> None:
    assert CALLS.admit(f"Bearer {TOKEN}") is SETTINGS
    for authorization, status in ((None, 401), ("Basic x", 401), ("Bearer", 401), (f"Bearer {DIGEST}", 403)):
        with pytest.raises(Rejected) as caught:
            CALLS.admit(authorization)
        assert caught.value.status == status


@pytest.fixture(scope="session")
def sentry_cli() -> Path:
    """The real sentry-cli, downloaded once a machine; skipped where it cannot be."""
    package = CLI_PACKAGES.get((platform.system(), platform.machine()))
    if package is None:
        pytest.skip("there is no sentry-cli for this machine")

    def fill(directory: Path) -> None:
        (directory / "bin").mkdir()
        extract(package, CLI_VERSION, "bin/sentry-cli", directory, None)
        (directory / "bin" / "sentry-cli").chmod(0o755)

    try:
        return cached(f"sentry-cli/{CLI_VERSION}", fill, title="sentry-cli", need_megabytes=100, option="npm") / (
            "bin/sentry-cli"
        )
    except (Misconfigured, Unavailable) as error:
        pytest.skip(f"sentry-cli cannot be downloaded here: {error}")


@pytest.fixture
def gateway(installation: Installation, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that takes the token."""
    installation.configure(
        f'[gateway]\nrepositories = ["acme/shop"]\n[[token]]\nname = "ci"\nsha256 = "{DIGEST}"\nprojects = ["shop"]\n'
    )
    with Gateway(
        port=free_port(), environment=installation.environment, data=tmp_path, log=tmp_path / "worker-gateway.log"
    ) as one:
        yield one


def test_sentry_cli_says_what_a_release_is(
    gateway: Gateway, installation: Installation, sentry_cli: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for arguments in (
        ("init", "--quiet"),
        ("remote", "add", "origin", "https://example.com/acme/other.git"),
        ("commit", "--quiet", "--allow-empty", "--message=first"),
        ("commit", "--quiet", "--allow-empty", "--message=mail jane@example.com"),
    ):
        who = ("-c", "user.name=Jane Doe", "-c", "user.email=jane@example.com")
        subprocess.run(["git", *who, *arguments], cwd=repository, check=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")},
        "SENTRY_URL": gateway.address,
        "SENTRY_AUTH_TOKEN": TOKEN,
        "SENTRY_ORG": "acme",
        "SENTRY_PROJECT": "shop",
    }

    def cli(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sentry_cli, *arguments],
            cwd=repository,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    for arguments in (
        ("releases", "new", "shop@1.0", "--url", "https://example.com/1.0"),
        ("releases", "set-commits", "shop@1.0", "--local"),
        ("releases", "set-commits", "shop@1.0", "--commit", f"acme/shop@{'8a3d' * 10}"),
        ("releases", "finalize", "shop@1.0"),
        ("deploys", "new", "--release", "shop@1.0", "--env", "production", "--name", "first"),
    ):
        done = cli(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    assert cli("releases", "new", "shop@1.1", SENTRY_AUTH_TOKEN="f" * 64).returncode != 0
    assert cli("releases", "new", "shop@1.1", SENTRY_PROJECT="other").returncode != 0

    with installation.worker():
        installation.wait_for_rows(1, "release_deploys")
        installation.wait_for_rows(2, "release_contents")
    (release,) = installation.rows("SELECT * FROM release_overview")
    assert (release["project"], release["release"], release["commits"]) == ("shop", "shop@1.0", 2)
    assert release["created_at"] <= release["released_at"]
    contents = installation.rows("SELECT message, author FROM release_contents")
    assert [(one["message"], one["author"]) for one in contents] == [
        ("mail [email]", "Jane Doe"),
        ("first", "Jane Doe"),
    ]
    (ref,) = installation.rows("SELECT repository, commit FROM release_refs")
    assert (ref["repository"], ref["commit"]) == ("acme/shop", "8a3d" * 10)
    (deploy,) = installation.rows("SELECT environment, name FROM release_deploys")
    assert (deploy["environment"], deploy["name"]) == ("production", "first")
    assert not any(b'"author_email":"jane' in record.value for record in installation.consume("releases"))
    assert installation.command("forget", "--user", "Jane Doe", "--yes").returncode == 0
    assert installation.value("SELECT count() FROM release_commits") == 0
