"""Guesses: clients that keep sending keys that do not fit are kept from trying on. Pure; time is an argument.

What counts is the address, for IPv6 its network of 64 bits, and the minute. Behind one address may be many programs, of
which one has an old key: those whose keys were taken from it since the first failure go on as before.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

from pipeline.gateway.rejection import Rejected

MINUTE_S = 60
MOST_ADDRESSES = 10_000
"""How many addresses with failures are remembered; the one whose last failure is longest ago makes room."""

MOST_KEYS = 32
"""How many keys that were taken are remembered of such an address."""

FAILURES = frozenset({"auth", "project"})
"""The outcomes of requests that count."""


class _Address(Struct):
    minute: int
    failures: int
    keys: set[str]


class Guesses:
    """Counts failures by address.

    Args:
        most: how many failures an address has a minute; 0 for any number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._addresses: OrderedDict[str, _Address] = OrderedDict()

    def check(self, address: str, key: str | None, now_s: float) -> None:
        """Let a request pass, or not.

        Args:
            address: the client's; empty for one that is not known, which passes.
            key: the key that the request's headers or query have, if any.
            now_s: seconds since 1970.

        Raises:
            Rejected: there were too many failures from this address.
        """
        known = self._addresses.get(network_of(address)) if self._addresses else None
        if known is None or known.failures < self._most or key in known.keys:
            return
        minute = int(now_s // MINUTE_S)
        if known.minute == minute:
            left = max(1, int((minute + 1) * MINUTE_S - now_s + 0.999))
            raise Rejected(429, "guessing", "too many requests with a wrong key", retry_after_s=left)

    def failed(self, address: str, now_s: float) -> None:
        """Count a failure."""
        if not self._most or not address:
            return
        network, minute = network_of(address), int(now_s // MINUTE_S)
        known = self._addresses.get(network)
        if known is None:
            if len(self._addresses) >= MOST_ADDRESSES:
                self._addresses.popitem(last=False)
            known = self._addresses[network] = _Address(minute, 0, set())
        elif known.minute != minute:
            known.minute, known.failures = minute, 0
        known.failures += 1
        self._addresses.move_to_end(network)

    def succeeded(self, address: str, key: str) -> None:
        """Remember a key that was taken, if the address has failures."""
        known = self._addresses.get(network_of(address)) if self._addresses else None
        if known is not None and len(known.keys) < MOST_KEYS:
            known.keys.add(key)


def network_of(address: str) -> str:
    """Return what of an address belongs to one customer: all of an IPv4 one, the first 64 bits of an IPv6 one."""
    if ":" not in address or "." in address:
        return address
    head, gap, _ = address.partition("::")
    groups = head.split(":") if head else []
    return ":".join((groups + ["0"] * 4 if gap else groups)[:4])
