"""Reports that browsers send by themselves: what was blocked, by which directive, at which host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from schemas.event import NOTHING, Event

_SUFFIXES = ("-elem", "-attr")
_LOCAL = frozenset(
    {
        "",
        "self",
        "inline",
        "eval",
        "wasm-eval",
        "unsafe-inline",
        "unsafe-eval",
        "trusted-types-policy",
        "trusted-types-sink",
    }
)
_HOST_KINDS = ("hpkp", "expectct", "expectstaple")


def _body(raw: msgspec.Raw) -> Mapping[str, Any]:
    """Return a report's fields with underscores for dashes, whatever envelope it stands in; none for ``null``."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return {}
    for inside in ("csp-report", "csp_report", "body", "expect-ct-report", "expect_ct_report"):
        if isinstance(found, dict) and isinstance(found.get(inside), dict):
            found = found[inside]
    if not isinstance(found, dict):
        return {}
    return {_snake(str(key)): value for key, value in found.items()}


def _snake(key: str) -> str:
    """Return ``blocked-uri`` and ``blockedURL`` (of the Reporting API) as ``blocked_uri``."""
    known = {"blockedURL": "blocked_uri", "documentURL": "document_uri", "effectiveDirective": "effective_directive"}
    return known.get(key, key.replace("-", "_"))


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _host(uri: str) -> str:
    if "://" not in uri:
        return ""
    try:
        return (urlsplit(uri).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _blocked(report: Mapping[str, Any]) -> str:
    """Return what was blocked: a host, ``self``, ``inline`` or ``eval``, or the scheme of anything else."""
    uri = _text(report.get("blocked_uri")).strip("'")
    if uri in _LOCAL:
        return uri.removeprefix("unsafe-") or "inline"
    host = _host(uri)
    if host:
        return "self" if host == _host(_text(report.get("document_uri"))) else host
    scheme, colon, rest = uri.partition(":")
    if colon and not rest.startswith("//") and "." in scheme:
        return scheme.lower()
    return (scheme if colon else uri.partition("/")[0]).lower()


def _directive(report: Mapping[str, Any]) -> str:
    named = _text(report.get("effective_directive")) or _text(report.get("violated_directive"))
    name = (named.split() or ["unknown"])[0].lower()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def report_components(event: Event) -> tuple[str, list[str], str] | None:
    """Return rule, components and title of a browser's report; ``None`` for an event that is none."""
    if event.csp != NOTHING:
        report = _body(event.csp)
        if report:
            directive, blocked = _directive(report), _blocked(report)
            return "csp", [f"directive: {directive}", f"blocked: {blocked}"], f"Blocked '{directive}' from '{blocked}'"
    for kind in _HOST_KINDS:
        raw = getattr(event, kind)
        report = _body(raw) if raw != NOTHING else {}
        if report:
            host = _text(report.get("hostname")).lower() or "unknown"
            return kind, [f"report: {kind}", f"host: {host}"], f"{kind} failed for '{host}'"
    return None
