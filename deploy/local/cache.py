"""Fill a directory of the user's cache once: whole or not at all, one process at a time."""

from __future__ import annotations

import fcntl
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.config.places import cache_directory
from pipeline.errors import Misconfigured, Unavailable

_MEGABYTE = 1_000_000


class DownloadError(Exception):
    """A download that did not succeed; the text says why in a few words."""


def cached(name: str, fill: Callable[[Path], None], *, title: str, need_megabytes: int, option: str) -> Path:
    """Return the cache's directory ``name``, after ``fill(directory)`` has filled it if it is not there yet.

    ``fill`` works in a directory beside the final place, which is moved there only after it returned, so a broken
    download never looks like a finished one. ``need_megabytes`` is the free disk space that filling takes; ``title``
    is what the progress line calls it, ``option`` the one that makes it unnecessary. Raises
    :class:`~pipeline.errors.Misconfigured` when the cache cannot be written or the disk is too full,
    :class:`~pipeline.errors.Unavailable` when ``fill`` raises :class:`DownloadError`, and whatever else it raises.
    """
    place = cache_directory() / name
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(place.with_name(place.name + ".lock"), title):
            if not place.is_dir():
                _fill(place, fill, title, need_megabytes)
    except DownloadError as error:
        raise Unavailable(
            f"could not download {title}: {error}. Check the network and the package manager's registry setting; "
            f"without a network, copy {place} from a machine that has it, or name an existing server with {option}"
        ) from error
    except OSError as error:
        raise Misconfigured(
            f"cannot write {title} to {place.parent} ({error.strerror}): "
            "make room or name another directory in AFTERSHOCK_CACHE"
        ) from error
    return place


def _fill(place: Path, fill: Callable[[Path], None], title: str, need_megabytes: int) -> None:
    free = shutil.disk_usage(place.parent).free // _MEGABYTE
    if free < need_megabytes:
        raise Misconfigured(
            f"{title} needs {need_megabytes} MB in {place.parent}, which has {free} MB left: "
            "make room or name another directory in AFTERSHOCK_CACHE"
        )
    for left_over in place.parent.glob(f".{place.name}.*"):
        shutil.rmtree(left_over, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        with _progress(title, work):
            fill(work)
        work.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _only_one(lock: Path, title: str) -> Iterator[None]:
    """Hold an advisory lock on ``lock``; the kernel gives it up even if this process is killed."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{title}: another process is downloading it, waiting for that", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _progress(title: str, work: Path, stream: TextIO | None = None) -> Iterator[None]:
    """Show one line with the megabytes that have arrived in ``work``: live on a terminal, at both ends elsewhere."""
    out = stream or sys.stderr
    begun = time.monotonic()
    done = threading.Event()

    def line(state: str) -> str:
        return f"{title}: {state}, {_size(work) // _MEGABYTE} MB, {time.monotonic() - begun:.0f} s"

    def show() -> None:
        while not done.wait(0.5):
            print(f"\r{line('downloading')}\033[K", end="", file=out, flush=True)

    live = out.isatty()
    ticker = threading.Thread(target=show, name="download-progress", daemon=True)
    print(f"{title}: downloading, this is done once", file=out, end="" if live else "\n", flush=True)
    if live:
        ticker.start()
    try:
        yield
    except BaseException:
        state = "failed"
        raise
    else:
        state = "ready"
    finally:
        done.set()
        if live:
            ticker.join()
        print(("\r" if live else "") + line(state) + ("\033[K" if live else ""), file=out, flush=True)


def _size(directory: Path) -> int:
    total = 0
    for file in directory.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # the download moves its files about
            continue
    return total
