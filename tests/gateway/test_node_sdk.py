"""The real ``@sentry/node``, by nothing but a DSN. Skipped where npm or its registry cannot be reached."""

from __future__ import annotations

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
from statuses import said_of_errors

from deploy.local.gateway import Gateway
from deploy.local.ports import free_port
from tests.node_packages import node

HERE = Path(__file__).parent / "node"
KEY = "0123456789abcdef0123456789abcdef"


def shop(node_modules: Path, dsn: str, turns: int = 1) -> list[str]:
    """Run the program; return the ids of the errors that it captured."""
    program = shutil.copy(HERE / "shop.js", node_modules)
    done = subprocess.run([node(), program, dsn, str(turns)], capture_output=True, text=True, timeout=60, check=True)
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
    # What it kept to itself it reports when it ends; what the gateway refused, the gateway counts.
    assert said_of_errors(installation) == {"rate_limited:minute": 1, "client_ratelimit_backoff": 3}
    assert len(installation.consume("spans")) == 2
