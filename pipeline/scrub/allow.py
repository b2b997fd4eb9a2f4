"""Values that a policy leaves alone: exact ones, globs, and networks."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from pipeline.payload.globs import compile_globs

_FILLERS: Final = re.compile(rb"[\x01\x02]+")


class Allowed:
    """A compiled allow-list; empty lists cost nothing."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._exact: set[str] = set()
        wild: list[str] = []
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            network = _network(entry)
            if network is not None:
                self._networks.append(network)
            elif "*" in entry or "?" in entry:
                wild.append(entry)
            else:
                self._exact.add(entry.lower())
        self._is_wild = compile_globs(wild)
        self.empty = not entries

    def __contains__(self, flat: bytes) -> bool:
        """Whether a finding, in its flat form, is on the list."""
        value = _FILLERS.sub(b"", flat).decode("utf-8", "replace").lower()
        if value in self._exact or self._is_wild(value):
            return True
        if not self._networks:
            return False
        try:
            address = ip_address(value)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None
