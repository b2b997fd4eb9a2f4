"""The whole local stack from one description: broker, ClickHouse, schema, workers and gateway, in that order.

The same entry serves ``aftershock up``, the demo, the benchmarks and the tests::

    with running(Plan(data=directory)) as stack:
        client(stack.kafka, stack.clickhouse)

Call it from the main thread: the servers end when the thread that started them does.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from deploy.local.clickhouse import ClickHouse
from deploy.local.component import Component
from deploy.local.embedded_broker import EmbeddedBroker
from deploy.local.gateway import Gateway
from deploy.local.kafka import ApacheKafka
from deploy.local.ports import free_port, require_free
from deploy.local.supervisor import Supervisor
from deploy.local.worker import Worker, migrate
from pipeline.config.places import data_directory
from pipeline.config.settings import load_settings
from pipeline.errors import Misconfigured
from pipeline.gateway.projects import without_clashes
from pipeline.gateway.registry import registered

KAFKA_PORT = 9092
CLICKHOUSE_PORT = 8123
WEB_PORT = 6066
GATEWAY_PORT = 8000
ANY_PORT = 0

_NEED_MEGABYTES = 500
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Plan:
    """What to run and where.

    ``kafka`` (``host:port``) and ``clickhouse`` (URL) name servers that exist already; the stack then starts none of
    that kind, and how to sign in there comes from the configuration and the environment as for every command. A port
    may be :data:`ANY_PORT`. Worker number *n* has its web pages on ``web_port + n - 1``. ``workers`` may be 0.
    Without a ``gateway_port`` there is no gateway.
    """

    data: Path | None = None
    broker: Literal["embedded", "apache"] = "embedded"
    kafka: str | None = None
    clickhouse: str | None = None
    kafka_port: int = KAFKA_PORT
    clickhouse_port: int = CLICKHOUSE_PORT
    web_port: int = WEB_PORT
    gateway_port: int | None = None
    workers: int = 1
    config: Path | None = None


@dataclass(frozen=True)
class Stack:
    """A running stack: where it is, and what ``aftershock`` commands need in their environment to talk to it."""

    kafka: str
    clickhouse: str
    environment: dict[str, str]
    logs: Path
    supervisor: Supervisor

    def wait(self) -> NoReturn:
        """Watch until a component ends; then raise :class:`~pipeline.errors.Unavailable` with the end of its log."""
        self.supervisor.wait()


@contextmanager
def running(plan: Plan, say: Callable[[str], None] = lambda _line: None) -> Iterator[Stack]:
    """Start everything, yield when all of it is ready, and end it all afterwards.

    ``say`` receives one line a component as it becomes ready. Raises :class:`~pipeline.errors.Misconfigured` when a
    person has to change something (a port that is taken, a disk that is full, a missing program) and
    :class:`~pipeline.errors.Unavailable` when a download failed or a component ended or stayed silent.
    """
    data = (plan.data or data_directory()).absolute()
    with _sole_use(data), Supervisor(say) as supervisor:
        # Every port is looked at before anything runs, so that a taken one costs no half-started stack.
        clickhouse, broker, web_ports = _clickhouse(plan, data), _broker(plan, data), _web_ports(plan)
        gateway_port = None if plan.gateway_port is None else _port(plan.gateway_port, "the gateway", "--gateway-port")
        environment = {} if plan.config is None else {"AFTERSHOCK_CONFIG": str(plan.config.absolute())}
        environment |= _hash_key(data)
        environment["AFTERSHOCK_CLICKHOUSE"] = _bring_up(supervisor, "ClickHouse", clickhouse)
        environment["AFTERSHOCK_KAFKA"] = _bring_up(supervisor, "Broker", broker)
        migrate(environment)
        supervisor.tell("Schema", "", "topics and tables are up to date")
        supervisor.start(
            *(
                Worker(number, web_port=port, environment=environment, log=data / "logs" / f"worker-{number}.log")
                for number, port in enumerate(web_ports, start=1)
            )
        )
        if gateway_port is not None:
            _bring_up_gateway(supervisor, gateway_port, environment, data)
        yield Stack(
            kafka=environment["AFTERSHOCK_KAFKA"],
            clickhouse=environment["AFTERSHOCK_CLICKHOUSE"],
            environment=environment,
            logs=data / "logs",
            supervisor=supervisor,
        )


def _hash_key(data: Path) -> dict[str, str]:
    """Return the variable that names the key under which users are hashed: one is made with the data, and kept."""
    if os.environ.get("AFTERSHOCK_HASH_KEY") or os.environ.get("AFTERSHOCK_HASH_KEY_FILE"):
        return {}
    file = data / "hash.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32), encoding="ascii")
    return {"AFTERSHOCK_HASH_KEY_FILE": str(file)}


def _clickhouse(plan: Plan, data: Path) -> Component | str:
    """Return the server to start, or the URL of the one that was named."""
    if plan.clickhouse is not None:
        return plan.clickhouse
    port = _port(plan.clickhouse_port, "ClickHouse", "--clickhouse-port")
    return ClickHouse(data / "clickhouse", port=port, log=data / "logs" / "clickhouse.log")


def _broker(plan: Plan, data: Path) -> Component | str:
    """Return the broker to start, or the address of the one that was named."""
    if plan.kafka is not None:
        return plan.kafka
    port = _port(plan.kafka_port, "the broker", "--kafka-port")
    kind = ApacheKafka if plan.broker == "apache" else EmbeddedBroker
    return kind(data / plan.broker, port=port, log=data / "logs" / "broker.log")


def _web_ports(plan: Plan) -> list[int]:
    if plan.web_port == ANY_PORT:
        return [free_port() for _ in range(plan.workers)]
    ports = range(plan.web_port, plan.web_port + plan.workers)
    for number, port in enumerate(ports, start=1):
        require_free(port, f"worker {number}", "--web-port")
    return list(ports)


def _port(wanted: int, component: str, option: str) -> int:
    if wanted == ANY_PORT:
        return free_port()
    require_free(wanted, component, option)
    return wanted


def _bring_up(supervisor: Supervisor, name: str, server: Component | str) -> str:
    if isinstance(server, str):
        supervisor.tell(name, server, "named by you, not started here")
        return server
    supervisor.start(server)
    return server.address


def _bring_up_gateway(supervisor: Supervisor, port: int, environment: dict[str, str], data: Path) -> None:
    """Start the gateway and tell the DSN of each project; any number will do as a project where none is configured."""
    gateway = Gateway(port=port, environment=environment, data=data, log=data / "logs" / "gateway.log")
    settings = load_settings(environ={**os.environ, **environment})
    registered_projects = asyncio.run(registered(settings.kafka))
    if not registered_projects:
        # What an embedded broker of another day knew: nobody could change or remove it.
        (Path(settings.gateway.spool or data / "gateway-spool") / "projects.json").unlink(missing_ok=True)
    supervisor.start(gateway)
    projects = [*settings.projects, *without_clashes(settings.projects, registered_projects.values())]
    for project in projects:
        supervisor.tell("DSN", gateway.dsn(project.id, project.keys[0]), f"project {project.name}")
    if not projects:
        supervisor.tell("DSN", gateway.dsn(), "for any Sentry SDK")


@contextmanager
def _sole_use(data: Path) -> Iterator[None]:
    """Make sure that the directory can be written and has room, and keep other stacks off it."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("w")
        free = shutil.disk_usage(data).free // _MEGABYTE
    except OSError as error:
        raise Misconfigured(f"cannot write to {data} ({error.strerror}): name another directory with --data") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                f"another stack is running on {data}: stop it or name another directory with --data"
            ) from None
        if free < _NEED_MEGABYTES:
            raise Misconfigured(
                f"{data} has {free} MB left and the stack needs {_NEED_MEGABYTES} MB to begin with: "
                "make room or name another directory with --data"
            )
        yield
