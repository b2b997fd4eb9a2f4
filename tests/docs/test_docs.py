"""Everything that the documentation tells people to type is typed here, against a stack that `aftershock up` started.

Blocks are run by their language: ``sh`` by a shell, ``sql`` by ClickHouse, ``python`` by Python, ``toml`` is read as
settings, ``json`` is parsed. Blocks of other languages are whole programs of ``schemas/producers``, which are run by
``tests/producers``. A block of ``text``, or without a language, is for reading.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from pipeline.config.settings import load_settings
from pipeline.edges.clickhouse import ClickHouse
from pipeline.edges.settings import ClickHouseSettings
from tests.docs.blocks import Block, blocks

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for file in FILES for block in blocks(file) if block.language != "text"]
LANGUAGES = {"sh", "sql", "python", "toml", "json"}
PROGRAMS = {
    language: (ROOT / "schemas" / "producers" / file).read_text(encoding="utf-8")
    for language, file in (("js", "node/example.js"), ("go", "go/main.go"), ("java", "java/Produce.java"))
}
"""The programs that other tests run, by language."""
CLIENTS = [
    file.read_text(encoding="utf-8")
    for folder in ("python", "node", "web", "next")
    for file in sorted((ROOT / "tests" / "e2e" / folder).rglob("*"))
    if file.suffix in (".py", ".js", ".jsx") and "node_modules" not in file.parts
]
"""The programs of the end-to-end tests, of which docs/clients.md shows parts."""
UP_SECONDS = 120
BLOCK_SECONDS = 180


@dataclass(frozen=True)
class Running:
    """A stack that was started as the README says, on free ports."""

    directory: Path
    environment: dict[str, str]
    clickhouse: ClickHouse
    addresses: dict[str, str]

    def with_addresses(self, code: str) -> str:
        """Return a block with the default addresses replaced by this stack's."""
        for default, actual in self.addresses.items():
            code = code.replace(default, actual)
        return code


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack of the README's `aftershock up`."""
    directory = tmp_path_factory.mktemp("docs")
    kafka, clickhouse, web, gateway = (free_port() for _ in range(4))
    command = [sys.executable, "-m", "pipeline", "up", f"--kafka-port={kafka}", f"--clickhouse-port={clickhouse}"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AFTERSHOCK_DATA": str(directory / "data"),
        "AFTERSHOCK_KAFKA": f"127.0.0.1:{kafka}",
        "AFTERSHOCK_CLICKHOUSE": f"http://127.0.0.1:{clickhouse}",
        "DEMO_SECONDS": "3",
    }
    with (directory / "up.log").open("w") as log:
        options = [f"--web-port={web}", f"--gateway-port={gateway}"]
        process = subprocess.Popen([*command, *options], cwd=directory, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + UP_SECONDS
        while "Running." not in (said := (directory / "up.log").read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        yield Running(
            directory,
            environment,
            ClickHouse(ClickHouseSettings(url=f"http://127.0.0.1:{clickhouse}")),
            {
                "127.0.0.1:9092": f"127.0.0.1:{kafka}",
                "127.0.0.1:8123": f"127.0.0.1:{clickhouse}",
                "127.0.0.1:6066": f"127.0.0.1:{web}",
                "127.0.0.1:8000": f"127.0.0.1:{gateway}",
            },
        )
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, (directory / "up.log").read_text()


def test_every_block_has_a_language_that_is_run() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES | PROGRAMS.keys()


def test_the_two_commands_of_the_readme_are_its_first_blocks() -> None:
    first, second = [block.code.strip() for block in BLOCKS if block.file.name == "README.md"][:2]
    assert (first, second) == ("make demo", "make test")


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_does_what_it_says(block: Block, stack: Running) -> None:
    if block.language == "sql":
        for statement in filter(str.strip, block.code.split(";\n")):
            stack.clickhouse.rows(statement.strip().removesuffix(";"))
    elif block.language == "toml":
        file = stack.directory / "tried.toml"
        file.write_text(block.code, encoding="utf-8")
        load_settings(file, {"AFTERSHOCK_HASH_KEY": "a key"})
    elif block.language == "json":
        json.loads(block.code)
    elif block.file.name == "clients.md" and block.language in ("python", "js"):
        assert any(block.code in program for program in CLIENTS)
    elif block.language in PROGRAMS:
        assert block.code == PROGRAMS[block.language]
    elif block.language == "python":
        _run([sys.executable, "-c", stack.with_addresses(block.code), "1"], stack)  # programs that follow end after 1
    else:
        _run_shell(block, stack)


def _run_shell(block: Block, stack: Running) -> None:
    code = stack.with_addresses(block.code)
    if code.strip() == "aftershock up":
        return  # the fixture has started it, and ends it with Ctrl-C
    if code.strip() == "make test":
        _run(["make", "--directory", str(ROOT), "--dry-run", "test"], stack)  # these tests are part of it
    elif code.startswith("make "):
        _run(["bash", "-euc", code], stack, ROOT, {"AFTERSHOCK_DATA": str(stack.directory / "demo")})
    else:
        _run(["bash", "-euo", "pipefail", "-c", code], stack)


def _run(
    command: list[str], stack: Running, directory: Path | None = None, extra: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        command,
        cwd=directory or stack.directory,
        env={**stack.environment, **(extra or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
