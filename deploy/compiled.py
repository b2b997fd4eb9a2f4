"""Makes a copy of the tree with the pure stages compiled: ``python -m deploy.compiled build/compiled``.

What benchmarks measure and what a wheel holds. It is made again when a file is newer than it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.errors import Misconfigured

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("pipeline", "schemas", "deploy", "benchmarks", "tests", "docs", "pyproject.toml", "setup.py", "Makefile")
ALSO_COPIED = ("README.md", "CHANGELOG.md", "LICENSE", "requirements.lock", "requirements-bench.lock")
_STAMP = ".compiled"
_NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.so", ".venv", "node_modules")


def is_current(directory: Path) -> bool:
    """Say whether the copy is as new as the tree."""
    stamp = directory / _STAMP
    if not stamp.exists():
        return False
    made = stamp.stat().st_mtime
    files = (file for name in (*COPIED, *ALSO_COPIED) for file in (ROOT / name, *(ROOT / name).rglob("*.*")))
    return all(file.stat().st_mtime <= made for file in files if "__pycache__" not in file.parts and file.is_file())


def make(directory: Path) -> None:
    """Copy the tree and compile in the copy; takes about a minute.

    Raises:
        Misconfigured: there is no C compiler, or it failed; its output is in ``compile.log`` there.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in (*COPIED, *ALSO_COPIED):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=_NOT_SOURCE)
        else:
            shutil.copy(source, directory / name)
    log = directory / "compile.log"
    with log.open("w") as output:
        status = subprocess.run(
            [sys.executable, "setup.py", "build_ext", "--inplace", f"--parallel={os.cpu_count() or 1}"],
            cwd=directory,
            env={**os.environ, "AFTERSHOCK_COMPILE": "1", "CFLAGS": "-O2"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if status:
        raise Misconfigured(f"the stages do not compile: see {log}; a C compiler and the development tools are needed")
    (directory / _STAMP).touch()


def main() -> None:
    """Make the copy that the first argument names, unless it is current."""
    directory = Path(sys.argv[1]).resolve()
    if is_current(directory):
        return
    print("Compiling the pure stages; about a minute", flush=True)
    try:
        make(directory)
    except Misconfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
