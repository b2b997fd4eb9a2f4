"""Builds what is released and tries it as somebody who installs it: ``python -m deploy.release``, or ``make release``.

The sdist, the wheel with the stages compiled, and both of the transport for Python go to ``dist/``. The wheels are then
installed into an empty environment outside the tree, where nothing of the tree can be imported by accident.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.local.ports import free_port
from pipeline.errors import Misconfigured

ROOT = Path(__file__).resolve().parent.parent
TRANSPORT = Path("schemas", "producers", "python")
EXAMPLE = Path("schemas", "examples", "errors", "python-chained.json")
UP_SECONDS = 300
"""How long ``aftershock up`` may take until it runs: the first time it downloads its servers."""

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_ENTRY = re.compile(r"^## (\d\S*)", re.MULTILINE)


def version(root: Path) -> str:
    """Return the version that is released, as every file under ``root`` has it.

    Raises:
        Misconfigured: the files disagree.
    """
    found = {
        "pipeline/__init__.py": _first(_VERSION, root / "pipeline" / "__init__.py"),
        "pyproject.toml": _project(root)["version"],
        "CHANGELOG.md": _first(_ENTRY, root / "CHANGELOG.md"),
    }
    if len(set(found.values())) > 1:
        raise Misconfigured(f"versions differ: {', '.join(f'{file} has {one}' for file, one in found.items())}")
    return found["pyproject.toml"]


def _first(pattern: re.Pattern[str], file: Path) -> str:
    match = pattern.search(file.read_text(encoding="utf-8"))
    return match[1] if match else "none"


def _project(root: Path) -> dict[str, str]:
    project: dict[str, str] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def missing(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return which of the wanted files are not among an archive's names."""
    there = set(names)
    return sorted(name for name in wanted if name not in there)


def build(source: Path, dist: Path) -> list[Path]:
    """Return the sdist and the wheel of a project, built into ``dist``; the wheel is compiled where it can be."""
    built = []
    for command in ("build_sdist", "build_wheel"):
        script = f"import setuptools.build_meta as backend, sys; print(backend.{command}(sys.argv[1]))"
        # Optimised as deploy.compiled does it, which is what benchmarks measure, and without debugging symbols.
        compiled = {"AFTERSHOCK_COMPILE": "1", "CFLAGS": "-O2 -g0"} if command == "build_wheel" else {}
        output = _run([sys.executable, "-c", script, str(dist)], source, compiled)
        built.append(dist / output.splitlines()[-1])
    return built


