"""Fixtures of the tests that run commands against real servers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from commandline import Commands


@pytest.fixture
def bare(kafka: str, clickhouse: str, names: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Servers on which nothing was migrated yet."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AFTERSHOCK_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    return Commands(
        {
            "AFTERSHOCK_KAFKA": kafka,
            "AFTERSHOCK_CLICKHOUSE": clickhouse,
            "AFTERSHOCK_TOPIC_PREFIX": names.topic_prefix,
            "AFTERSHOCK_DATABASE": names.database,
        }
    )


@pytest.fixture
def aftershock(bare: Commands) -> Commands:
    """Migrated topics and tables, and no worker."""
    assert bare.run("migrate").exit_code == 0
    return bare
