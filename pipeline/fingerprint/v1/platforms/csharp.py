"""Frames of .NET: state machines of async methods and iterators, closures, local functions, generics."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import APP, LIBRARY, RUNTIME, SHIM, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

_STATE_MACHINE = re.compile(r"[.+]?<(?P<name>[^<>|]+)>d(?:__\d+)?(?:`\d+)?")
# The state machine of an async lambda or local function: `<<Main>b__0>d`, `<<Main>g__Load|0_1>d`.
_NESTED = re.compile(r"[.+]?<<(?P<outer>[^<>]*)>(?:b__[\d_|]+|g__(?P<local>\w+)\|[\d_]+)>d(?:__\d+)?(?:`\d+)?")
_LAMBDA = re.compile(r"<(?P<name>[^<>]*)>b__[\d_|]+(?:\.MoveNext)?")
_LOCAL = re.compile(r"<(?P<outer>[^<>]*)>g__(?P<name>\w+)\|[\d_]+")
_CLOSURE_CLASS = re.compile(r"[.+]?<>c(?:__DisplayClass\d+_\d+)?(?:`\d+)?(?=$|[.+])|[.+]?<>c__\w+")
_ARITY = re.compile(r"`\d+(?:\[\[.*?\]\]|\[[^\]\[]*\])?|\[T[\w, ]*\]")
_PARAMETERS = re.compile(r"\(.*\)$", re.DOTALL)
_GENERATED = re.compile(r"@\d+(?:-\d+)*")
_DYNAMIC = re.compile(r"^lambda_method\d*$|^dynamic_method$")
_BACKTICK = re.compile(r"\{[^{}]*\}$")

_RUNTIME = re.compile(
    r"^(?:System|Microsoft\.(?:CSharp|VisualBasic|Win32|CodeAnalysis)|Interop|Internal|mscorlib|Mono|MS\.Internal)(?:\.|$)"
)
_LIBRARY = re.compile(
    r"^(?:Microsoft|Newtonsoft|Npgsql|Dapper|Serilog|NLog|Sentry|Autofac|AutoMapper|MediatR|Polly|RestSharp|Grpc|"
    r"MySql|MongoDB|StackExchange|RabbitMQ|MassTransit|Hangfire|Quartz|FluentValidation|Castle|Xunit|NUnit|Moq|Amazon|"
    r"Azure|Google|Confluent|Orleans|Swashbuckle|IdentityServer4|OpenTelemetry|UnityEngine|UnityEditor|Xamarin|Android|Java|Foundation|UIKit|Cysharp|Refit|Elasticsearch|Nest|Oracle|Humanizer)(?:\.|$)"
)


def _written_in(module: str) -> tuple[str, str | None]:
    """Return a class and, where the class was generated for a method, the method's name."""
    method = None
    nested = _NESTED.search(module)
    if nested:
        method = nested["local"] or nested["outer"]
        module = module[: nested.start()] + module[nested.end() :]
    found = _STATE_MACHINE.search(module)
    if found:
        method = found["name"]
        module = module[: found.start()] + module[found.end() :]
    return _ARITY.sub("", _CLOSURE_CLASS.sub("", module)).replace("+", ".").rstrip("."), method


def _name(function: str, frame: Frame) -> str:
    method = _written_in(frame.module)[1] if frame.module else None
    function = _GENERATED.sub("", _PARAMETERS.sub("", function))
    if _DYNAMIC.match(function):
        return SHIM
    for pattern in (_LOCAL, _LAMBDA, _STATE_MACHINE):
        found = pattern.search(function)
        if found:
            return found["name"] or "<anonymous>"
    if function == "MoveNext" and method:
        return method
    return _BACKTICK.sub("", _ARITY.sub("", function)).rpartition(" ")[2].removesuffix(".MoveNext")


def _place(frame: Frame) -> str:
    if frame.module:
        return _written_in(frame.module)[0]
    return normal_path(frame.filename or frame.abs_path or frame.package or "")


def _nearness(frame: Frame) -> int:
    module = frame.module or frame.function or ""
    if _RUNTIME.match(module):
        return RUNTIME
    return LIBRARY if _LIBRARY.match(module) else APP


PLATFORM: Platform = Platform("csharp", _name, _place, _nearness)
