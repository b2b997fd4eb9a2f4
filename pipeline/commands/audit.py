"""``aftershock audit``: proof that everything was stored once, and repair of what was not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
import msgspec

from pipeline.auditing.aggregates import Comparison
from pipeline.auditing.findings import (
    Difference,
    Doubled,
    Finding,
    HoleFound,
    NotStored,
    OverlapFound,
    Repaired,
    Summary,
    Unfinished,
)
from pipeline.auditing.ledger import LedgerAudit, Partition
from pipeline.auditing.repair import Repairer, repairable
from pipeline.auditing.rows import STORES, Rows
from pipeline.commands.regroup import moment
from pipeline.commands.settings import with_settings
from pipeline.commands.terminal import one_line_errors, plural, printable, step
from pipeline.config.settings import Settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import Misconfigured
from pipeline.intake.ledger import KEPT_DAYS
from pipeline.regrouping.tables import Tables
from schemas.topics import STORED

TIMEOUT_S = 600
BAD = 1
"""The exit code when something is lost or counted twice."""
NAMES = tuple(topic.name for topic in STORED)
COLOURS = {True: "red", False: "yellow"}


@click.command()
@click.option("--since", default="7d", show_default=True, metavar="7d|24h|DATE", help="From when on; a week at most.")
@click.option("--topic", type=click.Choice(NAMES), help="This topic alone, and no aggregates.  [default: all]")
@click.option("--repair", "repairs", is_flag=True, help="Read what is lost from Kafka again, and store it.")
@click.option("--take-over", is_flag=True, help="Repair although a process on another machine has not finished.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
@with_settings
def command(
    settings: Settings, *, since: str, topic: str | None, repairs: bool, take_over: bool, as_json: bool
) -> None:
    """Prove from the ledger that every record was stored once, and that the aggregates add up.

    Compares the batches of each partition with what is committed and with what Kafka has, and names every range that is
    lost, every offset whose rows are there twice, and every day on which an aggregate is not the sum of its source.
    Workers may go on meanwhile. Only what is committed is looked at, as far back as the ledger goes: a week.

    With --repair every range that is lost, and that Kafka still has, is taken through the stages into the tables, once,
    also when the command is killed and run again, and while workers go on. Alerts are not raised about the past. Run it
    with the settings of the workers. Aggregates are mended by `aftershock rebuild`. See docs/audit.md.

    With --json it writes one object a line; kind is hole, not stored, unfinished repair, overlap, doubled, difference,
    repaired, and summary, which comes last.

    \b
    Exit codes:
      0  everything was stored once (holes in which Kafka has no record are none)
      1  something is lost or counted twice; with --repair: is so still
      2  wrong usage or settings
      4  a server is not available

    \b
    Examples:
      aftershock audit
      aftershock audit --since 24h --topic errors
      aftershock audit --json | jq -r 'select(.kind == "hole" and .verdict == "lost")'
      aftershock audit --repair
    """
    one_line_errors()
    start = beginning(since, datetime.now(UTC))
    topics = [topic] if topic else list(NAMES)
    clickhouse = ClickHouse(settings.clickhouse, timeout_s=TIMEOUT_S)
    tables = Tables(clickhouse, "lost ranges are being repaired")
    if repairs:
        tables.lock(take_over=take_over)
    try:
        audit = LedgerAudit(settings.kafka, clickhouse, step)
        partitions = audit.partitions(topics, start)
        found = audit.findings(partitions)
        if repairs and (wanted := repairable(found)):
            with step(f"repairing {plural(len(wanted), 'range')}"):
                repairer = Repairer(settings, clickhouse, partitions, lambda one: write([one], as_json=as_json))
                asyncio.run(repairer.repair(wanted))
            partitions = audit.partitions(topics, start)
            found = audit.findings(partitions)
    finally:
        if repairs:
            tables.unlock()
    found += doubled(clickhouse, partitions, start)
    if topic is None:
        found += Comparison(clickhouse, step).differences(start)
    clean = not any(one.bad for one in found)
    batches = sum(partition.chain.batches for partition in partitions)
    offsets = sum(max((one.offsets.committed or 0) - one.chain.start, 0) for one in partitions)
    write([*found, Summary(len(partitions), batches, offsets, clean)], as_json=as_json)
    click.get_current_context().exit(0 if clean else BAD)


def beginning(since: str, now: datetime) -> datetime:
    """Return the time that ``--since`` means.

    Raises:
        Misconfigured: it is none, or the ledger does not go as far back.
    """
    start = moment(since, now)
    if start is None or start < now - timedelta(days=KEPT_DAYS, minutes=1):
        raise Misconfigured(f"--since: the ledger is kept for {KEPT_DAYS} days: write {KEPT_DAYS}d or less")
    return start


def doubled(clickhouse: ClickHouse, partitions: Sequence[Partition], since: datetime) -> list[Finding]:
    """Return what the tables hold more than once of the topics' present lives."""
    rows = Rows(clickhouse)
    lives = {partition.source.topic: partition.life for partition in partitions}
    found: list[Finding] = []
    for store in STORES:
        with step(f"looking for rows that are twice in {store.table}"):
            for topic in store.topics:
                if topic in lives:
                    found += rows.doubled(store, topic, max(since, lives[topic].since), datetime.now(UTC))
    return found


