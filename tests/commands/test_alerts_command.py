"""``aftershock alerts``, against a real broker."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commandline import Commands
from msgspec.structs import replace

from pipeline.commands.alerts import line_of
from pipeline.edges.kafka import ProducerRecord
from pipeline.errors import Misconfigured
from schemas.alert import decode_alert, encode_alert

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "alerts"
FIRING = decode_alert((EXAMPLES / "issue-burst-firing.json").read_bytes())
RESOLVED = decode_alert((EXAMPLES / "issue-burst-resolved.json").read_bytes())
NEW = decode_alert((EXAMPLES / "new-issue-firing.json").read_bytes())


SIGINT_IGNORED = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""Before a command: it is started as a shell without job control starts one in the background."""


@contextmanager
def killed_afterwards(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process that still runs, so that a test which fails does not wait for it."""
    try:
        yield
    finally:
        process.kill()


def message(value: bytes) -> ProducerRecord:
    return ProducerRecord("alerts", b"key", value)


def test_alerts_from_the_beginning_are_the_messages_themselves(aftershock: Commands) -> None:
    """In a pipe an alert is a JSON line; what is no alert is named and passed over."""
    aftershock.put(map(message, (encode_alert(FIRING), b"not an alert", encode_alert(RESOLVED), encode_alert(NEW))))
    result = aftershock.run("alerts", "--from-beginning", "--count", "2")
    assert result.exit_code == 0
    assert [decode_alert(line) for line in result.stdout.splitlines()] == [FIRING, RESOLVED]
    assert "offset 1 of partition 0: not an alert" in result.stderr


@pytest.mark.parametrize("before", [(), SIGINT_IGNORED], ids=["as from a terminal", "as in the background of a script"])
def test_it_follows_from_now_on_and_ends_with_an_interrupt(aftershock: Commands, before: tuple[str, ...]) -> None:
    """Without --from-beginning only what comes afterwards is shown, and Ctrl-C is an end like any other."""
    aftershock.put([message(encode_alert(FIRING))])
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "pipeline", "alerts"],
        env={"PATH": "/usr/bin:/bin", **aftershock.environment},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process, killed_afterwards(process):
        titles = []
        while not titles:
            # It has no way to say that it listens, so alerts are sent until it has heard one.
            aftershock.put([message(encode_alert(replace(NEW, title="later")))])
            if select.select([process.stdout], [], [], 0.2)[0]:
                titles.append(json.loads(process.stdout.readline())["title"])
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, b"")
        assert titles == ["later"]


def test_a_line_for_people_has_what_matters_and_no_control_characters() -> None:
    alert = replace(
        FIRING,
        title="bad \x1b[31m\n title",
        value=120,
        threshold=100,
        rule="burst",
        project="shop",
        environment="production",
        severity="critical",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    line = line_of(alert).plain
    assert line == ("2026-01-02 03:04:05  firing    critical  burst  shop/production  120/100  bad  [31m  title")
    assert " new  " in line_of(NEW).plain


def test_without_the_topic_it_says_what_to_run(bare: Commands) -> None:
    result = bare.run("alerts")
    assert isinstance(result.exception, Misconfigured)
    assert "aftershock migrate" in str(result.exception)
