"""Workers that come and go under load: partitions move in the middle of batches, and everything is there once."""

from __future__ import annotations

import json
from collections import Counter

from installation import Installation, event, message

EVENTS = 6_000
GROUPS = 20

RULES = f"""
[worker]
batch_events = 100
batches_in_flight = 2
linger_ms = 100

[[rule]]
name = "new issue"
kind = "new_issue"

[[rule]]
name = "all of an issue"
kind = "count"
threshold = {EVENTS // GROUPS}
window = "1h"
by = "issue"

[[rule]]
name = "one more than there are"
kind = "count"
threshold = {EVENTS // GROUPS + 1}
window = "1h"
by = "issue"
"""


def test_partitions_that_move_under_load_lose_and_double_nothing(installation: Installation) -> None:
    installation.configure(RULES)
    sent = [event(number, group=number % GROUPS, environment="production") for number in range(EVENTS)]
    installation.produce(message(one) for one in sent[: EVENTS // 2])
    with installation.worker():
        installation.wait_for_rows(100)
        with installation.worker():
            installation.produce(message(one) for one in sent[EVENTS // 2 :])
            installation.wait_for_rows(EVENTS // 2)
        installation.wait_for_rows(EVENTS)
        installation.wait_for("all alerts", lambda: len(installation.consume("alerts")) >= 2 * GROUPS)
        installation.wait_for_rows(2 * GROUPS, "alerts")

    assert installation.value("SELECT count() FROM errors") == EVENTS
    assert installation.value("SELECT uniqExact(event_id) FROM errors") == EVENTS
    assert {
        row["events"] for row in installation.rows("SELECT sum(count) AS events FROM issues GROUP BY fingerprint")
    } == {EVENTS / GROUPS}
    alerts = {(found["rule"], found["fingerprint"]) for found in map(json.loads, _values(installation))}
    assert Counter(rule for rule, _ in alerts) == {"new issue": GROUPS, "all of an issue": GROUPS}


def _values(installation: Installation) -> list[bytes]:
    return [record.value for record in installation.consume("alerts")]
