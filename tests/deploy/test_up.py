"""``aftershock up`` as a person runs it: a process, its lines, its children, its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from pipeline.errors import Unavailable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for child processes in /proc")


@dataclass(frozen=True)
class Up:
    """A running ``aftershock up``: its process, the lines it printed, the address of each component."""

    process: subprocess.Popen[str]
    lines: list[str]
    addresses: dict[str, str]

    def children(self) -> list[int]:
        """The process ids of everything it started."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == self.process.pid and state != "Z":
                found.append(int(stat.parent.name))
        return found

    def sql(self, statement: str) -> str:
        with urllib.request.urlopen(self.addresses["ClickHouse"], data=statement.encode(), timeout=30) as answer:
            return answer.read().decode().strip()

    def child(self, words: str) -> int:
        """The process id of the child whose command line holds these words."""
        [found] = [pid for pid in self.children() if words in command_line(pid)]
        return found

    def end(self, signum: signal.Signals) -> tuple[int, str]:
        """Send a signal, wait for the end; return exit code and the rest of the output."""
        self.process.send_signal(signum)
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def up(data: Path, *options: str, before: tuple[str, ...] = ()) -> Iterator[Up]:
    # The embedded broker lets the first member of a group wait for half the session timeout.
    config = data / "aftershock.toml"
    config.write_text("[kafka]\nsession_timeout_s = 2.0\n")
    ports = [f"--{name}-port={free_port()}" for name in ("kafka", "clickhouse", "web", "gateway")]
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "pipeline", "up", f"--data={data}", f"--config={config}", *ports, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Running."):
                break
        else:
            pytest.fail(f"it ended before it ran: {process.communicate()[1]}")
        addresses = {line[:11].strip(): line[12:].split()[0] for line in lines[:-1]}
        yield Up(process, lines, addresses)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_sigterm_ends_everything_and_the_next_run_finds_the_data(tmp_path: Path) -> None:
    """Each component has its line with an address; SIGTERM ends them all; ClickHouse keeps what it had."""
    with up(tmp_path) as first:
        assert list(first.addresses) == ["ClickHouse", "Broker", "Schema", "Worker 1", "Gateway", "DSN"]
        assert urllib.request.urlopen(f"{first.addresses['Worker 1']}/health/ready", timeout=10).status == 200
        first.sql("CREATE TABLE default.kept (n UInt8) ENGINE = MergeTree ORDER BY n")
        first.sql("INSERT INTO default.kept VALUES (7)")
        children = first.children()
        assert len(children) == 4

        code, rest = first.end(signal.SIGTERM)

        assert (code, rest) == (0, "Stopped.\n")
        assert not any(runs(pid) for pid in children)
    with up(tmp_path, "--workers=0") as second:
        assert second.sql("SELECT n FROM default.kept") == "7"


def test_ctrl_c_ends_it_where_a_script_started_it_in_the_background(tmp_path: Path) -> None:
    """A shell without job control starts such a command with SIGINT ignored."""
    ignored = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")
    with up(tmp_path, "--workers=0", before=ignored) as stack:
        code, rest = stack.end(signal.SIGINT)
        assert (code, rest) == (0, "Stopped.\n")


def test_sigkill_leaves_no_server_behind(tmp_path: Path) -> None:
    with up(tmp_path) as stack:
        children = stack.children()
        stack.end(signal.SIGKILL)
        for pid in children:
            wait_until_gone(pid)


def wait_until_gone(pid: int) -> None:
    """Return once the process is gone; a process that stays runs into the test's own time limit."""
    descriptor = os.pidfd_open(pid) if runs(pid) else None
    if descriptor is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(30_000), f"process {pid} is still there"
        os.close(descriptor)


@pytest.mark.parametrize(
    ("words", "name", "workers"), [("tansu", "Broker", 0), ("clickhouse", "ClickHouse", 0), ("worker", "Worker 1", 1)]
)
def test_a_component_that_is_killed_ends_the_stack_with_its_name(
    tmp_path: Path, words: str, name: str, workers: int
) -> None:
    with up(tmp_path, f"--workers={workers}") as stack:
        children = stack.children()
        os.kill(stack.child(words), signal.SIGKILL)
        _, error = stack.process.communicate(timeout=60)
        assert stack.process.returncode == Unavailable.exit_code
        assert f"{name} was killed by signal 9" in error
        assert not any(runs(pid) for pid in children)
