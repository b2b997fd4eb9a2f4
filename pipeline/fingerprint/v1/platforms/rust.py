"""Rust's frames: symbol hashes, closures, generics and trait implementations."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import APP, LIBRARY, RUNTIME, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

_HASH = re.compile(r"::h[0-9a-f]{16}$|17h[0-9a-f]{16}(?=E)")
_CLOSURE = re.compile(
    r"::\{\{?(?:closure|vtable\.shim|constructor|async_fn_env|async_block_env|impl|async_block"
    r"|coroutine)[^{}]*\}?\}|\{\{vtable\.shim\}\}"
)
_IMPLEMENTATION = re.compile(r"^<(?P<type>.+?)(?: as (?P<trait>.+?))?>(?=::)")
_IMPL_FOR = re.compile(r"<impl (?:.+ for )?(?P<type>[\w:]+)(?:<.*>)?>")
_ADDRESS = re.compile(r"^0x[0-9a-f]+$")
_CRATE_HASH = re.compile(r"\[[0-9a-f]{16}\]")
_LLVM = re.compile(r"\.llvm\.\d+$|\.cold(?:\.\d+)?$")

_RUNTIME = re.compile(
    r"^<?(?:&?(?:mut |dyn )?)(?:std|core|alloc|proc_macro|test|backtrace|panic_unwind|rust_begin_unwind"
    r"|__rust_\w+|rust_panic\w*|_start|__libc_start\w*|main$|start_thread|clone3?$|__pthread\w*"
    r"|rustc_\w+|compiler_builtins)(?:::|$)"
)
_LIBRARY = re.compile(
    r"^<?&?(?:tokio|futures\w*|actix\w*|axum|hyper\w*|tower\w*|reqwest|rayon\w*|sentry\w*|serde\w*"
    r"|diesel|sqlx\w*|rocket|warp|anyhow|eyre|color_eyre|thiserror|log|tracing\w*|crossbeam\w*|async_\w+"
    r"|tonic|h2|mio|rustls|failure|parking_lot\w*|once_cell|clap|smol|polling|bytes)(?:::|$)"
)
_INSTALLED = re.compile(r"/\.cargo/(?:registry|git)/|/cargo/registry/")
_STANDARD = re.compile(r"^/?rustc/|/rustlib/|/library/(?:std|core|alloc|panic_unwind|backtrace)/")


def _generics(function: str) -> str:
    """Return a path without its type arguments, however deep they nest."""
    kept: list[str] = []
    depth = 0
    previous = ""
    for character in function:
        if character == "<":
            depth += 1
        elif character == ">" and previous != "-":
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(character)
        previous = character
    return "".join(kept).replace("::::", "::").strip(":")


def is_symbol(function: str) -> bool:
    """Whether a native symbol is a Rust one: it ends in a hash, or names a closure Rust's way."""
    return "{{closure}}" in function or _HASH.search(function) is not None


def normal_symbol(function: str) -> str:
    """Return a demangled symbol as a path: ``<shop::Cart as Total>::total::h1a2b…`` gives ``shop::Cart::total``."""
    function = _CRATE_HASH.sub("", _LLVM.sub("", _HASH.sub("", function)))
    function = _CLOSURE.sub("", function)
    function = _IMPL_FOR.sub(lambda found: found["type"], function)
    found = _IMPLEMENTATION.match(function)
    if found:
        owner = found["type"].lstrip("&").removeprefix("mut ").removeprefix("dyn ")
        function = owner + function[found.end() :]
    return _generics(function)


def _name(function: str, _frame: Frame) -> str:
    return "<unknown>" if _ADDRESS.match(function) else normal_symbol(function)


def _place(frame: Frame) -> str:
    function = frame.function or ""
    if "::" in function:
        return ""
    if frame.module:
        return normal_symbol(frame.module)
    return normal_path(frame.filename or frame.abs_path or "")


def _nearness(frame: Frame) -> int:
    path = frame.abs_path or frame.filename or ""
    function = frame.function or ""
    if _STANDARD.search(path) or _RUNTIME.match(function):
        return RUNTIME
    return LIBRARY if _INSTALLED.search(path) or _LIBRARY.match(function) else APP


PLATFORM: Platform = Platform("rust", _name, _place, _nearness, trusts_in_app=False)
