"""Elixir's and Dart's frames, and what can be said of a platform that nobody named."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, LIBRARY, RUNTIME, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

_NAMELESS = frozenset({"", "?", "<anonymous>", "<unknown>", "<lambda>", "anonymous", "(anonymous)"})
_ARITY = re.compile(r"/\d+$")
_ANONYMOUS_IN = re.compile(r"^anonymous fn/\d+ in |^-(?P<owner>.+?)/\d+-(?:fun|lc|inlined)-\d+-$")
_DART_CLOSURE = re.compile(r"\.?<(?:anonymous closure|fn)>")
_INSTALLED = re.compile(
    r"(?:^|/)(?:site-packages|node_modules|vendor|third_party|deps|gems|pkg/mod|\.cargo|\.pub-cache)/"
)
_ERLANG = re.compile(
    r"^(?::|(?:Elixir\.)?(?:GenServer|Task|Enum|Kernel|Agent|Supervisor|Stream|Process|Map|List|String)(?:\.|$)|gen_|proc_lib|lists|timer|ets)"
)
_ELIXIR_LIBRARY = re.compile(
    r"^(?:Elixir\.)?(?:Phoenix|Plug|Ecto|DBConnection|Bandit|Cowboy|Absinthe|Oban|Sentry|Postgrex|Tesla)(?:\.|$)|^cowboy|^ranch"
)


def _name(function: str, _frame: Frame) -> str:
    return ANONYMOUS if function in _NAMELESS else function


def _place(frame: Frame) -> str:
    return frame.module or normal_path(frame.filename or frame.abs_path or frame.package or "")


def _nearness(frame: Frame) -> int:
    return LIBRARY if _INSTALLED.search(frame.abs_path or frame.filename or "") else APP


def _elixir_name(function: str, _frame: Frame) -> str:
    found = _ANONYMOUS_IN.match(function)
    if found:
        function = found["owner"] or function[found.end() :]
    return _ARITY.sub("", function)


def _elixir_nearness(frame: Frame) -> int:
    module = frame.module or frame.function or ""
    if _ERLANG.match(module):
        return RUNTIME
    if _ELIXIR_LIBRARY.match(module):
        return LIBRARY
    return _nearness(frame)


def _dart_name(function: str, _frame: Frame) -> str:
    return _DART_CLOSURE.sub("", function).removeprefix("new ") or ANONYMOUS


def _dart_nearness(frame: Frame) -> int:
    path = frame.abs_path or frame.filename or ""
    if path.startswith(("dart:", "org-dartlang-sdk:")) or "dart-sdk/" in path:
        return RUNTIME
    library = path.startswith("package:") and path.partition("/")[0] in _DART_LIBRARIES
    return LIBRARY if library else _nearness(frame)


_DART_LIBRARIES = frozenset(
    f"package:{name}"
    for name in (
        "flutter",
        "sentry",
        "sentry_flutter",
        "http",
        "dio",
        "bloc",
        "flutter_bloc",
        "provider",
        "riverpod",
        "rxdart",
        "stack_trace",
    )
)

OTHER: Platform = Platform("other", _name, _place, _nearness)
ELIXIR: Platform = Platform("elixir", _elixir_name, _place, _elixir_nearness)
DART: Platform = Platform("dart", _dart_name, _place, _dart_nearness, trusts_in_app=False)
