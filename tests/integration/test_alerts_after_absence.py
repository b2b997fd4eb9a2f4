"""An alert that was sent is resolved, once, although every worker was killed before its state was written."""

from __future__ import annotations

import json
import time
from typing import Any

from installation import Installation, event, message

THRESHOLD = 50
LATENESS_S = 10
WINDOW_S = 10
RULES = f"""
[alerts]
allowed_lateness_s = {LATENESS_S}

[[rule]]
name = "burst"
kind = "count"
threshold = {THRESHOLD}
window = "{WINDOW_S}s"
"""
SELDOM, OFTEN = "[worker]\nflush_interval_s = 60\n", "[worker]\nflush_interval_s = 1\n"


def test_an_alert_is_resolved_after_an_absence_longer_than_the_lateness(installation: Installation) -> None:
    installation.configure(RULES + SELDOM)
    with installation.worker() as worker:
        installation.produce(message(event(number)) for number in range(THRESHOLD + 10))
        installation.wait_for("the alert", lambda: len(_alerts(installation)) == 1)
        worker.kill()
    assert installation.consume("windows") == []
    time.sleep(WINDOW_S + LATENESS_S + 5)  # the time that passes is what is tested
    settings = installation.config.read_text(encoding="utf-8")
    installation.config.write_text(settings.replace(SELDOM, OFTEN), encoding="utf-8")
    with installation.worker():
        installation.wait_for("its end", lambda: len(_alerts(installation)) > 1, seconds=60)
    with installation.worker():
        installation.wait_for_rows(2, "alerts")
    alerts = _alerts(installation)
    assert [alert["state"] for alert in alerts] == ["firing", "resolved"]
    assert len({alert["dedup_key"] for alert in alerts}) == 1
    assert len({alert["id"] for alert in alerts}) == 2


def _alerts(installation: Installation) -> list[dict[str, Any]]:
    """Return the alerts of the topic in the order in which they were sent."""
    records = sorted(installation.consume("alerts"), key=lambda record: (record.timestamp, record.offset))
    return [json.loads(record.value) for record in records]
