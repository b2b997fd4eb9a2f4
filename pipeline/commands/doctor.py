"""``aftershock doctor``: check everything, and say what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from pipeline.commands.checks import Finding, examine
from pipeline.commands.settings import named
from pipeline.commands.terminal import one_line_errors, printable

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
@click.option("--config", type=click.Path(path_type=Path), help="The settings file.  [default: aftershock.toml]")
@click.option("--kafka", metavar="HOST:PORT", help="Where Kafka is, instead of what the settings say.")
@click.option("--clickhouse", metavar="URL", help="Where ClickHouse is, instead of what the settings say.")
def command(*, as_json: bool, config: Path | None, kafka: str | None, clickhouse: str | None) -> None:
    """Check everything, and say what to do.

    Looks at versions, settings, Kafka and its topics, how far the workers are behind, ClickHouse, its disk and its
    migrations, whether the last day's batches follow each other and its counts add up (`aftershock audit` in short),
    and the dead letters of the last hour. One line a check: ok, warning or problem, and a remedy where
    there is one. The exit code is 1 when there is a problem.

    \b
    Examples:
      aftershock doctor
      aftershock doctor --json | jq -r 'select(.verdict == "problem") | .remedy'
      aftershock doctor --kafka kafka-1:9092 --clickhouse https://clickhouse-1:8443
    """
    one_line_errors()
    problems = 0
    findings: Iterator[Finding] = examine(config, lambda settings: named(settings, kafka, clickhouse))
    for finding in findings:
        problems += finding.verdict == "problem"
        if as_json:
            click.echo(msgspec.json.encode(finding))
        else:
            show(finding)
    sys.exit(1 if problems else 0)


def show(finding: Finding) -> None:
    """Write a finding on a line, and its remedy on the next."""
    verdict = click.style(f"{finding.verdict:<7}", fg=COLOURS[finding.verdict])
    click.echo(f"{verdict}  {finding.name:<20}  {printable(finding.detail)}")
    if finding.remedy:
        click.echo(f"{'':<31}{finding.remedy}")
