"""A gateway of the test's own, on topics of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.gateway import Gateway
from deploy.local.ports import free_port

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from installation import Installation

from tests.node_packages import installed


@pytest.fixture
def installation(kafka: str, clickhouse: str, names: Any, tmp_path: Path) -> Installation:
    """Migrated topics and tables of the test's own on the shared servers."""
    made = Installation(kafka, clickhouse, names, tmp_path)
    made.migrate()
    return made


@pytest.fixture
def gateway(installation: Installation, tmp_path: Path) -> Iterator[Gateway]:
    """A running gateway that takes every key."""
    with Gateway(
        port=free_port(), environment=installation.environment, data=tmp_path, log=tmp_path / "worker-gateway.log"
    ) as one:
        yield one


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A directory with ``@sentry/node``."""
    return installed(Path(__file__).parent / "node")
