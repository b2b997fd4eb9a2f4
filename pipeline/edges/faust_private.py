"""Every name of Faust that is overridden, or used by what overrides it, though Faust does not promise it.

The overriding classes are in :mod:`pipeline.intake.transport`, :mod:`pipeline.intake.reconnecting` and
:mod:`pipeline.worker.faust_app`; a test compares them with this list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import faust
from faust.transport.drivers import aiokafka as driver

from pipeline.edges.private_names import require

BOUNDS = ">=0.15.3,<0.16"
"""The versions that are tested; as in ``pyproject.toml``."""
NAMES: Mapping[type, Iterable[str]] = {
    driver.AIOKafkaConsumerThread: ("_create_consumer", "_ensure_consumer", "_fetch_records"),
    driver.Consumer: (
        "_add_gap",
        "_committed_offset",
        "_filter_tps_with_pending_acks",
        "_new_consumer_thread",
        "_new_offset",
        "_read_offset",
        "_thread",
        "_wait_next_records",
    ),
    driver.Producer: ("_new_producer",),
    faust.App: ("_create_directories", "_new_producer_transport", "_new_transport"),
}


def check() -> None:
    """Make sure that this Faust has all of :data:`NAMES`.

    Raises:
        Misconfigured: it has not.
    """
    require("faust-streaming", BOUNDS, NAMES)
