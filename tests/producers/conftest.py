"""Topics of a test's own on the shared broker, programs under Node, and no client of the SDK left from test to test."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from kafka_topics import Received, create_topics, read_topic

from tests.node_packages import installed

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from installation import Installation

NODE = Path(__file__).parent / "node"
TRANSPORT = Path(__file__).parents[2] / "schemas" / "producers" / "node"


@pytest.fixture
def prefix(kafka: str, names: Any) -> str:
    """A topic prefix of the test's own, with both topics there."""
    create_topics(kafka, names.topic_prefix)
    return str(names.topic_prefix)


@pytest.fixture
def read(kafka: str, prefix: str) -> Callable[[str, int], list[Received]]:
    """Read ``errors`` or ``spans`` under this test's own prefix."""
    return lambda topic, expected: read_topic(kafka, prefix + topic, expected)


@pytest.fixture(autouse=True)
def no_client_left() -> Iterator[None]:
    """Close the client of the test, so that nothing of it reaches the next one."""
    yield
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_global_scope().clear()
    sentry_sdk.get_isolation_scope().clear()


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A directory with the programs, the SDK and the transport, installed as npm would."""
    modules = tmp_path / "node_modules"
    modules.mkdir()
    for package in (installed(NODE) / "node_modules").iterdir():
        (modules / package.name).symlink_to(package)
    shutil.copytree(TRANSPORT, modules / "aftershock-transport")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(NODE / "many.js", tmp_path)
    return tmp_path


@pytest.fixture
def installation(kafka: str, clickhouse: str, names: Any, tmp_path: Path) -> Installation:
    """Migrated topics and tables of the test's own on the shared servers."""
    made = Installation(kafka, clickhouse, names, tmp_path)
    made.migrate()
    return made
