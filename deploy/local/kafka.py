"""Apache Kafka on one machine: one KRaft node from Maven Central's jars, with topics that last.

Needs Java 17 or newer to run and Maven once to download 45 MB.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

from deploy.local.cache import DownloadError, cached
from deploy.local.component import Component
from deploy.local.kafka_protocol import answers_api_versions
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from pipeline.errors import Misconfigured, Unavailable
from schemas.topics import MAX_MESSAGE_BYTES

VERSION = "4.1.1"
MINIMUM_JAVA = 17

_HERE = Path(__file__).parent
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_SECONDS = 1_800
# The jars in Maven's own repository and in the cache.
_NEED_MEGABYTES = 150
_FORMAT_SECONDS = 120


def java() -> str:
    """Return the ``java`` to run, from ``JAVA_HOME`` or the PATH.

    Raises :class:`~pipeline.errors.Misconfigured` when there is none or it is older than Java 17.
    """
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    install = "on Debian: apt install openjdk-17-jre-headless; on macOS: brew install openjdk@17"
    if program is None:
        raise Misconfigured(f"Apache Kafka needs Java {MINIMUM_JAVA} or newer, and there is no java ({install})")
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < MINIMUM_JAVA:
        raise Misconfigured(
            f"Apache Kafka needs Java {MINIMUM_JAVA} or newer, and {program} is "
            f"{'Java ' + found[1] if found else 'no Java that works'} ({install})"
        )
    return program


def libraries() -> Path:
    """Return the directory with Kafka's jars, downloaded (45 MB) if it is not there yet.

    Raises :class:`~pipeline.errors.Misconfigured` or :class:`~pipeline.errors.Unavailable` with what to do.
    """
    title = f"Apache Kafka (org.apache.kafka:kafka_2.13:{VERSION})"
    return cached(f"kafka/{VERSION}", _copy_jars, title=title, need_megabytes=_NEED_MEGABYTES, option="--kafka")


def _copy_jars(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Misconfigured(
            "Apache Maven is needed to download Apache Kafka and is not installed "
            "(on Debian: apt install maven; on macOS: brew install maven)"
        )
    command = [maven, "-q", "-B", "--strict-checksums", "-f", str(_HERE / "kafka.pom.xml"), _COPY]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={directory}"],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"Maven took longer than {_SECONDS // 60} minutes") from error
    if done.returncode != 0:
        # Maven nests its errors: "[ERROR] what failed: why: the cause -> [Help 1]".
        cause = re.search(r"\[ERROR\] .*: ([^:]+) -> \[Help", done.stdout)
        raise DownloadError(f"Maven says {cause[1]}" if cause else f"Maven ended with exit code {done.returncode}")


class ApacheKafka(Component):
    """A KRaft broker and controller in one process, on ``port`` of the loopback, with its log in ``directory``."""

    name = "Broker"
    version = f"Apache Kafka {VERSION}"

    def __init__(self, directory: Path, *, port: int, log: Path) -> None:
        self.port = port
        self.address = f"{LOOPBACK}:{port}"
        self._directory = directory
        self._log = log

    def prepare(self) -> Process:
        """Fetch the jars, write the configuration, and format the storage if it is new."""
        program, jars = java(), libraries()
        self._directory.mkdir(parents=True, exist_ok=True)
        # The controller's port is nobody else's business and is not stored, so a new one each time will do.
        properties = server_properties(self._directory / "log", self.port, free_port())
        configuration = self._directory / "server.properties"
        configuration.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        common = [f"-Dlog4j2.configurationFile={_HERE / 'kafka-log4j2.properties'}", "-cp", f"{jars}/*"]
        if not (self._directory / "log" / "meta.properties").exists():
            _format([program, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *common], configuration)
        return Process(
            # The quick compiler alone: with the thorough one beside it the broker took twice the CPU an event.
            [program, "-Xmx512m", "-XX:TieredStopAtLevel=1", *common, "kafka.Kafka", str(configuration)],
            log=self._log,
            directory=self._directory,
        )

    def answers(self) -> bool:
        """Ask for the protocol versions."""
        return answers_api_versions(LOOPBACK, self.port)


def server_properties(logs: Path, port: int, controller_port: int) -> dict[str, str | int]:
    """Return the broker's configuration (https://kafka.apache.org/documentation/#brokerconfigs)."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(logs),
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        # One node: the internal topics cannot have the default three copies.
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # One user: fewer partitions of them make the first group join quicker.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        # After kill -9 the broker may register again only once its former self counts as gone; the default is 9 s.
        "broker.session.timeout.ms": 4_000,
        "broker.heartbeat.interval.ms": 1_000,
        # The default buffer of 128 MB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 16_777_216,
    }


def _format(java_command: list[str], configuration: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # "=" because an id may begin with "-".
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={configuration}"]
    done = subprocess.run([*java_command, *tool], capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False)
    if done.returncode != 0:
        raise Unavailable(
            f"Apache Kafka could not format its storage for {configuration}: "
            f"{' | '.join((done.stdout + done.stderr).split(chr(10))[-3:])}"
        )
