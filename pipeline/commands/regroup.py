"""``aftershock regroup``: what other rules would make of the issues that are stored, and making it so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
import msgspec
from msgspec import Struct

from pipeline.commands import regroup_states
from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import on_terminal, one_line_errors, plural, show_table
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Misconfigured
from pipeline.fingerprint import Grouping, Rules
from pipeline.regrouping import history
from pipeline.regrouping.carry import Plan
from pipeline.regrouping.comparison import Comparison, Difference, Summary
from pipeline.regrouping.replay import regrouped
from pipeline.regrouping.rewrite import Rewriter
from pipeline.regrouping.tables import Tables

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
@click.option("--apply", "applies", is_flag=True, help="Rewrite history, once it was shown what changes.")
@click.option("--yes", is_flag=True, help="Do not ask before.")
@click.option("--take-over", is_flag=True, help="Go on although a process on another machine has not finished.")
@with_settings
def command(settings: Settings, *, since: str, version: str | None, project: str, **options: Any) -> None:
    """Show which issues would merge, split or move under the rules of the settings, before anything changes.

    Replays the stored events through the grouping of --config (or of --version) and compares. Weeks are replayed
    whole: from the Monday before --since on. Nothing is changed without --apply.

    With --apply the events, and the counts by minute, hour and issue, become what they would be if they had arrived
    under these rules. Queries and workers go on meanwhile; a run that was interrupted is finished or cleared away by
    the next one. Run it, restart the workers with the new settings, and run it again for what they had stored until
    then: see docs/grouping.md.

    States of issues (resolved, ignored, assigned, merged) go to what becomes of the issues; the answer says which, and
    which cannot.

    In a pipe it writes one JSON object a line: first every difference (kind is merge, split or move) with its parts,
    counts, titles and ids of events, then what becomes of states (kind is state), then a summary (kind is summary);
    with --apply, a line for each week that was rewritten (kind is week).

    \b
    Examples:
      aftershock regroup --config stricter.toml
      aftershock regroup --since all --version v1
      aftershock regroup --since 4w --project shop --format json | jq 'select(.kind == "merge")'
      aftershock regroup --config stricter.toml --since all --apply
    """
    one_line_errors()
    asked = Asked(since=moment(since, datetime.now(UTC)), project=project, **options)
    clickhouse = ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S)
    grouping = Grouping(rules_of(settings, version))
    if not asked.applies:
        if show(settings, clickhouse, grouping, asked)[0] and asked.exit_code:
            click.get_current_context().exit(DIFFERENT)
        return
    tables = Tables(clickhouse)
    tables.lock(take_over=asked.take_over)
    try:
        rewriter = Rewriter(clickhouse, grouping, project)
        if rewriter.recover():
            click.echo("an earlier run had not finished: what it left is finished or cleared away", err=True)
        weeks, plan = show(settings, clickhouse, grouping, asked)
        if weeks and not asked.yes:
            click.confirm(f"Rewrite {plural(len(weeks), 'week')} of history?", abort=True, err=True)
        # Before the events, so that a run that is interrupted leaves nothing that cannot be told any more.
        regroup_states.carry(settings, clickhouse, plan)
        for monday in weeks:
            tell(monday, rewriter.rewrite(monday), asked.output)
    finally:
        tables.unlock()


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line says: a time (``None`` for all), a project (empty for all), and the options."""

    since: datetime | None
    project: str
    fmt: str | None
    exit_code: bool
    applies: bool
    yes: bool
    take_over: bool

    @property
    def output(self) -> str:
        """How the answer is written: ``table`` or ``json``."""
        return self.fmt or ("table" if on_terminal() else "json")


def show(settings: Settings, clickhouse: ClickHouse, grouping: Grouping, asked: Asked) -> tuple[list[date], Plan]:
    """Show what would change; return the Mondays of the weeks in which something would, and what becomes of states."""
    weeks = history.weeks(clickhouse, asked.since, asked.project)
    comparison = Comparison()
    changing = replay(clickhouse, grouping, weeks, asked.project, comparison)
    summary, differences = comparison.result()
    plan = regroup_states.planned(settings, clickhouse, comparison.shares(), required=asked.applies)
    write(summary, differences, plan, asked.output)
    return changing, plan


def tell(monday: date, changed: int, fmt: str) -> None:
    """Say that a week was rewritten."""
    if fmt == "json":
        click.echo(msgspec.json.encode({"kind": "week", "week": monday, "rows": changed}).decode())
    else:
        click.echo(f"week of {monday}: {plural(changed, 'event')} rewritten")


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
) -> list[date]:
    """Take every stored event of some weeks through grouping; return the Mondays of those in which something changes.

    The progress is shown to people.
    """
    length = sum(week.rows for week in weeks)
    hidden = not on_terminal(sys.stderr)
    changing = []
    with click.progressbar(length=length, label=f"replaying {length} events", file=sys.stderr, hidden=hidden) as bar:
        for week in weeks:
            before = comparison.changed_rows
            for events in history.read_week(clickhouse, week.monday, project):
                for stored in events:
                    found = regrouped(grouping, stored)
                    if found is None:
                        comparison.unreadable()
                    else:
                        comparison.add(found[0])
                bar.update(len(events))
            if comparison.changed_rows > before:
                changing.append(week.monday)
    return changing


def write(summary: Summary, differences: Sequence[Difference], plan: Plan, fmt: str) -> None:
    """Write what was found, for people or for programs."""
    if fmt == "json":
        output = click.get_binary_stream("stdout")
        for one in differences:
            output.write(msgspec.json.encode(one) + b"\n")
        for state in regroup_states.lines(plan):
            output.write(msgspec.json.encode(state) + b"\n")
        output.write(msgspec.json.encode({"kind": "summary", **msgspec.to_builtins(summary)}) + b"\n")
        output.flush()
        return
    if differences:
        columns = ("", "project", "issue", "events", "title", "example")
        numeric = (False, False, False, True, False, False)
        show_table(columns, [row for one in differences[:MOST_SHOWN] for row in rows_of(one)], numeric)
    if len(differences) > MOST_SHOWN:
        click.echo(f"only the first {MOST_SHOWN} of {len(differences)}: --format json has all of them", err=True)
    regroup_states.show(plan)
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
