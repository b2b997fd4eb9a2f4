"""Run a command that ends when the process which started it ends, however that one ends.

Run as a script, with the standard library only, so that it starts in milliseconds:
``python -I -S child.py PARENT_PID COMMAND...``.

On Linux the kernel does the work (``PR_SET_PDEATHSIG``, prctl(2)) and this process becomes the command. Elsewhere
this process stays, looks at its parent every quarter of a second, and kills the command once the parent has gone.
The kernel's signal is tied to the *thread* that started the child, so children have to be started from a thread that
lives as long as they shall.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.25


def become(parent: int, command: list[str]) -> None:
    """Ask the kernel for SIGKILL at the parent's death, then turn into ``command``. Linux only; does not return."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the request was in place; then this process has been handed to another one.
    if os.getppid() != parent:
        os._exit(1)
    os.execvp(command[0], command)  # noqa: S606  the command comes from the launchers of this package


def watch(parent: int, command: list[str]) -> int:
    """Run ``command`` beside this process, kill it when ``parent`` has gone, and return its exit code."""
    child = subprocess.Popen(command)

    def forward(signum: int, _frame: FrameType | None) -> None:
        child.send_signal(signum)

    signal.signal(signal.SIGTERM, forward)
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(_LOOK_SECONDS)
    return child.returncode


def main() -> int:
    """Run the command named on the command line."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        become(parent, command)
    return watch(parent, command)


if __name__ == "__main__":
    sys.exit(main())
