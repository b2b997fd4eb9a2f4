"""The real ``@sentry/node``, by nothing but a DSN. Skipped where npm or its registry cannot be reached."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installation import Installation

from deploy.local.cache import DownloadError, cached
from deploy.local.gateway import Gateway
from deploy.local.npm import npm_command
from deploy.local.ports import free_port
from pipeline.errors import Misconfigured, Unavailable

HERE = Path(__file__).parent / "node"
KEY = "0123456789abcdef0123456789abcdef"


def install(directory: Path) -> None:
    """Install what the lock file says."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, directory)
    command = [*npm_command(), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise DownloadError(f"npm ci ended with exit code {done.returncode}")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A directory with the SDK, installed once a machine."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    try:
        return cached(f"node-sdk/{digest}", install, title="@sentry/node", need_megabytes=300, option="npm")
    except (Misconfigured, Unavailable) as error:
        pytest.skip(f"@sentry/node cannot be installed here: {error}")


def shop(node_modules: Path, dsn: str, turns: int = 1) -> list[str]:
    """Run the program; return the ids of the errors that it captured."""
    program = shutil.copy(HERE / "shop.js", node_modules)
    node = shutil.which("node") or npm_command()[0]
    done = subprocess.run([node, program, dsn, str(turns)], capture_output=True, text=True, timeout=60, check=True)
    ids: list[str] = json.loads(done.stdout)
    return ids


def test_errors_and_spans_are_found_with_all_that_belongs_to_them(
    gateway: Gateway, installation: Installation, node_modules: Path
) -> None:
    (event_id,) = shop(node_modules, gateway.dsn(5))
    with installation.worker():
        installation.wait_for_rows(1)
        installation.wait_for_rows(2, "spans")
    (error,) = installation.rows(
        "SELECT event_id, project, release, environment, level, platform, exception_types, tags['region'] AS region, "
        "user_hash != 0 AS has_user, JSONExtractInt(contexts, 'basket', 'items') AS items FROM errors"
    )
    assert error == {
        "event_id": event_id,
        "project": "5",
        "release": "shop@2.3.1",
        "environment": "staging",
        "level": "error",
        "platform": "node",
        "exception_types": error["exception_types"],
        "region": "eu",
        "has_user": 1,
        "items": 4,
    }
    assert sorted(error["exception_types"]) == ["Error", "TypeError"]
    spans = installation.rows("SELECT project, release, environment, op, trace_id FROM spans ORDER BY op")
    assert [(span["project"], span["release"], span["environment"], span["op"]) for span in spans] == [
        ("5", "shop@2.3.1", "staging", "payment"),
        ("5", "shop@2.3.1", "staging", "task"),
    ]
    assert len({span["trace_id"] for span in spans}) == 1


@pytest.fixture
def limited(installation: Installation, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with one project, whose key may send one error a minute."""
    installation.configure(f'[[project]]\nname = "shop"\nid = 5\nkeys = ["{KEY}"]\nper_minute = {{ error = 1 }}\n')
    with Gateway(
        port=free_port(), environment=installation.environment, data=tmp_path, log=tmp_path / "worker-gateway.log"
    ) as one:
        yield one


def refusals(gateway: Gateway) -> float:
    """Return how many requests were answered with 429."""
    text = urllib.request.urlopen(f"{gateway.address}/metrics", timeout=10).read().decode()
    found: list[Any] = [line for line in text.splitlines() if 'requests_total{outcome="rate_limited"' in line]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def test_the_sdk_backs_off_from_a_429_for_the_limited_category_only(
    limited: Gateway, installation: Installation, node_modules: Path
) -> None:
    # Not within the last seconds of a minute, where the limit would begin anew meanwhile.
    time.sleep(60 - time.time() % 60 if time.time() % 60 > 45 else 0)
    ids = shop(node_modules, limited.dsn(5, KEY), turns=5)
    assert [record.key.decode() for record in installation.consume("errors")] == ids[:1]
    # Five were captured: one was taken, one refused, and then the SDK kept the others to itself.
    assert refusals(limited) == 1
    assert len(installation.consume("spans")) == 2
