"""The transport for ``sentry_sdk`` against a real broker: what was captured arrives, once, where it should."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import sentry_sdk
from aftershock_transport import KafkaTransport
from confluent_kafka import KafkaException
from kafka_topics import Received, create_topics, read_topic

from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.ports import free_port

Read = Callable[[str, int], list[Received]]


def run_program(source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own, as the applications are that the transport is installed into."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *arguments], capture_output=True, text=True, timeout=60
    )


def test_every_error_arrives_once_with_its_key_and_headers(kafka: str, prefix: str, read: Read) -> None:
    transport = KafkaTransport(kafka, project="shop", topic_prefix=prefix)
    sentry_sdk.init(transport=transport)
    sent = [sentry_sdk.capture_message(f"message {number}") for number in range(300)]
    sentry_sdk.flush(timeout=20)

    received = read("errors", len(sent))

    assert sorted(message.value["event_id"] for message in received) == sorted(sent)
    assert all(message.key == message.value["event_id"] for message in received)
    assert all(message.headers == {"project": "shop", "content-type": "application/json"} for message in received)
    assert transport.delivered == {f"{prefix}errors": 300}
    assert (transport.pending, transport.lost) == (0, {})


def test_a_transaction_arrives_on_spans_under_its_trace_id(kafka: str, prefix: str, read: Read) -> None:
    sentry_sdk.init(transport=KafkaTransport(kafka, project="shop", topic_prefix=prefix), traces_sample_rate=1)
    with sentry_sdk.start_transaction(name="checkout", op="task") as transaction:
        with sentry_sdk.start_span(op="db", name="SELECT 1"):
            pass
        with sentry_sdk.start_span(op="http.client", name="GET /price"):
            pass
    sentry_sdk.flush(timeout=20)

    [message] = read("spans", 1)

    assert message.key == transaction.trace_id
    assert message.value["transaction"] == "checkout"
    assert [span["op"] for span in message.value["spans"]] == ["db", "http.client"]


def test_streamed_spans_arrive_one_message_each_under_their_trace_id(kafka: str, prefix: str, read: Read) -> None:
    transport = KafkaTransport(kafka, project="shop", topic_prefix=prefix)
    sentry_sdk.init(transport=transport, traces_sample_rate=1, _experiments={"trace_lifecycle": "stream"})
    with sentry_sdk.traces.start_span(name="import"), sentry_sdk.traces.start_span(name="parse"):
        pass
    sentry_sdk.flush(timeout=20)

    received = read("spans", 2)

    assert sorted(message.value["name"] for message in received) == ["import", "parse"]
    assert {message.key for message in received} == {message.value["trace_id"] for message in received}


def test_an_exception_arrives_as_the_sdk_built_it(kafka: str, prefix: str, read: Read) -> None:
    sentry_sdk.init(transport=KafkaTransport([kafka], project="shop", topic_prefix=prefix), release="1.2")
    try:
        raise ValueError("no price for é 漢字")
    except ValueError:
        sentry_sdk.capture_exception()
    sentry_sdk.flush(timeout=20)

    [message] = read("errors", 1)

    assert message.value["exception"]["values"][0]["value"] == "no price for é 漢字"
    assert message.value["release"] == "1.2"


def test_without_a_project_the_dsns_project_is_used(kafka: str, prefix: str, read: Read) -> None:
    sentry_sdk.init(dsn="https://key@errors.example.com/42", transport=KafkaTransport(kafka, topic_prefix=prefix))
    sentry_sdk.capture_message("hello")
    sentry_sdk.flush(timeout=20)

    [message] = read("errors", 1)

    assert message.headers["project"] == "42"


def test_without_project_and_dsn_there_is_no_project_header(kafka: str, prefix: str, read: Read) -> None:
    sentry_sdk.init(transport=KafkaTransport(kafka, topic_prefix=prefix))
    sentry_sdk.capture_message("hello")
    sentry_sdk.flush(timeout=20)

    [message] = read("errors", 1)

    assert message.headers == {"content-type": "application/json"}


def test_items_without_a_topic_are_counted_and_the_rest_is_sent(kafka: str, prefix: str, read: Read) -> None:
    transport = KafkaTransport(kafka, project="shop", topic_prefix=prefix)
    sentry_sdk.init(transport=transport, release="1.2")
    scope = sentry_sdk.get_isolation_scope()
    scope.start_session()
    scope.end_session()
    scope.add_attachment(bytes=b"12345", filename="a.txt")
    sentry_sdk.capture_message("with an attachment")
    sentry_sdk.flush(timeout=20)

    assert len(read("errors", 1)) == 1
    assert set(transport.lost) == {("session", "unsupported"), ("attachment", "unsupported")}


def test_without_a_broker_the_application_goes_on_and_drops_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """The buffer takes five; the other five are dropped when captured, the five when the transport is closed."""
    transport = KafkaTransport(f"127.0.0.1:{free_port()}", project="shop", max_events=5)
    sentry_sdk.init(transport=transport)
    captured = [sentry_sdk.capture_message(f"message {number}") for number in range(10)]

    assert None not in captured
    assert transport.pending == 5
    assert not transport.is_healthy()
    assert transport.lost == {("error", "queue_overflow"): 5}

    with caplog.at_level(logging.WARNING, logger="aftershock_transport"):
        sentry_sdk.get_client().close(timeout=0.2)

    assert transport.lost == {("error", "queue_overflow"): 5, ("error", "network_error"): 5}
    assert transport.pending == 0
    assert "did not reach Kafka" in caplog.text


def test_a_lost_transaction_counts_its_spans() -> None:
    transport = KafkaTransport(f"127.0.0.1:{free_port()}", project="shop")
    sentry_sdk.init(transport=transport, traces_sample_rate=1)
    with sentry_sdk.start_transaction(name="checkout"), sentry_sdk.start_span(op="db", name="SELECT 1"):
        pass
    sentry_sdk.get_client().close(timeout=0)

    assert transport.lost == {("transaction", "network_error"): 1, ("span", "network_error"): 2}


def test_a_silent_host_does_not_hold_up_the_application() -> None:
    """A host that accepts connections and never answers is harder on a client than one that refuses them."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        transport = KafkaTransport(f"127.0.0.1:{silent.getsockname()[1]}", project="shop", max_events=20)
        sentry_sdk.init(transport=transport)
        for number in range(50):
            sentry_sdk.capture_message(f"message {number}")
        sentry_sdk.get_client().close(timeout=0.2)

    assert sum(transport.lost.values()) == 50