def write(found: Sequence[Finding], *, as_json: bool) -> None:
    """Write findings, for programs or for people."""
    for one in found:
        if as_json:
            click.echo(msgspec.json.encode(one))
        else:
            word, text = in_words(one)
            colour = "green" if isinstance(one, Repaired) or word == "ok" else COLOURS[one.bad]
            click.echo(f"{click.style(f'{word:<12}', fg=colour)}  {printable(text)}")
    if not as_json:
        for line in remedies(found):
            click.echo(f"{'':<14}{line}")


def in_words(found: Finding) -> tuple[str, str]:
    """Return a finding as a word and what is said of it."""
    match found:
        case HoleFound():
            return found.verdict, f"{_range(found)}: {_of_hole(found)}"
        case NotStored():
            text = (
                f"{plural(found.records, 'record')}, in a batch that was begun at {_at(found.begun_at)} and not stored"
            )
            return "lost", f"{_range(found)}: {text}"
        case Unfinished():
            return "unfinished", f"{_range(found)}: its repair was begun at {_at(found.begun_at)} and not ended"
        case OverlapFound():
            both = " and ".join(f"{first}-{last}" for first, last in found.batches)
            return "overlap", f"{_range(found)}: in the batches {both} of one generation"
        case Doubled():
            return "doubled", (
                f"{_range(found)}: {plural(found.offsets, 'offset')} twice in {found.table}, "
                f"{plural(found.rows, 'row')} too many"
            )
        case Difference():
            return ("short" if found.found < found.expected else "over"), _of_difference(found)
        case Repaired():
            return "repaired", f"{_range(found)}: {plural(found.records, 'record')} stored"
        case Summary():
            looked = f"{plural(found.batches, 'batch')} of {plural(found.partitions, 'partition')}, "
            looked = looked.replace("batchs", "batches") + plural(found.offsets, "offset")
            return ("ok", f"{looked}: everything was stored once") if found.clean else ("problem", looked)
        case _:
            raise AssertionError(found)


def _of_hole(hole: HoleFound) -> str:
    records = plural(hole.records, "record")
    between = f"between the batches of {_at(hole.before)} and {_at(hole.after)}"
    if hole.verdict == "nothing there":
        return "Kafka has no record there (compaction or transaction markers)"
    if hole.verdict == "expired":
        stored = f", {plural(hole.stored, 'offset')} of it stored" if hole.stored else ""
        return f"in no batch{stored}, and Kafka has deleted it (cannot be read again), {between}"
    if hole.verdict == "lost":
        return f"{records} in Kafka and none stored, {between}"
    if hole.verdict == "stored":
        return f"in no batch, and all of its {records} stored"
    return f"{records} in Kafka, {hole.stored} of them stored, {between}"


def _of_difference(found: Difference) -> str:
    what = f"{found.table}, {found.day or 'all time'}, project {found.project}"
    if found.release:
        what += f", release {found.release}"
    gap = abs(found.expected - found.found)
    said = f"{what}: {found.found:g}, {gap:g} {'less' if found.found < found.expected else 'more'} than {found.source}"
    return f"{said} (rows were erased since: their counts stay)" if not found.bad else said


def remedies(found: Sequence[Finding]) -> list[str]:
    """Return what to do about findings."""
    lines: list[str] = []
    if repairable(found):
        lines.append("run `aftershock audit --repair` while Kafka has it")
    now = datetime.now(UTC)
    days: dict[str, set[str]] = {}
    for one in found:
        if isinstance(one, Difference) and one.bad:
            # What knows no days is looked through as far back as the ledger goes.
            whole = {f"{now - timedelta(days=KEPT_DAYS):%Y-%m-%d}", f"{now:%Y-%m-%d}"}
            days.setdefault(one.table, set()).update({one.day} if one.day else whole)
    for table, of_table in sorted(days.items()):
        lines.append(f"run `aftershock rebuild {table} --from {min(of_table)} --to {max(of_table)}`")
    if any(isinstance(one, Doubled | OverlapFound) or (isinstance(one, HoleFound) and one.bad) for one in found):
        lines.append("see docs/audit.md for what each of these means")
    return lines


def _range(found: HoleFound | NotStored | Unfinished | OverlapFound | Doubled | Repaired) -> str:
    return f"{found.topic}-{found.partition} {found.first}-{found.last}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment is not None else "nothing"
