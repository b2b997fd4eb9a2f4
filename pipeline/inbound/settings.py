"""What is let in, as data: ``[filter]``, ``[[filter.for]]`` and ``[[sample]]`` in the settings. Pure."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from msgspec import Meta, Struct

Globs = tuple[str, ...]
"""Globs: ``*`` is any text, ``?`` any one character; they cover the whole value and ignore case."""

Kind = Literal["error", "transaction", "span", "log", "session"]


class FilterSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which events are dropped before anything is done with them.

    ``messages`` are globs over ``Type: value`` of the exception raised last, or over the log message. ``addresses`` are
    addresses or networks such as ``10.0.0.0/8``. The switches drop what they name; one that is not set says nothing.

    Raises:
        ValueError: an address is none.
    """

    environments: Globs = ()
    messages: Globs = ()
    releases: Globs = ()
    transactions: Globs = ()
    addresses: tuple[str, ...] = ()
    development: bool | None = None
    browser_extensions: bool | None = None
    legacy_browsers: bool | None = None
    crawlers: bool | None = None
    localhost: bool | None = None
    health_checks: bool | None = None
    third_party_noise: bool | None = None
    network_noise: bool | None = None

    def __post_init__(self) -> None:
        for address in self.addresses:
            try:
                ipaddress.ip_network(address, strict=False)
            except ValueError:
                # With the place at the end, as msgspec says it of everything else.
                raise ValueError(
                    "neither an address nor a network: write 192.0.2.7 or 10.0.0.0/8 - at `$.addresses`"
                ) from None


class PlaceFilterSettings(FilterSettings, frozen=True, forbid_unknown_fields=True):
    """Filters for some projects and environments, on top of ``[filter]``: ``[[filter.for]]``.

    Lists are added to the ones before; a switch that is set here counts more than the ones before.
    """

    project: str = "*"
    environment: str = "*"


class SampleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of what comes is kept: ``[[sample]]``. The first table that fits decides.

    ``rate`` is the part that is kept: 1 all, 0.1 a tenth, 0 nothing. Without ``type`` it is for every type; the other
    fields are globs. ``transaction`` is the name of a transaction, also of the one that an error happened in.
    """

    rate: Annotated[float, Meta(ge=0, le=1)]
    type: Kind | None = None
    project: str = "*"
    environment: str = "*"
    release: str = "*"
    transaction: str = "*"


class InboundPolicy(Struct, frozen=True):
    """All of it."""

    filter: FilterSettings = FilterSettings()
    places: tuple[PlaceFilterSettings, ...] = ()
    samples: tuple[SampleSettings, ...] = ()
