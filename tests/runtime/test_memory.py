"""The heap that all threads of a worker share."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

_COUNT_HEAPS = """
import ctypes, sys, threading
from pipeline.runtime.memory import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(4)

def allocate():
    together.wait()
    for _ in range(1000):
        libc.malloc(ctypes.c_size_t(10_000))
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_threads_allocate_from_one_heap_once_it_is_shared(tmp_path: Path) -> None:
    """glibc's own account of its heaps; without sharing, threads that allocate at once get several."""
    heaps = {}
    for how in ("shared", "usual"):
        report = tmp_path / how
        subprocess.run([sys.executable, "-c", _COUNT_HEAPS, how, str(report)], check=True, timeout=60)
        heaps[how] = report.read_text().count("<heap nr=")
    assert heaps["shared"] == 1
    assert heaps["usual"] > 1
