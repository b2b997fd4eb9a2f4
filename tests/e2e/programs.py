"""The programs of the end-to-end tests: installed once a machine, started on a free port, ended as people end them."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.cache import DownloadError, cached
from deploy.local.npm import npm_command
from deploy.local.ports import free_port
from pipeline.errors import Misconfigured, Unavailable

HERE = Path(__file__).parent
START_SECONDS = 180
END_SECONDS = 30

CLIENTS_VARIABLE = "AFTERSHOCK_TEST_CLIENTS"
"""``all`` makes it an error that a client cannot be had here; otherwise its tests are skipped, with the reason."""


def unavailable(reason: str) -> None:
    """Skip what needs a client that cannot be had here, or fail where every client was asked for."""
    if os.environ.get(CLIENTS_VARIABLE) == "all":
        pytest.fail(f"{CLIENTS_VARIABLE}=all, but {reason}", pytrace=False)
    pytest.skip(reason)


def node() -> str:
    """Return the path of Node."""
    return shutil.which("node") or npm_command()[0]


def chromium() -> str:
    """Return the path of the browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        unavailable("no Chromium is installed (on Debian: apt install chromium)")
        raise AssertionError("not reached")
    return found


def with_packages(client: str, directory: Path) -> Path:
    """Copy a client's program to ``directory``, with the packages that its lock file names; skip where npm has none."""
    lock = HERE / client / "package-lock.json"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]

    def install(place: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / client / name, place)
        command = [*npm_command(), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise DownloadError(f"npm ci ended with exit code {done.returncode}")

    try:
        packages = cached(
            f"e2e-{client}/{digest}", install, title=f"the packages of {client}", need_megabytes=700, option="npm"
        )
    except (Misconfigured, Unavailable) as error:
        unavailable(f"the packages of {client} cannot be installed here: {error}")
    program = directory / client
    shutil.copytree(HERE / client, program)
    # Links to the files: what a link to the directory leads to lies outside of the program, which bundlers refuse.
    shutil.copytree(packages / "node_modules", program / "node_modules", symlinks=True, copy_function=_link)
    return program


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)


def build(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
    """Run a build to its end."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@contextmanager
def serving(command: Callable[[int], Sequence[str]], directory: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a server of which ``command(port)`` is the command; yield its address. It is ended with Ctrl-C."""
    port = free_port()
    log = directory / f"server-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(port),
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(address):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)
        yield address
        # A client has its answer a little before the server is done with the request.
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def python_server(name: str) -> Callable[[int], list[str]]:
    """Return the command that serves one of the Python programs."""
    return lambda port: [sys.executable, str(HERE / "python" / f"{name}.py"), str(port)]


def status(url: str) -> int:
    """Return the status of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _answers(address: str) -> bool:
    try:
        return status(f"{address}/") < 500
    except OSError:
        return False
