"""What may not be found where: places whose numbers are ids, versions or times, whatever they look like."""

from __future__ import annotations

import re
from typing import Final

from pipeline.scrub.kinds import CARD, EMAIL, IBAN, IMEI, IP, MAC, PHONE, SSN, USER

_NUMERIC: Final = frozenset((CARD, SSN, PHONE, IP, IBAN, MAC, IMEI))

_IDENTIFIERS: Final = frozenset(
    b"""
    event_id dist release trace_id span_id parent_span_id segment_id replay_id profile_id profiler_id debug_id code_id
    build_id image_addr image_size image_vmaddr instruction_addr symbol_addr timestamp start_timestamp
    end_timestamp received lineno colno function raw_function module package symbol code_file debug_file
    exclusive_time sampled_at build_number commit commit_sha sha checksum etag fingerprint route
    transaction_id request_id correlation_id thread_id thread.id process.pid sentry.trace sentry-trace
    traceparent x-request-id x-correlation-id x-amzn-trace-id
    """.split()
)
"""Keys whose values are ids, times and names that programs give; numbers in them are no person's."""

_VERSIONS: Final = re.compile(rb"(?:version|release|build|^dist|revision|^sdk|useragent_os|kernel)", re.IGNORECASE)
_PATHS: Final = frozenset((b"filename", b"abs_path"))
_ROUTES: Final = frozenset(
    (b"transaction", b"url", b"path", b"route", b"name", b"endpoint", b"path_info", b"request_uri", b"raw_uri")
)
_VERSION_SECTIONS: Final = frozenset(("modules", "sdk", "debug_meta", "release", "dist"))
_RELEASES: Final = frozenset((b"release", b"dist"))
"""Keys of releases, whose names may look like addresses: ``shop@1.2.3``."""


def barred(owner: bytes | None, kind: str) -> bool:
    """Whether findings of ``kind`` in the value of ``owner`` are none, by the key alone."""
    if owner is None:
        return False
    owner = owner.lower()
    if kind == EMAIL:
        return owner in _RELEASES
    if kind == USER:
        return owner in _ROUTES
    if kind in _NUMERIC and (owner in _IDENTIFIERS or owner in _PATHS):
        return owner != b"fingerprint" or kind not in (CARD, IBAN)
    return kind == IP and _VERSIONS.search(owner) is not None


def barred_in_section(section: str, owner: bytes | None, kind: str) -> bool:
    """Whether findings of ``kind`` are none in a section of the event: versions, and numbers as ``user.id``."""
    if kind == IP:
        return section in _VERSION_SECTIONS
    return section == "user" and owner == b"id" and kind in (CARD, SSN, IBAN, MAC, IMEI)


def asks_for_section(owner: bytes | None, kind: str) -> bool:
    """Whether the section can matter at all (finding it costs more than the key)."""
    return kind == IP or (owner == b"id" and kind in _NUMERIC)
