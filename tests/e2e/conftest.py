"""The stack and the clients' journeys: each is made once a run."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from installation import Installation
from journeys import JOURNEYS
from stack import Stack, settings

from deploy.local.gateway import Gateway
from deploy.local.ports import free_port

AT_A_TIME = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask last for the journey that waits for a minute to end: it begins with the others, and the run goes on."""
    items.sort(key=lambda item: "limited" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def stack(kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running gateway and a running worker, on topics and tables that only these tests use."""
    token = f"e2e{secrets.token_hex(6)}"
    directory = tmp_path_factory.mktemp("e2e")
    installation = Installation(kafka, clickhouse, SimpleNamespace(topic_prefix=f"{token}-", database=token), directory)
    installation.configure(settings())
    installation.migrate()
    gateway = Gateway(
        port=free_port(), environment=installation.environment, data=directory, log=directory / "worker-gateway.log"
    )
    with gateway, installation.worker():
        yield Stack(installation, gateway)


@pytest.fixture(scope="session")
def journeys(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Any]]]:
    """The journeys that this run's tests ask for; some at a time, because a part of each is waiting."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())} & set(JOURNEYS)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            name: pool.submit(journey, stack, tmp_path_factory.mktemp(name))
            for name, journey in JOURNEYS.items()
            if name in wanted
        }


def _fixture(name: str) -> Any:
    def made(journeys: dict[str, Future[Any]]) -> Any:
        return journeys[name].result()

    made.__doc__ = JOURNEYS[name].__doc__
    return pytest.fixture(scope="session", name=name)(made)


for _name in JOURNEYS:
    globals()[f"{_name}_fixture"] = _fixture(_name)