def _environment() -> dict[str, str]:
    """Return the environment without what would bring in modules or settings of the tree."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AFTERSHOCK_"))}


def _run(command: list[str], directory: Path, more: Mapping[str, str] | None = None, text: str = "") -> str:
    """Return what a program writes.

    Raises:
        Misconfigured: it failed; with the end of what it said.
    """
    environment = {**_environment(), **(more or {})}
    done = subprocess.run(
        command, cwd=directory, env=environment, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise Misconfigured(f"{' '.join(command[:4])} ended with {done.returncode}:\n{said}")
    return done.stdout


def check_contents(sdist: Path, wheel: Path, transport: Path) -> None:
    """Look whether the archives hold what type checkers, migrations and the compiled stages need.

    Raises:
        Misconfigured: something is missing.
    """
    with tarfile.open(sdist) as archive:
        sources = [name.partition("/")[2] for name in archive.getnames()]
    names = zipfile.ZipFile(wheel).namelist()
    migrations = [f"schemas/clickhouse/{path.name}" for path in (ROOT / "schemas" / "clickhouse").glob("*.sql")]
    wanted = ["pipeline/py.typed", "schemas/py.typed", "pipeline/scrub/_outline.pyi", *migrations]
    lacks = {
        sdist.name: missing(sources, [*wanted, "setup.py", "pipeline/scrub/_outline.c"]),
        wheel.name: missing(names, wanted),
        transport.name: missing(zipfile.ZipFile(transport).namelist(), ["aftershock_transport/py.typed"]),
    }
    if not any(name.startswith("pipeline/scrub/engine.") and name.endswith(".so") for name in names):
        lacks[wheel.name].append("compiled stages (pipeline/scrub/engine)")
    if problems := [f"{archive} lacks {', '.join(names)}" for archive, names in lacks.items() if names]:
        raise Misconfigured("; ".join(problems))


def install(wheel: Path, transport: Path, directory: Path) -> Path:
    """Return the folder of programs of a new environment with the wheels and what they ask for, in locked versions."""
    _run([sys.executable, "-m", "venv", str(directory)], directory.parent)
    locked = re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    constraints = directory / "locked.txt"
    constraints.write_text("\n".join(locked) + "\n", encoding="utf-8")
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--constraint", str(constraints), f"{wheel}[local]", str(transport)], directory.parent)
    return directory / "bin"


def try_process(bin_: Path, directory: Path, wanted: str) -> None:
    """Take an example event through the installed stages.

    Raises:
        Misconfigured: it is another version, comes from elsewhere, or the event would not be stored.
    """
    said = _run([str(bin_ / "aftershock"), "--version"], directory)
    if said.split()[-1] != wanted:
        raise Misconfigured(f"aftershock --version says {said.strip()}, and not {wanted}")
    script = "import pipeline.scrub.engine as engine; print(engine.__file__)"
    engine = Path(_run([str(bin_ / "python"), "-c", script], directory).strip())
    if engine.suffix != ".so" or bin_.parent not in engine.parents:
        raise Misconfigured(f"the stages that run are {engine}, not compiled ones of the wheel")
    event = json.dumps(json.loads((ROOT / EXAMPLE).read_text(encoding="utf-8"))) + "\n"
    answer = json.loads(_run([str(bin_ / "aftershock"), "process"], directory, text=event))
    if not answer["fingerprint"]:
        raise Misconfigured(f"the example is not stored: {answer['reason']}")


def try_up(bin_: Path, directory: Path) -> None:
    """Run ``aftershock up`` until it says that it runs, and end it.

    Raises:
        Misconfigured: it ended, took too long, or did not end in order.
    """
    ports = [f"--{name}-port={free_port()}" for name in ("kafka", "clickhouse", "web", "gateway")]
    log = directory / "up.log"
    lines: list[str] = []
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(bin_ / "aftershock"), "up", f"--data={directory / 'data'}", *ports],
            cwd=directory,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        limit = threading.Timer(UP_SECONDS, process.kill)
        limit.start()
        with process:
            for line in process.stdout or ():
                lines.append(line)
                if line.startswith("Running."):
                    process.send_signal(signal.SIGTERM)
        limit.cancel()
    if not any(line.startswith("Running.") for line in lines) or lines[-1] != "Stopped.\n":
        raise Misconfigured(f"aftershock up did not run and stop:\n{''.join(lines)}{log.read_text()[-3000:]}")


def release(dist: Path) -> None:
    """Build everything into ``dist`` and try it.

    Raises:
        Misconfigured: anything is not as it has to be for a release.
    """
    wanted = version(ROOT)
    _say(f"Version {wanted} in pipeline/__init__.py, pyproject.toml and CHANGELOG.md")
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aftershock-release-") as temporary:
        outside = Path(temporary)
        _say("Building from a copy of the tree; a few minutes, because the stages are compiled")
        source = _copy(outside / "source")
        sdist, wheel = build(source, dist)
        _, transport = build(source / TRANSPORT, dist)
        check_contents(sdist, wheel, transport)
        _say(f"Built {sdist.name}, {wheel.name}, {transport.name}: types, migrations and compiled stages are in")
        bin_ = install(wheel, transport, outside / "environment")
        _say("Installed in an empty environment")
        try_process(bin_, outside, wanted)
        _say("aftershock --version and aftershock process: as expected, compiled")
        try_up(bin_, outside)
        _say(f"aftershock up: ran, and stopped. What can be released is in {dist}")


def _copy(directory: Path) -> Path:
    """Return a copy of what Git has, so that nothing that lies about is built in."""
    listed = _run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT)
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
    return directory


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Build and try a release; exit code 1 says what is wrong with it."""
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description="Build and try what is released.")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where archives go (default: dist)")
    try:
        release(parser.parse_args().dist.resolve())
    except Misconfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
