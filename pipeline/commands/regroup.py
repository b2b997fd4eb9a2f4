"""``aftershock regroup``: what other rules of grouping would make of the issues that are stored."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import click
import msgspec

from pipeline import history
from pipeline.clickhouse import ClickHouse
from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import on_terminal, one_line_errors, plural, show_table
from pipeline.comparison import Comparison, Difference, Summary
from pipeline.config import Settings
from pipeline.errors import Misconfigured
from pipeline.fingerprint import Grouping, Rules
from pipeline.regroup import regrouped

DIFFERENT = 5
"""The exit code of ``--exit-code`` when issues would not stay what they are."""
TIMEOUT_S = 600
MOST_SHOWN = 50
UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@click.command()
@click.option("--since", default="7d", show_default=True, metavar="7d|24h|8w|DATE|all", help="From when on.")
@click.option("--version", metavar="NAME", help="The version of the algorithm for every project.")
@click.option("--project", default="", metavar="NAME", help="This project alone.  [default: all]")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(("table", "json")),
    help="How the answer is written.  [default: table on a terminal, json in a pipe]",
)
@click.option("--exit-code", is_flag=True, help=f"Exit with {DIFFERENT} when anything would change.")
@with_settings
def command(
    settings: Settings, *, since: str, version: str | None, project: str, fmt: str | None, exit_code: bool
) -> None:
    """Show which issues would merge, split or move under the rules of the settings, before anything changes.

    Replays the stored events through the grouping of --config (or of --version) and compares. Nothing is changed.
    Weeks are replayed whole: from the Monday before --since on.

    In a pipe it writes one JSON object a line: first every difference (kind is merge, split or move) with its parts,
    counts, titles and ids of events, then a summary (kind is summary).

    \b
    Examples:
      aftershock regroup --config stricter.toml
      aftershock regroup --since all --version v1
      aftershock regroup --since 4w --project shop --format json | jq 'select(.kind == "merge")'
    """
    one_line_errors()
    clickhouse = ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S)
    grouping = Grouping(rules_of(settings, version))
    weeks = history.weeks(clickhouse, moment(since, datetime.now(UTC)), project)
    comparison = Comparison()
    replay(clickhouse, grouping, weeks, project, comparison)
    summary, differences = comparison.result()
    write(summary, differences, fmt or ("table" if on_terminal() else "json"))
    if exit_code and summary.changes:
        click.get_current_context().exit(DIFFERENT)


def rules_of(settings: Settings, version: str | None) -> Rules:
    """Return the rules of the settings, with another version of the algorithm where one is named.

    Raises:
        Misconfigured: there is no such version.
    """
    if version is None:
        return settings.grouping
    return settings.grouping.at_version(version)


def moment(text: str, now: datetime) -> datetime | None:
    """Return the time that ``7d``, ``24h``, ``8w`` or a date means; ``None`` for ``all``.

    Raises:
        Misconfigured: it is none of these.
    """
    if text == "all":
        return None
    if text[:-1].isdecimal() and text[-1] in UNITS and len(text) <= 6:
        return now - timedelta(**{UNITS[text[-1]]: int(text[:-1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured("--since: write 24h, 7d, 8w, a date such as 2026-02-28, or all") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def replay(
    clickhouse: ClickHouse, grouping: Grouping, weeks: Sequence[history.Week], project: str, comparison: Comparison
) -> None:
    """Take every stored event of some weeks through grouping; the progress is shown to people."""
    length = sum(week.rows for week in weeks)
    if on_terminal(sys.stderr):
        with click.progressbar(length=length, label=f"replaying {length} events", file=sys.stderr) as bar:
            _replay(clickhouse, grouping, weeks, project, comparison, bar.update)
    else:
        _replay(clickhouse, grouping, weeks, project, comparison, lambda _events: None)


def _replay(
    clickhouse: ClickHouse,
    grouping: Grouping,
    weeks: Iterable[history.Week],
    project: str,
    comparison: Comparison,
    told: Callable[[int], None],
) -> None:
    for week in weeks:
        for events in history.read_week(clickhouse, week.monday, project):
            for stored in events:
                found = regrouped(grouping, stored)
                if found is None:
                    comparison.unreadable()
                else:
                    comparison.add(found[0])
            told(len(events))


def write(summary: Summary, differences: Sequence[Difference], fmt: str) -> None:
    """Write what was found, for people or for programs."""
    if fmt == "json":
        output = click.get_binary_stream("stdout")
        for one in differences:
            output.write(msgspec.json.encode(one) + b"\n")
        output.write(msgspec.json.encode({"kind": "summary", **msgspec.to_builtins(summary)}) + b"\n")
        output.flush()
        return
    if differences:
        columns = ("", "project", "issue", "events", "title", "example")
        numeric = (False, False, False, True, False, False)
        show_table(columns, [row for one in differences[:MOST_SHOWN] for row in rows_of(one)], numeric)
    if len(differences) > MOST_SHOWN:
        click.echo(f"only the first {MOST_SHOWN} of {len(differences)}: --format json has all of them", err=True)
    click.echo(in_words(summary))


def rows_of(difference: Difference) -> list[list[str]]:
    """Return the lines of a table about a difference: the issue, and below it what it consists of or becomes."""
    into = {"merge": "from", "split": "into", "move": "to"}[difference.kind]
    head = [difference.kind, difference.project, difference.fingerprint, f"{difference.count:g}", difference.title, ""]
    return [
        head,
        *([f"  {into}", "", one.fingerprint, f"{one.count:g}", one.title, one.examples[0]] for one in difference.parts),
    ]


def in_words(summary: Summary) -> str:
    """Return the figures as two or three sentences."""
    said = (
        f"{plural(summary.rows, 'event')} replayed. Of {plural(summary.issues_before, 'issue')} {summary.unchanged} "
        f"stay as they are and {summary.moves} get another fingerprint; {plural(summary.merges, 'merge')}, "
        f"{plural(summary.splits, 'split')}; {summary.issues_after} afterwards."
    )
    if summary.relabelled:
        said += (
            f" {plural(summary.relabelled, 'event')} would get another title, culprit or component in the same issue."
        )
    if summary.unreadable:
        said += f" {plural(summary.unreadable, 'event')} cannot be read, and would stay."
    return said