def test_what_was_captured_during_an_outage_arrives_after_it(tmp_path: Path) -> None:
    """A broker of the test's own, started only after the events were captured."""
    late = EmbeddedBroker(tmp_path, port=free_port(), log=tmp_path / "broker.log")
    transport = KafkaTransport(late.address, project="shop", settings={"reconnect.backoff.max.ms": 500})
    sentry_sdk.init(transport=transport)
    sent = [sentry_sdk.capture_message(f"message {number}") for number in range(20)]
    with late:
        create_topics(late.address, "")
        sentry_sdk.flush(timeout=30)
        received = read_topic(late.address, "errors", len(sent))

        assert sorted(message.value["event_id"] for message in received) == sorted(sent)
        assert transport.lost == {}
        assert transport.is_healthy()


def test_an_event_too_large_for_kafka_is_counted_and_the_next_is_sent(kafka: str, prefix: str, read: Read) -> None:
    transport = KafkaTransport(kafka, project="shop", topic_prefix=prefix)
    sentry_sdk.init(transport=transport, max_value_length=10_000_000)
    sentry_sdk.capture_message("x" * 3_000_000)
    sentry_sdk.capture_message("small")
    sentry_sdk.flush(timeout=20)

    [message] = read("errors", 1)

    assert message.value["message"] == "small"
    assert transport.lost == {("error", "send_error"): 1}


