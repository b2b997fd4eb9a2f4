"""What every program of the demo does the same: options, the SDK with the Kafka transport, a report at the end."""

from __future__ import annotations

import argparse
import json
import os
import signal
from types import FrameType

import sentry_sdk
from aftershock_transport import KafkaTransport

FLUSH_SECONDS = 5.0

REPORT = "report: "
"""What the line with a program's report begins with."""


def arguments(program: str, description: str) -> argparse.ArgumentParser:
    """Return the options that every program has; environment variables give the defaults."""
    parser = argparse.ArgumentParser(prog=f"python -m deploy.demo.{program}", description=description)
    parser.add_argument(
        "--kafka", default=os.environ.get("AFTERSHOCK_KAFKA", "127.0.0.1:9092"), help="bootstrap servers (%(default)s)"
    )
    parser.add_argument(
        "--topic-prefix", default=os.environ.get("AFTERSHOCK_TOPIC_PREFIX", ""), help="put before the topics' names"
    )
    parser.add_argument("--environment", default="production", help="environment of the events (%(default)s)")
    return parser


def start_sdk(options: argparse.Namespace, project: str, release: str) -> KafkaTransport:
    """Initialise ``sentry_sdk`` as the README shows it; personal data is sent on purpose, the pipeline removes it."""
    transport = KafkaTransport(options.kafka, project=project, topic_prefix=options.topic_prefix)
    sentry_sdk.init(
        transport=transport,
        release=release,
        environment=options.environment,
        server_name=f"{project}-1",
        traces_sample_rate=1.0,
        send_default_pii=True,
        in_app_include=["deploy.demo", "__main__"],  # also when installed, where the SDK takes them for a library
    )
    return transport


def end_on_sigterm() -> None:
    """Make SIGTERM end the program as Ctrl-C does, so that its ``finally`` blocks run."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def report(transport: KafkaTransport) -> None:
    """Wait for Kafka and print what it acknowledged, by topic, and what was lost: :data:`REPORT` and JSON."""
    sentry_sdk.get_client().close(timeout=FLUSH_SECONDS)  # after which whatever has not arrived counts as lost
    lost = {f"{category}: {reason}": count for (category, reason), count in transport.lost.items()}
    print(REPORT + json.dumps({"delivered": transport.delivered, "lost": lost}), flush=True)
