"""The demo's programs on a real broker: they start, fail as they should, end, and say exactly what they sent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.demo.run import Program, Summary, run_programs
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.ports import free_port
from pipeline.errors import Unavailable

PREFIX = "demo-"
SECONDS = 6.0


def create_topics(servers: str) -> None:
    """Create both topics with one partition."""
    client = AdminClient({"bootstrap.servers": servers})
    topics = [NewTopic(PREFIX + name, 1, 1) for name in ("errors", "spans")]
    for future in client.create_topics(topics).values():
        future.result()


def read(servers: str, topic: str, expected: int) -> list[dict[str, Any]]:
    """Read ``expected`` messages of a topic with one partition, and any that come in the half second after them."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "demo-tests", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    events: list[dict[str, Any]] = []
    while message := consumer.poll(0.5 if len(events) >= expected else 30):
        headers = {name: value.decode() for name, value in message.headers()}
        events.append(json.loads(message.value()) | {"project": headers["project"]})
    consumer.close()
    return events


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Summary, list[Any], list[Any]]]:
    """The summary of one short run, the errors and the spans it sent."""
    directory = tmp_path_factory.mktemp("demo")
    with EmbeddedBroker(directory, port=free_port(), log=directory / "broker.log") as broker:
        create_topics(broker.address)
        done = run_programs(broker.address, SECONDS, topic_prefix=PREFIX)
        errors = read(broker.address, f"{PREFIX}errors", done.errors)
        yield done, errors, read(broker.address, f"{PREFIX}spans", done.spans)


Demo = tuple[Summary, list[dict[str, Any]], list[dict[str, Any]]]


def test_the_summary_says_what_is_on_the_topics(demo: Demo) -> None:
    done, errors, spans = demo

    assert (done.errors, done.spans, done.lost) == (len(errors), len(spans), {})
    assert len({event["event_id"] for event in errors}) == done.errors > 50
    assert done.failed < done.requests


def test_every_program_and_environment_has_failed(demo: Demo) -> None:
    _, errors, _ = demo

    assert {event["project"] for event in errors} == {"shop", "billing", "live"}
    assert {event["environment"] for event in errors} == {"production", "staging"}
    assert {"shop@2.4.0", "shop@2.4.1"} < {event["release"] for event in errors}


def test_there_are_several_bugs_and_many_people(demo: Demo) -> None:
    _, errors, _ = demo
    kinds = {event["exception"]["values"][-1]["type"] for event in errors if "exception" in event}

    assert {"PaymentProviderDownError", "CardDeclinedError", "InvoiceError"} <= kinds
    assert len(kinds) >= 6
    assert len({event.get("user", {}).get("id") for event in errors}) >= 20


def test_chained_exceptions_come_with_every_link(demo: Demo) -> None:
    _, errors, _ = demo
    chains = [[value["type"] for value in event["exception"]["values"]] for event in errors if "exception" in event]

    assert ["ConnectionResetError", "MailServerError", "InvoiceError"] in chains


def test_errors_of_the_websocket_server_carry_session_and_connection_count(demo: Demo) -> None:
    _, errors, spans = demo
    live = [event for event in errors if event["project"] == "live"]
    messages = [event for event in spans if event["project"] == "live"]

    assert all(event["tags"]["sessionId"].startswith("ws-") for event in live)
    assert all(1 <= int(event["tags"]["connectionCount"]) <= 12 for event in live)
    assert {"chat.moderate", "chat.broadcast"} <= {span["op"] for event in messages for span in event["spans"]}


def test_the_programs_own_frames_are_in_app(demo: Demo) -> None:
    _, errors, _ = demo
    frames = [value["stacktrace"]["frames"][-1] for e in errors for value in e.get("exception", {}).get("values", [])]

    assert all(frame["in_app"] for frame in frames if frame["filename"] in {"shop.py", "jobs.py", "live.py"})


def test_without_a_broker_the_programs_go_on_and_report_what_was_lost() -> None:
    done = run_programs(f"127.0.0.1:{free_port()}", 2.0)

    assert done.requests > 0
    assert (done.errors, done.spans) == (0, 0)
    assert done.lost.keys() == {"error: network_error", "transaction: network_error", "span: network_error"}


def test_a_program_that_ends_early_is_named_with_what_it_said(tmp_path: Path) -> None:
    program = Program(tmp_path, "shop", "shop", ["--no-such-option"], free_port())
    program.process.start()

    with pytest.raises(Unavailable, match=r"the demo's shop did not start: .*--no-such-option"):
        program.wait_until_ready(time.monotonic() + 30)
    with pytest.raises(Unavailable, match="the demo's shop ended without its report"):
        program.said()
