"""``aftershock rebuild``: an aggregate made anew from its rows, for a span of time."""

from __future__ import annotations

from datetime import datetime

import click

from pipeline.auditing.aggregates import erased_on
from pipeline.auditing.rebuild import Rebuilder, Week
from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors, plural, step
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Misconfigured
from pipeline.regrouping.tables import Tables

TIMEOUT_S = 3600
DAY = click.DateTime(("%Y-%m-%d",))


@click.command()
@click.argument("table")
@click.option("--from", "first", type=DAY, required=True, metavar="DAY", help="The first day, as 2026-02-28.")
@click.option("--to", "last", type=DAY, required=True, metavar="DAY", help="The last day.")
@click.option("--dry-run", is_flag=True, help="Say what would be made anew, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before.")
@click.option("--take-over", is_flag=True, help="Go on although a process on another machine has not finished.")
@with_settings
def command(
    settings: Settings, *, table: str, first: datetime, last: datetime, dry_run: bool, yes: bool, take_over: bool
) -> None:
    """Make an aggregate anew from the rows that it counts, while workers and queries go on.

    TABLE is errors_per_minute, errors_per_hour, issues, transactions_per_minute, sessions_per_hour, or releases. Weeks
    are made anew whole, from the Monday before --from to the Sunday after --to, in UTC. Each takes the place of the old
    one in one moment; until the batches that were under way are added, the newest minutes may be short. When the
    command is killed, run the same again.

    What the rows do not say any more goes with the old week: counts of events that were erased, and of updates of
    sessions that later ones have replaced. A week of which rows have expired is refused.

    releases has no weeks: of it those batches are added that it lacks and that the ledger still knows (a week). What it
    has too much stays.

    `aftershock audit` says which tables and days need it.

    \b
    Examples:
      aftershock rebuild errors_per_hour --from 2026-02-23 --to 2026-02-28 --dry-run
      aftershock rebuild errors_per_hour --from 2026-02-23 --to 2026-02-28 --yes
      aftershock rebuild releases --from 2026-02-23 --to 2026-02-28
    """
    one_line_errors()
    if last < first:
        raise Misconfigured("--to: it is before --from: write the later day there")
    clickhouse = ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S)
    rebuilder = Rebuilder(settings.kafka, clickhouse, table, step)
    weeks = rebuilder.weeks(first.date(), last.date()) if rebuilder.has_weeks else []
    show(rebuilder, clickhouse, weeks)
    if dry_run:
        return
    if weeks and not yes:
        click.confirm(f"Make {plural(len(weeks), 'week')} of {table} anew?", abort=True, err=True)
    tables = Tables(clickhouse, f"{table} is being made anew")
    tables.lock(take_over=take_over)
    try:
        for week in weeks:
            added = rebuilder.rebuild(week.monday)
            if added is None:
                click.echo(f"week of {week.monday}: left as it is, there are no rows to make it from")
                continue
            behind = f", {added} of the batches that were under way added" if added else ""
            click.echo(f"week of {week.monday}: made anew{behind}")
        if not rebuilder.has_weeks:
            click.echo(
                f"{table}: {rebuilder.add_missing(first.date(), last.date())} batches were missing, and are added"
            )
    finally:
        tables.unlock()


def show(rebuilder: Rebuilder, clickhouse: ClickHouse, weeks: list[Week]) -> None:
    """Say what would be made anew, of what, and what would go with it."""
    for week in weeks:
        click.echo(f"week of {week.monday}: of {plural(week.rows, 'row')} of {' and '.join(rebuilder.sources)}")
    erased = [day for source in rebuilder.sources for day in erased_on(clickhouse, source)]
    if weeks and erased and max(erased) >= weeks[0].monday:
        click.echo("rows were erased since then: their counts go with the old weeks", err=True)
