"""Fixtures of the tests that run workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from installation import Installation


@pytest.fixture
def installation(kafka: str, clickhouse: str, names: Any, tmp_path: Path) -> Installation:
    """Migrated topics and tables of the test's own on the shared servers."""
    made = Installation(kafka, clickhouse, names, tmp_path)
    made.migrate()
    return made
