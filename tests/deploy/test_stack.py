"""The stack: its order, its end, and what it says when something is in the way."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.component import Component
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from deploy.local.stack import ANY_PORT, Plan, running
from deploy.local.supervisor import Supervisor
from pipeline.errors import Misconfigured, Unavailable


class Script(Component):
    """A small program as a component: ready once it has made its file."""

    version = "a script"

    def __init__(self, name: str, directory: Path, program: str) -> None:
        self.name = name
        self.address = str(directory / name)
        self.ready_seconds = 20.0
        self._directory = directory
        self._program = textwrap.dedent(program)

    def prepare(self) -> Process:
        command = [sys.executable, "-c", self._program, self.address]
        return Process(command, log=self._directory / f"{self.name}.log", directory=self._directory)

    def answers(self) -> bool:
        return Path(self.address).exists()


STAYS = """
    import pathlib, sys, time
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(600)
"""
ENDS_ONCE_READY = """
    import pathlib, sys
    print("the reason")
    pathlib.Path(sys.argv[1]).touch()
"""
NEVER_READY = """
    print("cannot find my table")
    raise SystemExit(7)
"""
WRITES_WHEN_ASKED_TO_END = """
    import pathlib, signal, sys, time
    def end(*_):
        with (pathlib.Path(sys.argv[1]).parent / "ends").open("a") as ends:
            ends.write(pathlib.Path(sys.argv[1]).name + " ")
        sys.exit()
    signal.signal(signal.SIGTERM, end)
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(600)
"""
DEAF = """
    import pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(600)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(lambda _line: None) as running_now:
        yield running_now


def test_one_line_a_component_once_it_is_ready(tmp_path: Path) -> None:
    lines: list[str] = []
    with Supervisor(lines.append) as supervisor:
        supervisor.start(Script("first", tmp_path, STAYS), Script("second", tmp_path, STAYS))
        assert [line.split() for line in lines] == [
            [name, str(tmp_path / name), "ready:", "a", "script"] for name in ("first", "second")
        ]


def test_stages_end_in_the_opposite_order(tmp_path: Path) -> None:
    with Supervisor(lambda _line: None) as supervisor:
        supervisor.start(Script("server", tmp_path, WRITES_WHEN_ASKED_TO_END))
        supervisor.start(Script("client", tmp_path, WRITES_WHEN_ASKED_TO_END))
    assert (tmp_path / "ends").read_text() == "client server "


def test_a_component_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    component = Script("deaf", tmp_path, DEAF)
    component.stop_seconds = 0.2
    with component:
        pass
    assert component.process.exit_code == -signal.SIGKILL


def test_a_component_that_dies_is_reported_with_its_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    """Also when it is another one whose turn it is to become ready."""
    supervisor.start(Script("healthy", tmp_path, STAYS))
    with pytest.raises(Unavailable, match=r"broken ended with exit code 7; its log .*broken.log ends: cannot find my"):
        supervisor.start(Script("broken", tmp_path, NEVER_READY))


def test_a_death_after_the_start_ends_the_wait(supervisor: Supervisor, tmp_path: Path) -> None:
    victim = Script("victim", tmp_path, STAYS)
    supervisor.start(victim)
    assert victim.process.pid is not None
    os.kill(victim.process.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="victim was killed by signal 9"):
        supervisor.wait()


def test_a_program_that_answered_but_is_gone_is_not_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    """Something else may answer on a port whose owner has died."""
    (tmp_path / "ghost").touch()
    ghost = Script("ghost", tmp_path, ENDS_ONCE_READY)
    ghost.launch()
    ghost.process.wait()
    with pytest.raises(Unavailable, match=r"ghost ended with exit code 0.*the reason"):
        ghost.wait_until_ready()


def test_a_program_that_cannot_be_found_is_an_end_with_a_reason(tmp_path: Path) -> None:
    process = Process(["/no/such/program"], log=tmp_path / "log", directory=tmp_path)
    process.start()
    process.wait()
    assert process.exit_code == 1
    assert "No such file or directory" in process.last_lines()[-1]


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for word in ("first", "second"):
        process = Process([sys.executable, "-c", f"print('{word}')"], log=tmp_path / "log", directory=tmp_path)
        process.start()
        process.wait()
    assert (tmp_path / "log").read_text() == "second\n"
    assert (tmp_path / "log.1").read_text() == "first\n"


@pytest.mark.parametrize(
    ("option", "component"),
    [("kafka_port", "the broker"), ("clickhouse_port", "ClickHouse"), ("web_port", "worker 2")],
)
def test_a_taken_port_is_named_with_the_option_that_changes_it(tmp_path: Path, option: str, component: str) -> None:
    """Nothing has been started by then."""
    with socket.create_server((LOOPBACK, free_port())) as taken:
        port = taken.getsockname()[1]
        ports = {"kafka_port": ANY_PORT, "clickhouse_port": ANY_PORT, "web_port": ANY_PORT}
        ports[option] = port - 1 if option == "web_port" else port
        plan = Plan(data=tmp_path, workers=2, **ports)
        expected = rf"port {port} on 127\.0\.0\.1, which {component} needs, is taken.*--{option.replace('_', '-')}"
        with pytest.raises(Misconfigured, match=expected), running(plan):
            pytest.fail("it must not start")
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


def test_two_stacks_do_not_share_a_directory(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Misconfigured, match=r"another stack is running on .*--data"), running(Plan(data=tmp_path)):
            pytest.fail("it must not start")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Misconfigured, match=r"cannot write to .*file/data \(Not a directory\).*--data"),
        running(Plan(data=tmp_path / "file" / "data")),
    ):
        pytest.fail("it must not start")


def test_too_full_a_disk_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.stack._NEED_MEGABYTES", 1_000_000_000)
    with (
        pytest.raises(Misconfigured, match=r"MB left and the stack needs .*make room.*--data"),
        running(Plan(tmp_path)),
    ):
        pytest.fail("it must not start")


def test_the_command_says_in_one_line_which_port_is_taken(tmp_path: Path) -> None:
    """As a person sees it: exit code 2 and one line on standard error."""
    with socket.create_server((LOOPBACK, free_port())) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "pipeline", "up", "--data", str(tmp_path), "--clickhouse-port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == Misconfigured.exit_code
    assert done.stderr.count("\n") == 1
    assert f"port {port}" in done.stderr
