"""Whether everything that was sent is stored once, and every aggregate says the same as the rows."""

from __future__ import annotations

import http.client
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SENT_TABLE = "soak_sent"
SHOWN_IDS = 5
ANSWER_S = 1800.0
"""How long ClickHouse may take for one question about the events of many hours."""

# Beyond this many bytes a GROUP BY goes on on disk: there are as many groups as events.
_SETTINGS = "SETTINGS max_bytes_before_external_group_by = 1000000000"
_STORED_ID = "toFixedString(unhex(replaceAll(event_id, '-', '')), 16)"
_IDS = f"""
    SELECT id, sum(was_sent) AS sent, sum(was_stored) AS stored
    FROM (
        SELECT id, 1 AS was_sent, 0 AS was_stored FROM {SENT_TABLE}
        UNION ALL
        SELECT {_STORED_ID}, 0, 1 FROM errors
    )
    GROUP BY id
"""

_BY_TIME = "project, environment, {time}, fingerprint, release, level"
_AGGREGATES = {
    "errors_per_minute": ("toStartOfMinute(timestamp) AS minute", _BY_TIME.format(time="minute")),
    "errors_per_hour": ("toStartOfHour(timestamp) AS hour", _BY_TIME.format(time="hour")),
    "issues": ("toMonday(timestamp) AS week", "project, fingerprint, week"),
}
"""Each aggregate of errors: its time as an expression over a row of ``errors``, and its key."""


@dataclass(frozen=True)
class Check:
    """One thing that has to be: what was wanted, what was found, and which events are concerned."""

    name: str
    wanted: float
    found: float
    which: str = ""

    @property
    def met(self) -> bool:
        """Whether what was found is what was wanted."""
        return self.found == self.wanted

    def line(self) -> str:
        """Return it for people."""
        verdict = "same" if self.met else "DIFFERENT"
        which = f": {self.which}" if self.which else ""
        return f"{self.name:<34} {self.found:>12,.0f}   wanted {self.wanted:,.0f}   {verdict}{which}"


class Comparison:
    """Compares a database with the ids of what was sent. It adds a table of them, :data:`SENT_TABLE`.

    Args:
        address: of ClickHouse, ``http://host:port``.
        database: where the tables are.
    """

    def __init__(self, address: str, database: str) -> None:
        self._host = urllib.parse.urlsplit(address).netloc
        self._database = database

    def compare(self, ids: Path) -> list[Check]:
        """Return every check.

        Args:
            ids: the file with the id of each event that was sent, 16 bytes each, one after the other.

        Raises:
            RuntimeError: ClickHouse refused a statement.
        """
        sent = ids.stat().st_size // 16
        self._ask(f"CREATE OR REPLACE TABLE {SENT_TABLE} (id FixedString(16)) ENGINE = MergeTree ORDER BY ()")
        with ids.open("rb") as body:
            self._ask(f"INSERT INTO {SENT_TABLE} FORMAT RowBinary", body)
        return [
            *self._rows(sent),
            *self._ids(),
            *(check for name in _AGGREGATES for check in self._aggregate(name, sent)),
        ]

    def _rows(self, sent: int) -> list[Check]:
        rows, weights = self._ask("SELECT count(), sum(sample_weight) FROM errors").split("\t")
        return [Check("rows", sent, float(rows)), Check("sum of weights", sent, float(weights))]

    def _ids(self) -> list[Check]:
        kinds = {
            "ids sent, not stored": "sent > 0 AND stored = 0",
            "ids stored more than once": "stored > 1",
            "ids stored, not sent": "sent = 0",
            "ids sent more than once": "sent > 1",
        }
        counts = ", ".join(f"countIf({condition})" for condition in kinds.values())
        unique, *found = self._ask(f"SELECT countIf(stored > 0), {counts} FROM ({_IDS}) {_SETTINGS}").split("\t")
        sent = float(self._ask(f"SELECT count() FROM {SENT_TABLE}"))
        checks = [Check("unique ids", sent, float(unique))]
        for (name, condition), count in zip(kinds.items(), found, strict=True):
            which = ""
            if count != "0":
                some = f"SELECT lower(hex(id)) FROM ({_IDS}) WHERE {condition} LIMIT {SHOWN_IDS} {_SETTINGS}"
                which = " ".join(self._ask(some).split())
            checks.append(Check(name, 0, float(count), which))
        return checks

    def _aggregate(self, name: str, sent: int) -> list[Check]:
        """Compare an aggregate's sum with what was sent, and each of its groups with the rows: events and users."""
        time, key = _AGGREGATES[name]
        of_rows = ", ".join(time if time.endswith(f" AS {column}") else column for column in key.split(", "))
        total = self._ask(f"SELECT sum(count) FROM {name}")
        different = self._ask(f"""
            SELECT count() FROM (
                SELECT {key}
                FROM (
                    SELECT {of_rows}, sum(sample_weight) AS events, 0 AS counted, uniqArray(users) AS people, 0 AS known
                    FROM errors GROUP BY {key}
                    UNION ALL
                    SELECT {key}, 0, sum(count), 0, uniqMerge(users) FROM {name} GROUP BY {key}
                )
                GROUP BY {key}
                HAVING sum(events) != sum(counted) OR sum(people) != sum(known)
            ) {_SETTINGS}
        """)
        return [Check(f"{name}: events", sent, float(total)), Check(f"{name}: groups that differ", 0, float(different))]

    def _ask(self, sql: str, body: IO[bytes] | None = None) -> str:
        connection = http.client.HTTPConnection(self._host, timeout=ANSWER_S)
        try:
            query = urllib.parse.urlencode({"database": self._database, "query": sql})
            connection.request("POST", f"/?{query}", body=body or b"")
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise RuntimeError(f"ClickHouse refused a statement of the comparison: {text[:300]}")
        return text.strip()
