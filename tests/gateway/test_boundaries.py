"""Between the two edges the gateway knows neither HTTP nor Kafka nor the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.gateway

EDGES = {
    *("accepted", "server"),
    *("compression", "sink", "outcomes_sender", "exchange", "registry"),
    *("spool", "delivery", "metrics"),
}
PURE = sorted(
    file.stem for file in Path(pipeline.gateway.__file__).parent.glob("*.py") if file.stem not in {*EDGES, "__init__"}
)
FORBIDDEN = ("aiohttp", "aiokafka", "faust", "clickhouse_connect")


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_import_no_edge(module: str) -> None:
    program = (
        f"import sys, pipeline.gateway.{module}; "
        f"print([name for name in {(*FORBIDDEN, *(f'pipeline.gateway.{edge}' for edge in sorted(EDGES)))} "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
