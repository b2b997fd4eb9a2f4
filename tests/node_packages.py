"""Packages from npm for tests, as a lock file says, installed once a machine; tests skip where they cannot be."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.local.cache import DownloadError, cached
from deploy.local.npm import npm_command
from pipeline.errors import Misconfigured, Unavailable


def installed(lock_directory: Path) -> Path:
    """Return a directory whose ``node_modules`` holds what the lock file in ``lock_directory`` says."""

    def install(directory: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock_directory / name, directory)
        command = [*npm_command(), "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise DownloadError(f"npm ci ended with exit code {done.returncode}")

    digest = hashlib.sha256((lock_directory / "package-lock.json").read_bytes()).hexdigest()[:16]
    try:
        return cached(f"node-sdk/{digest}", install, title="@sentry/node", need_megabytes=300, option="npm")
    except (Misconfigured, Unavailable) as error:
        pytest.skip(f"@sentry/node cannot be installed here: {error}")


def node() -> str:
    """Return the program that runs JavaScript."""
    return shutil.which("node") or npm_command()[0]
