"""The gateway's settings: where it listens, its limits, and the projects with their keys."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, Meta(ge=0)]
Category = Literal[
    "all",
    "error",
    "transaction",
    "span",
    "session",
    "attachment",
    "log_item",
    "monitor",
    "feedback",
    "profile",
    "profile_chunk",
    "replay",
    "default",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""The data categories that limits know; ``all`` counts them all."""


class GatewaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How ``aftershock gateway`` listens and how much it takes.

    ``spool`` is a directory on a disk that lasts, where events wait while Kafka is away; ``gateway-spool`` in the
    user's data directory by default. ``proxies`` is how many proxies stand in front and add the address they see to
    ``X-Forwarded-For``; without any, that header is not believed. ``max_wrong_keys`` is how many requests with a wrong
    key a client address has a minute, 0 for any number. With ``certificate_file`` and ``key_file`` it speaks HTTPS.
    With ``max_spool_bytes = 0`` none wait: SDKs are told to come back later. ``repositories`` are the names that
    ``sentry-cli releases set-commits --commit`` may use, such as ``acme/shop``.

    Raises:
        ValueError: there is a certificate without a key, or a key without a certificate.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    max_envelope_bytes: Annotated[int, Meta(ge=1024, le=200 * 1024 * 1024)] = 20 * 1024 * 1024
    max_connections: Annotated[int, Meta(ge=1)] = 2000
    request_timeout_s: Annotated[float, Meta(ge=1, le=300)] = 20.0
    acknowledge_timeout_s: Annotated[float, Meta(ge=0.5, le=30)] = 3.0
    proxies: Annotated[int, Meta(ge=0, le=16)] = 0
    repositories: tuple[str, ...] = ()
    max_wrong_keys: Annotated[int, Meta(ge=0)] = 100
    certificate_file: str = ""
    key_file: str = ""
    spool: str = ""
    max_spool_bytes: Annotated[int, Meta(ge=0)] = 1024 * 1024 * 1024

    def __post_init__(self) -> None:
        if bool(self.certificate_file) != bool(self.key_file):
            missing = "key_file" if self.certificate_file else "certificate_file"
            raise ValueError(f"certificate_file and key_file belong together: set {missing} too")


class SpikeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How far above its norm an hour of a project may be: see :mod:`pipeline.gateway.spikes`."""

    times: Annotated[float, Meta(ge=1, le=1000)] = 10.0
    least: Annotated[int, Meta(ge=0)] = 1000


class ProjectSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A project: ``[[project]]`` in the settings.

    ``name`` is what the tables call it, ``id`` the number at the end of its DSNs. ``keys`` are the public keys: add
    one to rotate, take one out to revoke it. ``origins`` are globs of the web pages that may send, such as
    ``https://*.example.com``; without any, all may. ``per_minute``, ``per_day`` and ``per_month`` limit each key:
    items by data category. ``spike`` turns spike protection on.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    id: Annotated[int, Meta(ge=1, lt=2**53)]
    keys: Annotated[tuple[Key, ...], Meta(min_length=1)]
    origins: tuple[str, ...] = ()
    per_minute: dict[Category, Count] = {}
    per_day: dict[Category, Count] = {}
    per_month: dict[Category, Count] = {}
    spike: SpikeSettings | None = None


class TokenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A token that may say things about the releases of some projects: ``[[token]]`` in the settings.

    ``name`` says whose it is. ``sha256`` is the token's SHA-256 in hexadecimal: the token itself is not kept.
    """

    name: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    projects: Annotated[tuple[str, ...], Meta(min_length=1)]
