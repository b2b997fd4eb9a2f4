"""Capture the examples again: run small programs under real SDKs and write down what the SDKs would have sent.

    python schemas/examples/capture/run.py [--directory /srv/app]

The programs are copied into a neutral directory and run there, in a virtual environment and with packages of their
own, so that the paths in the payloads are those of any server. What still tells of this machine is replaced: where its
Python is installed, its host name, its kernel, its memory. Nothing else of a payload is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE.parent

PYTHON_PACKAGES = ("sentry-sdk", "flask", "websockets")
PYTHON_PROGRAMS = ("basics.py", "unhandled.py", "checkout.py", "web.py", "tasks.py", "sockets.py")
NODE_PROGRAMS = (
    ("errors.js",),
    ("errors.js", "unhandled-rejection"),
    ("errors.js", "uncaught-exception"),
    ("server.js", "stream"),
    ("server.js", "static"),
    ("browser.js",),
)
TIMEOUT_SECONDS = 300
HARDWARE = re.compile(r'"(memory_size|free_memory|app_memory|processor_count)": \d+')


def run(directory: Path, *command: str, captured: Path) -> None:
    """Run a command in the neutral directory; programs that die of their exception are as they should be."""
    print("+", *command, flush=True)
    environment = {**os.environ, "CAPTURE_TO": str(captured)}
    quiet = subprocess.DEVNULL
    subprocess.run(
        command, cwd=directory, env=environment, stdout=quiet, stderr=quiet, timeout=TIMEOUT_SECONDS, check=False
    )


def capture_python(directory: Path, captured: Path) -> None:
    """Install the Python SDK beside the programs and run them."""
    shutil.copytree(HERE / "python", directory, dirs_exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", directory / ".venv"], check=True)
    python = str(directory / ".venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "-U", *PYTHON_PACKAGES], check=True)
    for program in PYTHON_PROGRAMS:
        run(directory, python, program, captured=captured)


def capture_node(directory: Path, captured: Path) -> None:
    """Install the JavaScript SDKs beside the programs and run them."""
    shutil.copytree(HERE / "node", directory, dirs_exist_ok=True)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=directory, check=True)
    for program in NODE_PROGRAMS:
        run(directory, "node", *program, captured=captured)


def neutral(text: str) -> str:
    """Return a payload's text without what tells of this machine."""
    text = text.replace(sys.base_prefix, "/usr/local").replace(json.dumps(socket.gethostname()), '"host-1"')
    text = text.replace(platform.release(), "6.1.0-13-amd64")
    return HARDWARE.sub(lambda found: f'"{found[1]}": 4' if "count" in found[1] else f'"{found[1]}": 8589934592', text)


def main() -> None:
    """Run everything and put the payloads into ``schemas/examples``."""
    parser = argparse.ArgumentParser(description="Capture the example payloads from real SDKs.")
    parser.add_argument("--directory", type=Path, default=Path("/srv/app"), help="where the programs run")
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        captured = Path(temporary)
        capture_python(directory, captured)
        capture_node(directory, captured)
        for payload in sorted(captured.glob("*/*.json")):
            text = neutral(payload.read_text(encoding="utf-8"))
            target = EXAMPLES / payload.relative_to(captured)
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
            print(f"{target.relative_to(EXAMPLES)}: {len(json.dumps(json.loads(text), separators=(',', ':')))} bytes")


if __name__ == "__main__":
    main()
