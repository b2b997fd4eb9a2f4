"""Sabotage: something is made wrong on purpose after a round, to prove that the comparison sees it.

``skip`` and ``twice`` are done while events are sent (see :mod:`tests.chaos.sender`); the others here, to what is
stored or was answered.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from tests.chaos.alerts import AlertTopic
from tests.chaos.load import Event
from tests.chaos.options import Sabotage
from tests.chaos.servers import ClickHouse

AGGREGATES = {
    "errors_per_minute": "(environment, minute, fingerprint, release, level)",
    "errors_per_hour": "(environment, hour, fingerprint, release, level)",
    "issues": "(fingerprint, week)",
    "releases": "(environment, release)",
}
"""The sums of errors, and what names a row of each within a project."""
OTHER_AGGREGATES = {
    "transactions_per_minute": "(environment, minute, transaction, op, release)",
    "sessions_per_hour": "(environment, release, hour)",
}


class Sabotaged:
    """What can be made wrong of a round that is over.

    Args:
        clickhouse: where everything is stored.
        alerts: the alert topic as the comparison reads it.
        project: the project of the round's errors; ``other_project`` of its spans and sessions.
        events: what was sent straight into Kafka; ``envelopes`` what was sent through the gateway.
        rng: decides which row it is.
    """

    def __init__(
        self,
        clickhouse: ClickHouse,
        alerts: AlertTopic,
        *,
        project: str,
        other_project: str,
        events: list[Event],
        envelopes: list[Event],
        rng: random.Random,
    ) -> None:
        self._clickhouse = clickhouse
        self._alerts = alerts
        self._project = project
        self._other_project = other_project
        self._events = events
        self._envelopes = envelopes
        self._rng = rng

    def sabotage(self, how: Sabotage) -> str:
        """Make something wrong; return what."""
        ways: dict[str, Callable[[], str]] = {
            "row": lambda: self._remove("errors", "event_id", self._project),
            "aggregate": self._aggregate,
            "alert": self._alert,
            "letter": self._letter,
            "ledger": self._ledger,
            "span": lambda: self._remove("spans", "span_id", self._other_project),
            "session": lambda: self._remove("session_aggregates", "kafka_offset", self._other_project),
            "envelope": self._envelope,
        }
        return ways[how]() if how in ways else f"{how}, while events were sent"

    def every(self) -> dict[str, Callable[[], str]]:
        """Return everything that can be made wrong after a round, by name; aggregates are so for each table."""
        sums = {**dict.fromkeys(AGGREGATES, self._project), **dict.fromkeys(OTHER_AGGREGATES, self._other_project)}
        keys = {**AGGREGATES, **OTHER_AGGREGATES}
        ways: tuple[Sabotage, ...] = ("row", "alert", "letter", "ledger", "span", "session", "envelope")
        removed = {
            f"aggregate of {table}": partial(self._remove, table, keys[table], project)
            for table, project in sums.items()
        }
        return {
            **removed,
            **{way: partial(self.sabotage, way) for way in ways},
            "skip": self._skip,
            "twice": self._twice,
        }

    def _remove(self, table: str, key: str, project: str) -> str:
        """Remove one row of a table, or all parts of it that are not merged yet."""
        (row,) = self._clickhouse.rows(
            f"SELECT toString({key}) AS found FROM {table} WHERE project = '{project}'"
            f" ORDER BY cityHash64({self._rng.randrange(1 << 30)}, found) LIMIT 1"
        )
        found = row["found"].replace("\\", "\\\\").replace("'", "\\'")
        self._clickhouse.run(f"ALTER TABLE {table} DELETE WHERE project = '{project}' AND toString({key}) = '{found}'")
        return f"removed {row['found']} from {table}"

    def _aggregate(self) -> str:
        table = self._rng.choice(sorted(AGGREGATES))
        return self._remove(table, AGGREGATES[table], self._project)

    def _alert(self) -> str:
        alert = self._rng.choice(self._alerts.of_project(self._project))
        self._alerts.ignored.add(alert["id"])
        return f"ignored an alert of {alert['rule']}"

    def _letter(self) -> str:
        self._clickhouse.run(
            "INSERT INTO dead_letters (kafka_topic, kafka_partition, kafka_offset, received, stage, reason)"
            " VALUES ('errors', 0, 0, now64(3), 'store', 'sabotage')"
        )
        return "added a dead letter"

    def _ledger(self) -> str:
        # Of two batches with the same offsets in two generations both must go.
        (row,) = self._clickhouse.rows(
            "SELECT partition, min(first_offset) AS first FROM batches WHERE topic = 'errors'"
            " GROUP BY partition LIMIT 1"
        )
        where = f"topic = 'errors' AND partition = {row['partition']} AND first_offset = {row['first']}"
        self._clickhouse.run(f"ALTER TABLE batches DELETE WHERE {where}")
        return f"removed the first batch of errors-{row['partition']} from the ledger"

    def _twice(self) -> str:
        event = self._rng.choice(self._events)
        self._clickhouse.run(f"INSERT INTO errors SELECT * FROM errors WHERE event_id = '{event.id}'")
        return f"inserted {event.id} once more"

    def _skip(self) -> str:
        self._events.append(Event(self._rng, "Failure0Error", "production", 0))
        return "expected an event that was not sent"

    def _envelope(self) -> str:
        event = Event(self._rng, "Envelope0Error", "production", 0, burst=True)
        self._envelopes.append(event)
        return "expected an envelope that was not sent"
