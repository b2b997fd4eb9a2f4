"""The servers that tests talk to: started once a run, on free ports and fresh directories, and only when asked for.

``AFTERSHOCK_TEST_BROKER=apache`` makes it an error that Apache Kafka cannot be run here (CI sets it), ``=embedded``
takes the embedded broker in any case; otherwise Apache Kafka is taken where Java and Maven are installed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from xdist.scheduler import LoadScopeScheduling

from deploy.local.clickhouse import ClickHouse
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.embedded_broker import installed_version as embedded_version
from deploy.local.kafka import VERSION as KAFKA_VERSION
from deploy.local.kafka import ApacheKafka, java
from deploy.local.ports import free_port
from pipeline.config.places import cache_directory
from pipeline.errors import Misconfigured

Broker = ApacheKafka | EmbeddedBroker
BROKER_VARIABLE = "AFTERSHOCK_TEST_BROKER"


@dataclass(frozen=True)
class Names:
    """Names that no other test uses: a prefix for topics and consumer groups, and a database (not yet created)."""

    topic_prefix: str
    database: str


@cache
def chosen_broker() -> tuple[type[Broker], str]:
    """Return the broker that tests run against, and how the header calls it."""
    wanted = os.environ.get(BROKER_VARIABLE, "")
    if wanted not in ("", "apache", "embedded"):
        raise pytest.UsageError(f"{BROKER_VARIABLE} is 'apache', 'embedded' or unset, not {wanted!r}")
    if wanted == "embedded":
        return EmbeddedBroker, f"{embedded_version()} ({BROKER_VARIABLE}=embedded)"
    try:
        java()
        if not shutil.which("mvn") and not (cache_directory() / "kafka" / KAFKA_VERSION).is_dir():
            raise Misconfigured("Apache Maven, which downloads Apache Kafka, is not installed")
    except Misconfigured as error:
        if wanted == "apache":
            raise pytest.UsageError(f"{BROKER_VARIABLE}=apache, but {error}") from error
        return EmbeddedBroker, f"{embedded_version()}, because {error}"
    return ApacheKafka, ApacheKafka.version


STARTS_SERVERS = {"server_directory", "killable_clickhouse", "killable_broker"}
"""Fixtures of which each server's own is made."""


LONGEST_FIRST = ("e2e", "integration", "chaos", "deploy", "docs", "producers", "gateway", "commands", "store")
"""Folders whose tests wait most: begun first, so that no process is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers, which ``-m "not servers"`` leaves out, and begin the longest first."""
    for item in items:
        if STARTS_SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("servers")
    items.sort(key=lambda item: LONGEST_FIRST.index(_folder(item)) if _folder(item) in LONGEST_FIRST else 99)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


class ByFile(LoadScopeScheduling):
    """Shares tests out to processes by file; those of the clients, whose journeys take minutes, to one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/e2e" if file.startswith("tests/e2e/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Have pytest-xdist share tests out so, whatever ``--dist`` says."""
    return ByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Take SIGINT again where a script has started this run in the background.

    There it is ignored, and so it would be in every server that a test ends with Ctrl-C. They are not all ours.
    """
    config.addinivalue_line("markers", "servers: needs a broker or ClickHouse")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Name the servers that a test with the ``kafka`` and ``clickhouse`` fixtures gets."""
    return f"servers: broker {chosen_broker()[1]}; {ClickHouse.name} of {ClickHouse.version}"


@pytest.fixture(scope="session")
def server_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for the data and logs of this run's servers."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def broker_type() -> type[Broker]:
    """The broker that this run was told to use: :class:`ApacheKafka` or :class:`EmbeddedBroker`."""
    return chosen_broker()[0]


@pytest.fixture(scope="session")
def kafka(broker_type: type[Broker], server_directory: Path) -> Iterator[str]:
    """``host:port`` of a broker that this run shares; see ``names`` for topics of one's own."""
    broker = broker_type(server_directory / "kafka", port=free_port(), log=server_directory / "broker.log")
    with broker:
        yield broker.address
        # Its data is thrown away, so it need not spend seconds on an orderly end.
        broker.kill()


@pytest.fixture(scope="session")
def clickhouse(server_directory: Path) -> Iterator[str]:
    """URL of a ClickHouse server that this run shares; see ``names`` for a database of one's own."""
    server = ClickHouse(server_directory / "clickhouse", port=free_port(), log=server_directory / "clickhouse.log")
    with server:
        yield server.address
        server.kill()


@pytest.fixture
def killable_clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """A running ClickHouse of the test's own: ``kill()`` is kill -9, ``start()`` brings it back with its data."""
    with ClickHouse(tmp_path / "clickhouse", port=free_port(), log=tmp_path / "clickhouse.log") as running:
        yield running


@pytest.fixture
def killable_broker(broker_type: type[Broker], tmp_path: Path) -> Iterator[Broker]:
    """A running broker of the test's own, of this run's kind."""
    with broker_type(tmp_path / "kafka", port=free_port(), log=tmp_path / "broker.log") as running:
        yield running


@pytest.fixture
def names(request: pytest.FixtureRequest) -> Iterator[Names]:
    """Names of the test's own; what exists under them afterwards is deleted from the shared servers."""
    token = f"t{secrets.token_hex(6)}"
    # Asked for first, so that they outlive this fixture.
    broker = request.getfixturevalue("kafka") if "kafka" in request.fixturenames else None
    server = request.getfixturevalue("clickhouse") if "clickhouse" in request.fixturenames else None
    yield Names(topic_prefix=f"{token}-", database=token)
    if broker is not None:
        asyncio.run(_delete_topics(broker, f"{token}-"))
    if server is not None:
        urllib.request.urlopen(server, data=f"DROP DATABASE IF EXISTS {token} SYNC".encode(), timeout=60).close()


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        topics = [topic for topic in await client.list_topics() if topic.startswith(prefix)]
        if topics:
            await client.delete_topics(topics)
    finally:
        await client.close()
