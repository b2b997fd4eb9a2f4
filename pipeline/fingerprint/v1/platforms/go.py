"""Go's frames: packages over paths, closures numbered by their place in the source, receivers and type arguments."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import APP, LIBRARY, RUNTIME, SHIM, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

_TYPE_ARGUMENTS = re.compile(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]")
_CLOSURE = re.compile(r"(?:\.(?:func|gowrap|deferwrap)\d+(?:\.\d+)*|\.\d+|-fm|-range\d+|·\w+)+$")
_INNER_CLOSURE = re.compile(r"\.(?:func|gowrap|deferwrap)\d+(?:\.\d+)*(?:-range\d+)?")
_INITIALIZER = re.compile(r"^(?:init\.\d+|glob\.)$")
_VERSION = re.compile(r"@v[^/]+|/v\d+(?=$|/|\.)")

_INSTALLED = re.compile(r"(?:^|/)(?:pkg/mod|vendor|third_party|Godeps/_workspace)/|@v\d")
_STANDARD_PATH = re.compile(
    r"(?:^|/)(?:libexec|go|go\d[\d.]*|golang|goroot|toolchain@[^/]+)/src/(?!github\.com|gitlab\.com|bitbucket\.org|golang\.org/x)",
    re.IGNORECASE,
)
_STANDARD = re.compile(
    r"^(?:runtime|net|os|io|fmt|sync|time|encoding|database|context|reflect|errors|strings|strconv|bytes|bufio|sort|"
    r"testing|log|html|text|crypto|compress|archive|math|regexp|path|syscall|unicode|go|internal|mime|hash|image|"
    r"container|embed|expvar|flag|index|plugin|slices|maps|iter|unique|weak|cmp|debug)(?:/|$|\.)"
)
_SHARED_HOST = re.compile(
    r"^(?:golang\.org/x|google\.golang\.org|gopkg\.in|go\.uber\.org|go\.opentelemetry\.io|k8s\.io|"
    r"github\.com/(?:getsentry|gin-gonic|gorilla|labstack|go-chi|gofiber|jackc|lib/pq|go-sql-driver|jmoiron|redis|"
    r"go-redis|sirupsen|spf13|stretchr|pkg/errors|valyala|urfave|confluentinc|segmentio|aws/aws-sdk|grpc-ecosystem|nats-io|rs/zerolog)|gorm\.io|"
    r"go\.mongodb\.org|cloud\.google\.com)(?:/|$|\.)"
)


def _name(function: str, _frame: Frame) -> str:
    function = _TYPE_ARGUMENTS.sub("", function)
    function = _split(function)[1]
    function = function.replace("(*", "").replace(")", "").replace("(", "")
    if function.startswith("glob."):
        return "init"
    # A closure of an inlined call names both functions, `main.func2.each.func1`: the last one is where it was written.
    written_in = [part for part in _INNER_CLOSURE.split(_CLOSURE.sub("", function)) if part]
    function = written_in[-1].lstrip(".") if written_in else function
    if function in ("gopanic", "goexit", "panicmem", "sigpanic"):
        return SHIM
    return "init" if _INITIALIZER.match(function) or function.startswith("init.") else function


def _split(function: str) -> tuple[str, str]:
    """Return package and name of a symbol such as ``github.com/acme/shop.(*Server).Handle``."""
    head, slash, tail = function.rpartition("/")
    if not slash:
        return "", function
    package, dot, name = tail.partition(".")
    return (head + "/" + package, name) if dot else ("", function)


def _place(frame: Frame) -> str:
    package = frame.module or _split(_TYPE_ARGUMENTS.sub("", frame.function or ""))[0]
    if package:
        package = package.rpartition("/vendor/")[2] if "/vendor/" in package else package.removeprefix("vendor/")
        return _VERSION.sub("", package)
    return normal_path(frame.abs_path or frame.filename or "")


def _nearness(frame: Frame) -> int:
    path = (frame.abs_path or frame.filename or "").replace("\\", "/")
    package = frame.module or _split(frame.function or "")[0]
    if "/pkg/mod/golang.org/toolchain" in path:
        return RUNTIME
    if _INSTALLED.search(path) or "/vendor/" in package or package.startswith("vendor/"):
        return LIBRARY
    if _STANDARD.match(package) and (package == "runtime" or _is_standard_path(path, package)):
        return RUNTIME
    return LIBRARY if _SHARED_HOST.match(package) else APP


def _is_standard_path(path: str, package: str) -> bool:
    """Whether a file lies where the standard library keeps that package, under any root or none (``-trimpath``)."""
    return not path.startswith("/") or f"/src/{package}/" in path or _STANDARD_PATH.search(path) is not None


PLATFORM: Platform = Platform("go", _name, _place, _nearness, trusts_in_app=False, reads_source=False)
