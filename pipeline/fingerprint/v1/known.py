"""Failures whose stack says nothing: every page load, render or overflow has another one."""

from __future__ import annotations

import re

from schemas.event import Event

_JAVASCRIPT = frozenset({"javascript", "node"})

_CHUNK_TYPES = frozenset({"ChunkLoadError"})
_CHUNK = re.compile(
    r"Loading (?:CSS )?chunk [^\n]{1,120} failed|Failed to fetch dynamically imported module"
    r"|error loading dynamically imported module|Importing a module script failed|Unable to preload CSS for"
    r"|is not a valid JavaScript MIME type|Failed to load module script|Failed to load chunk "
)
_HYDRATION_TYPES = frozenset({"HydrationError", "Hydration Error"})
_HYDRATION = re.compile(
    r"[Hh]ydrat(?:ion failed|ing)|while hydrating|during hydration|Text content (?:does"
    r"|did) not match server-rendered HTML"
    r"|server[- ]rendered (?:HTML|text) didn't match the client|does not match server-rendered HTML"
    r"|Minified React error #(?:418|419|421|422|423|425)\b|[Hh]ydration (?:completed|node mismatch"
    r"|text mismatch|mismatch|error)"
    r"|Expected server HTML to contain|Did not expect server HTML to contain"
    r"|Text content did not match\. Server:"
    r"|Suspense boundary received an update before it finished hydrating"
)
_PLACELESS = re.compile(r"^(?:ResizeObserver loop |Script error\.?$)")

OVERFLOW_TYPES = frozenset({"RecursionError", "StackOverflowError", "StackOverflowException", "SystemStackError"})
_OVERFLOW = re.compile(
    r"^(?:Maximum call stack size exceeded|too much recursion|maximum recursion depth exceeded"
    r"|stack level too deep"
    r"|Maximum function nesting level|stack overflow|InternalError: too much recursion)|goroutine stack exceeds"
)
_OVERFLOW_CARRIERS = frozenset(
    {"RangeError", "InternalError", "RuntimeError", "Error", "fatal error", "SIGSEGV", "runtime.Error"}
)
_RECORD = re.compile(r"/(?=[^/]*\d)[^/]+|(?<=/)\[[a-z]+\]")


def is_overflow(type_: str, value: str) -> bool:
    """Whether an exception is a stack that ran full: where exactly it did is chance."""
    return type_ in OVERFLOW_TYPES or (type_ in _OVERFLOW_CARRIERS and _OVERFLOW.search(value[:200]) is not None)


def known_failure(event: Event, platform: str, type_: str, value: str) -> tuple[str, list[str]] | None:
    """Return rule and components of a failure that is recognised by what it says; ``None`` for all others.

    A chunk that cannot be loaded is one issue (an old page after a release), a failed hydration is one issue a
    page, a ``ResizeObserver`` loop and a cross-origin ``Script error.`` are one issue wherever they were noticed.
    """
    if platform not in _JAVASCRIPT:
        return None
    text = value[:600]
    if type_ in _CHUNK_TYPES or _CHUNK.search(text):
        return "chunk-load", ["chunk-load"]
    if type_ in _HYDRATION_TYPES or _HYDRATION.search(text):
        return "hydration", ["hydration", f"transaction: {page_of(event)}"]
    if _PLACELESS.match(text):
        return "message", [f"message: {text.split(' l')[0].rstrip('. ')}"]
    return None


def page_of(event: Event) -> str:
    """Return the page an event happened on: its transaction, or the path of its URL, without record ids."""
    if event.transaction:
        return _RECORD.sub("/*", event.transaction)
    url = event.request.url if event.request is not None and event.request.url else ""
    path = re.sub(r"^[a-z]+://[^/]*|[?#].*$", "", url)
    return _RECORD.sub("/*", path) or "/"
