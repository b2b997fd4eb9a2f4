"""The programs of docs/produce.md, compiled and run: what they send becomes rows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from installation import Installation

from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.kafka import ApacheKafka, java, libraries
from pipeline.errors import Misconfigured
from tests.node_packages import node

PRODUCERS = Path(__file__).parents[2] / "schemas" / "producers"
SECONDS = 300


def go_program(tmp_path: Path) -> list[str]:
    """Compile the Go program, with the modules of go.sum."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    program = tmp_path / "produce"
    # What is not optimised is compiled sooner; GOTOOLCHAIN: an older Go must not download a newer one.
    done = subprocess.run(
        ["go", "build", "-gcflags=github.com/...=-N -l", "-o", str(program), "."],
        cwd=PRODUCERS / "go",
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    unavailable = re.search(r"requires go >= \S+|dial tcp|no such host|i/o timeout", done.stderr)
    if done.returncode and unavailable:
        pytest.skip(f"go cannot build it here: {unavailable[0]}")
    assert done.returncode == 0, done.stderr
    return [str(program)]


def java_program(tmp_path: Path) -> list[str]:
    """Run the Java program from its source, with the client that Apache Kafka brings."""
    try:
        program = java()
        modules = subprocess.run([program, "--list-modules"], capture_output=True, text=True, check=True).stdout
        if "jdk.compiler" not in modules:
            raise Misconfigured("the Java here has no compiler: install a JDK")
        return [program, "-cp", f"{libraries()}/*", str(PRODUCERS / "java" / "Produce.java")]
    except Misconfigured as error:
        pytest.skip(str(error))


def javascript_program(application: Path) -> list[str]:
    """Return the command of the program that uses the SDK."""
    shutil.copy(PRODUCERS / "node" / "example.js", application)
    return [node(), "example.js"]


def event_id(command: list[str], installation: Installation, directory: Path) -> str:
    """Run a program; return the id that it prints."""
    environment = {**os.environ, "KAFKA": installation.kafka, "TOPIC_PREFIX": installation.prefix}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("language", "types", "title", "function"),
    [
        (
            "javascript",
            ["TypeError"],
            "TypeError: Cannot read properties of undefined (reading 'amount')",
            "<anonymous>",
        ),
        ("go", ["*fmt.wrapError"], "*fmt.wrapError: no price for the basket: unsupported operation", "charge"),
        (
            "java",
            ["NumberFormatException", "IllegalStateException"],
            'IllegalStateException: no price for the "basket"',
            "charge",
        ),
    ],
)
def test_what_the_program_sends_becomes_a_row(
    language: str,
    types: list[str],
    title: str,
    function: str,
    installation: Installation,
    broker_type: type[ApacheKafka | EmbeddedBroker],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """Nothing of it has to be mended, and it is grouped by the frame that failed."""
    if broker_type is not ApacheKafka:
        pytest.skip("the embedded broker knows no idempotent producers: this needs Apache Kafka")
    command = {
        "go": lambda: go_program(tmp_path),
        "java": lambda: java_program(tmp_path),
        "javascript": lambda: javascript_program(request.getfixturevalue("application")),
    }[language]()
    sent = event_id(command, installation, tmp_path)
    with installation.worker():
        installation.wait_for_rows(1)
    (row,) = installation.rows(
        "SELECT replaceAll(toString(event_id), '-', '') AS id, project, release, environment, exception_types, title, "
        "culprit, mended, tags['region'] AS region, user_hash != 0 AS has_user FROM errors"
    )
    assert row == {
        "id": sent,
        "project": "shop",
        "release": "shop@1.4.2",
        "environment": "production",
        "exception_types": types,
        "title": title,
        "culprit": row["culprit"],
        "mended": [],
        "region": "eu",
        "has_user": 1,
    }
    assert function in row["culprit"]
