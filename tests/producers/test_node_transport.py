"""The transport for ``@sentry/node`` against a real broker: what was captured arrives, once, where it should."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka_topics import Received, create_topics, read_topic

from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import free_port
from tests.node_packages import node

Read = Callable[[str, int], list[Received]]


@pytest.fixture
def client(broker_type: type[ApacheKafka | EmbeddedBroker]) -> dict[str, Any]:
    """Options of the producer that the broker of this run needs."""
    return {} if broker_type is ApacheKafka else {"idempotent": False, "acks": -1}


def start(application: Path, *arguments: object, flags: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start the program that captures many errors."""
    command = [node(), *flags, "many.js", *map(str, arguments[:-1]), json.dumps(arguments[-1])]
    return subprocess.Popen(command, cwd=application, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(program: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what it printed at its end."""
    out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    said: dict[str, Any] = json.loads(out)
    return {**said, "warnings": err}


def test_every_error_arrives_once_with_its_key_and_headers(
    application: Path, kafka: str, prefix: str, read: Read, client: dict[str, Any]
) -> None:
    """Nothing is flushed by hand: the end of the process waits for Kafka."""
    said = result(start(application, kafka, prefix, 200, 0, {"project": "shop", "exitMs": 30_000, "client": client}))

    received = read("errors", 200)

    assert sorted(message.value["event_id"] for message in received) == sorted(said["ids"])
    assert all(message.key == message.value["event_id"] for message in received)
    assert all(message.headers == {"project": "shop", "content-type": "application/json"} for message in received)
    assert (said["delivered"], said["pending"], said["warnings"]) == (200, 0, "")


def test_what_the_program_is_started_with_does_not_run_in_the_transports_thread(
    application: Path, kafka: str, prefix: str, read: Read, client: dict[str, Any]
) -> None:
    """``--import`` is how the SDK is loaded in ESM; the project is the DSN's where none is named."""
    (application / "instrument.mjs").write_text("console.error('instrumented')")
    flags = ("--import", "./instrument.mjs")
    said = result(start(application, kafka, prefix, 1, 0, {"exitMs": 30_000, "client": client}, flags=flags))

    assert said["warnings"] == "instrumented\n"
    assert [message.headers["project"] for message in read("errors", 1)] == ["42"]


def test_without_a_broker_the_application_goes_on_and_ends_and_drops_are_counted(application: Path) -> None:
    said = result(start(application, f"127.0.0.1:{free_port()}", "", 10, 1, {"maxEvents": 4}))

    assert None not in said["ids"]
    assert said["lost"] == {"error/queue_overflow": 6, "error/network_error": 4}
    assert (said["delivered"], said["pending"]) == (0, 0)
    # One warning a minute, without a word of the events.
    assert said["warnings"].count("AftershockTransport") == 1
    assert "turn" not in said["warnings"]


def test_what_is_too_old_is_given_up_and_counted(application: Path) -> None:
    said = result(start(application, f"127.0.0.1:{free_port()}", "", 10, 50, {"maxAgeMs": 100}))

    assert said["lost"] == {"error/network_error": 10}


def test_a_broker_that_is_killed_and_comes_back_gets_everything_once(
    application: Path, killable_broker: ApacheKafka | EmbeddedBroker
) -> None:
    if not isinstance(killable_broker, ApacheKafka):
        pytest.skip("the embedded broker loses its topics when it stops: this needs Apache Kafka")
    create_topics(killable_broker.address, "")
    program = start(application, killable_broker.address, "", 400, 10, {"project": "shop", "exitMs": 40_000})
    time.sleep(3)
    killable_broker.kill()
    killable_broker.start()
    said = result(program)

    received = read_topic(killable_broker.address, "errors", 400)
    killable_broker.kill()

    assert said["lost"] == {}
    assert Counter(message.key for message in received) == Counter(said["ids"])
