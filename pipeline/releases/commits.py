"""Commits: what Git says of the commits of a directory, newest first."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline.errors import Misconfigured
from schemas.release import Commit

_FIELDS = ("%H", "%an", "%ae", "%aI", "%B")
_BEGIN, _BETWEEN = "\x1e", "\x1f"
GIT_S = 60


def commits_of(directory: Path, since: str, most: int, repository: str) -> list[Commit]:
    """Return commits with the files that they changed.

    Args:
        directory: in a Git repository.
        since: a commit, tag or branch whose commits are left out; empty for none.
        most: the most commits.
        repository: what the repository is called; empty for the path of its remote ``origin``.

    Raises:
        Misconfigured: there is no Git, no repository, or no such commit.
    """
    revisions = f"{since}..HEAD" if since else "HEAD"
    pattern = _BEGIN + _BETWEEN.join((*_FIELDS, ""))
    text = _git(
        directory, "log", f"--max-count={most}", "--name-only", f"--format={pattern}", "--end-of-options", revisions
    )
    name = repository or _remote(directory)
    return [_commit(entry, name) for entry in text.split(_BEGIN)[1:]]


def _commit(entry: str, repository: str) -> Commit:
    identity, name, email, timestamp, message, files = entry.split(_BETWEEN, 5)
    paths = [path for path in files.split("\n") if path]
    return Commit(identity, repository, message.strip(), name, email, timestamp, paths)


def _remote(directory: Path) -> str:
    """Return ``acme/shop`` of ``git@github.com:acme/shop.git``; the directory's name without a remote."""
    try:
        url = _git(directory, "remote", "get-url", "origin").strip()
    except Misconfigured:
        return directory.resolve().name
    return "/".join(url.removesuffix("/").removesuffix(".git").replace(":", "/").split("/")[-2:])


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misconfigured(f"git could not be run ({type(error).__name__}): install it, or try again") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0].rstrip(".")
        raise Misconfigured(
            f"git {arguments[0]}: {said or 'failed'}; name a Git repository with --directory and what it has with "
            "--since, or name the commits with --commit"
        )
    return done.stdout.decode("utf-8", "replace")
