"""What ``aftershock regroup`` says of the states of issues, and how it sends them to what becomes of the issues."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import click

from pipeline.commands.terminal import printable
from pipeline.config.settings import Settings
from pipeline.counts.issue_store import IssueStore
from pipeline.edges.clickhouse import ClickHouse
from pipeline.errors import AftershockError
from pipeline.issues.changes import read_wishes, send_changes
from pipeline.regrouping.carry import Plan, Shares, plan

MOST_SHOWN = 50


def planned(settings: Settings, clickhouse: ClickHouse, shares: Shares, *, required: bool) -> Plan:
    """Return what becomes of the states of issues; nothing is asked where no event gets another fingerprint.

    Args:
        settings: where Kafka is: what is wished of issues is there.
        clickhouse: which of them have come back is here.
        shares: where the events go.
        required: whether it is an error that Kafka cannot be asked; where nothing is to be changed it is said only.

    Raises:
        AftershockError: a server cannot be asked.
    """
    if all(old == new for _project, old, new in shares):
        return Plan()
    try:
        wishes = asyncio.run(read_wishes(settings.kafka))
    except AftershockError as error:
        if required:
            raise
        click.echo(f"what becomes of the states of issues cannot be said: {error}", err=True)
        return Plan()
    return plan(shares, wishes.changes, IssueStore(clickhouse).came_back()) if wishes.changes else Plan()


def carry(settings: Settings, clickhouse: ClickHouse, found: Plan) -> None:
    """Send the states that are to be carried; return when they are there.

    Raises:
        Unavailable: a server does not answer. Running the same again does no harm.
    """
    reactions = [one.state.reaction for one in found.carried if one.state.reaction is not None]
    if reactions:
        IssueStore(clickhouse).note(reactions)
    if found.carried:
        asyncio.run(send_changes(settings.kafka, [one.state.change for one in found.carried]))


def lines(found: Plan) -> Iterator[dict[str, str | bool]]:
    """Return an object for each state, for programs. ``reason`` says why one is not carried."""
    for one in found.carried:
        change = one.state.change
        yield _line(change.project, one.old, change.fingerprint, one.state.words, "")
    for left in found.left:
        yield _line(left.project, left.old, left.new, left.words, left.reason)


def _line(project: str, old: str, new: str, words: str, reason: str) -> dict[str, str | bool]:
    return {
        "kind": "state",
        "project": project,
        "fingerprint": old,
        "into": new,
        "state": words,
        "carried": not reason,
        "reason": reason,
    }


def show(found: Plan) -> None:
    """Say what becomes of the states, for people."""
    said = [
        f"{printable(one.state.change.project)}/{one.old}: {printable(one.state.words)}, goes to "
        f"{one.state.change.fingerprint}"
        if one.old != one.state.change.fingerprint
        else f"{printable(one.state.change.project)}/{one.old}: becomes {printable(one.state.words)}"
        for one in found.carried
    ]
    said += [
        f"{printable(one.project)}/{one.old}: {printable(one.words)}, does not go to {one.new}: {one.reason}"
        for one in found.left
    ]
    for line in said[:MOST_SHOWN]:
        click.echo(line)
    if len(said) > MOST_SHOWN:
        click.echo(f"only the first {MOST_SHOWN} of {len(said)} states: --format json has all of them", err=True)
