"""What the demo shows: a few questions, the SQL that answers each, and the answers as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.alert import Alert

LONGEST_CELL = 64
"""Longer texts are cut, so that the numbers beside them stay visible."""


class Question(Struct, frozen=True):
    """A question and the statement that answers it."""

    title: str
    sql: str


QUESTIONS = (
    Question(
        "Issues by volume",
        "SELECT events, users_affected AS users, title, first_release, environments FROM open_issues LIMIT 10",
    ),
    Question(
        "Trend: errors a second, the last minute with errors",
        "SELECT project, sparkbar(60)(toUnixTimestamp(timestamp), sample_weight) AS trend, "
        "sum(sample_weight) AS errors FROM errors "
        "WHERE timestamp > (SELECT max(timestamp) FROM errors) - INTERVAL 60 SECOND GROUP BY project ORDER BY project",
    ),
    Question(
        "Slowest transactions",
        "SELECT transaction, transactions, p50_ms, p95_ms, p99_ms, failure_rate FROM slowest_transactions LIMIT 8",
    ),
    Question(
        "What was scrubbed before anything was stored",
        "SELECT exception_values[-1] AS stored_as, scrubbed FROM errors WHERE exception_values[-1] LIKE '%[email]%' "
        "OR exception_values[-1] LIKE '%[creditcard]%' OR exception_values[-1] LIKE '%[phone]%' "
        "ORDER BY timestamp DESC LIMIT 1 BY fingerprint LIMIT 3",
    ),
)


def show(console: Console, rows_of: Callable[[str], list[dict[str, Any]]]) -> None:
    """Ask every question and print its answer below the statement, ready to be tried again."""
    for question in QUESTIONS:
        console.print()
        console.print(Text(question.title, style="bold"))
        console.print(Text(f'aftershock query "{question.sql}"', style="dim"))
        console.print(table(rows_of(question.sql)))


def table(rows: list[dict[str, Any]]) -> Table:
    """Return rows as a table: numbers to the right, lists and maps as text."""
    made = Table(box=None, pad_edge=False)
    for name, value in (rows[0] if rows else {"": ""}).items():
        made.add_column(name, justify="right" if isinstance(value, (int, float)) else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(_cropped(_text(value))) for value in row.values()))
    return made


def alerts_table(alerts: Iterable[Alert]) -> Table:
    """Return alerts as a table, oldest first."""
    made = Table(box=None, pad_edge=False)
    for name in ("time", "state", "severity", "rule", "where", "value", "title"):
        made.add_column(name, justify="right" if name == "value" else "left", no_wrap=True)
    for alert in sorted(alerts, key=lambda alert: alert.created_at):
        where = f"{alert.project}/{alert.environment}"
        cells = (f"{alert.created_at:%H:%M:%S}", alert.state, alert.severity, alert.rule, where, f"{alert.value:g}")
        made.add_row(*(Text(cell) for cell in (*cells, _cropped(alert.title or "(all that match)"))))
    return made


def _cropped(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {count}" for key, count in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return str(value)
