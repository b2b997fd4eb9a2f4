"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from benchmarks.servers import BROKERS
from deploy.local.clickhouse import ClickHouse
from deploy.local.embedded_broker import installed_version
from deploy.local.kafka import ApacheKafka

LIBRARIES = ("faust-streaming", "aiokafka", "msgspec", "hyperscan", "xxhash", "clickhouse-connect")


def versions(broker: str) -> dict[str, str]:
    """Return the versions of everything that has a part in the speed, and the number of cores."""
    return {
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "broker": ApacheKafka.version if BROKERS[broker] is ApacheKafka else installed_version(),
        "clickhouse": ClickHouse.version,
        **{name: version(name) for name in LIBRARIES},
    }