def test_a_payload_that_is_not_json_is_counted(kafka: str) -> None:
    transport = KafkaTransport(kafka, project="shop")
    sentry_sdk.init(transport=transport, before_send=lambda event, _: {**event, "extra": {"price": float("nan")}})
    sentry_sdk.capture_message("hello")

    assert transport.lost == {("error", "internal_sdk_error"): 1}


def test_settings_that_kafka_does_not_know_are_refused_at_once() -> None:
    with pytest.raises(KafkaException, match=r"no\.such\.setting"):
        KafkaTransport("127.0.0.1:9092", settings={"no.such.setting": 1})


PROGRAM = """
    import sys, sentry_sdk
    from aftershock_transport import KafkaTransport
    servers, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sentry_sdk.init(transport=KafkaTransport(servers, project="shop", topic_prefix=prefix), {options})
    for number in range(count):
        sentry_sdk.capture_message(f"message {{number}}")
    {ending}
"""


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        ("", ""),
        ("", "raise RuntimeError('the last one')"),
        ("", "sys.exit(3)"),
        ("default_integrations=False", ""),
    ],
    ids=["falls off the end", "ends by an exception", "sys.exit", "without the SDK's atexit integration"],
)
def test_a_program_that_ends_has_sent_everything(
    kafka: str, prefix: str, read: Read, options: str, ending: str
) -> None:
    done = run_program(PROGRAM.format(options=options, ending=ending), kafka, prefix, "50")

    expected = 51 if "raise" in ending else 50
    assert len(read("errors", expected)) == expected, done.stderr
    assert "aftershock_transport" not in done.stderr


def test_a_program_without_a_broker_ends_by_itself_with_its_own_exit_code() -> None:
    done = run_program(PROGRAM.format(options="", ending="sys.exit(3)"), f"127.0.0.1:{free_port()}", "", "50")

    assert done.returncode == 3
    assert "50 event(s) did not reach Kafka" in done.stderr or "49 event(s) did not reach Kafka" in done.stderr


def test_parent_and_forked_children_each_send_their_own_events(kafka: str, prefix: str, read: Read) -> None:
    """As under a prefork server that loaded the application before it forked, with the client already in use."""
    done = run_program(
        """
        import os, sys, sentry_sdk
        from aftershock_transport import KafkaTransport
        sentry_sdk.init(transport=KafkaTransport(sys.argv[1], project="shop", topic_prefix=sys.argv[2]))
        sentry_sdk.capture_message("parent before")
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                for number in range(10):
                    sentry_sdk.capture_message(f"child {child} {number}")
                sys.exit(0)
            children.append(pid)
        sentry_sdk.capture_message("parent after")
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        sys.exit(max(codes))
        """,
        kafka,
        prefix,
    )

    messages = sorted(message.value["message"] for message in read("errors", 32))
    children = [f"child {child} {number}" for child in range(3) for number in range(10)]
    assert messages == sorted([*children, "parent before", "parent after"])
    assert done.returncode == 0, done.stderr


def test_a_program_that_is_terminated_by_a_handled_signal_has_sent_everything(
    kafka: str, prefix: str, read: Read
) -> None:
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import signal, sys, time, sentry_sdk
                from aftershock_transport import KafkaTransport
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
                sentry_sdk.init(transport=KafkaTransport(sys.argv[1], project="shop", topic_prefix=sys.argv[2]))
                for number in range(50):
                    sentry_sdk.capture_message(f"message {number}")
                print("captured", flush=True)
                time.sleep(60)
                """
            ),
            kafka,
            prefix,
        ],
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    program.stdout.readline()
    os.kill(program.pid, signal.SIGTERM)
    program.communicate(timeout=30)

    assert program.returncode == 0
    assert len(read("errors", 50)) == 50
