"""TCP ports on the loopback: find a free one, or say which option moves a server off a taken one."""

from __future__ import annotations

import random
import socket

from pipeline.errors import Misconfigured, Unavailable

LOOPBACK = "127.0.0.1"

# Below Linux's and macOS's ranges for outgoing connections (from 32768 and 49152), so that no client socket takes
# the port between the moment it is chosen and the moment the server binds it, or while a server restarts.
_CHOICE = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on ``port`` of the loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a free port of the loopback, at random so that stacks started at the same time seldom meet.

    Raises :class:`~pipeline.errors.Unavailable` when a hundred tries find none.
    """
    for port in random.sample(_CHOICE, 100):
        if is_free(port):
            return port
    raise Unavailable(f"no free TCP port found on {LOOPBACK} between {_CHOICE.start} and {_CHOICE.stop - 1}")


def require_free(port: int, component: str, option: str) -> None:
    """Raise :class:`~pipeline.errors.Misconfigured` if ``port`` is taken, naming the option that chooses another."""
    if not is_free(port):
        raise Misconfigured(
            f"port {port} on {LOOPBACK}, which {component} needs, is taken by another program: "
            f"stop that program or choose another port with {option}"
        )
