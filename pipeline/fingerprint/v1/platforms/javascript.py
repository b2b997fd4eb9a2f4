"""JavaScript's frames: one function, spelled differently by every engine, in files renamed by every build."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, LIBRARY, RUNTIME, SHIM, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

_NAMELESS = frozenset(
    {
        "", "?", "<anonymous>", "anonymous", "(anonymous)", "(anonymous function)", "Anonymous function", "<unknown>",
        "global code", "Global code", "module code", "eval code", "Eval code", "Function code", "Unknown script code",
        "{anonymous}", "<computed>", "<global>", "eval", "anonymous function", "[anonymous]", "(unknown)", "undefined",
        "<static_initializer>", "<instance_members_initializer>", "null",
    }
)  # fmt: skip
# Functions of SDKs and transpilers that only pass a call on.
_SHIMS = frozenset(
    {
        "sentryWrapped", "wrapped", "asyncGeneratorStep", "_next", "_throw", "tryCatch", "__awaiter", "fulfilled",
        "rejected", "step", "invoke", "maybeInvokeDelegate", "_asyncToGenerator", "__webpack_require__",
        "__require", "__tryCatch", "tryCatcher", "regeneratorRuntime.mark", "zoneAwareCallback", "adopt",
    }
)  # fmt: skip
_AS = re.compile(r"\s*\[as [^\]]*\]\s*$")
_PREFIX = re.compile(
    r"^(?:async\*|setTimeout handler\*|setInterval handler\*|promise callback\*|EventListener\.handleEvent\*"
    r"|(?:[\w.]+ (?:handler|callback)|\w+)\*|async |await |new |get |set |bound |static |function |Async\*)+"
)
# `foo/<`, `foo/bar<`: Firefox's names for a function without one, by the place where it was made.
_INFERRED = re.compile(r"[<\]]$|/<$")
# The body of a module in a bundle: `./src/app.js`, `Module../src/app.js`, `Object.4711`, `__webpack_modules__.17`.
_MODULE_BODY = re.compile(r"^(?:(?:Module|Object|\w)\.)?(?:\.{1,2}/.*|\d{2,})$|^__webpack_modules__\b")
_BABEL = re.compile(r"^_?callee\d*\$?(?:_\d+)?$")
_COUNTER = re.compile(r"^_+(?=[A-Za-z])|(?<=[A-Za-z])\$?\d+$|_anon_\d+_?$")

_SCRIPT = re.compile(r"\.(?:[cm]?[jt]sx?|vue|svelte|jsbundle|bundle|wasm|coffee|astro)$")
_DIGIT = re.compile(r"\d")
_ENGINE = re.compile(
    r"^(?:<anonymous>|\[native code\]|native|native code|node:.*|internal/.*|internal|evalmachine\.<anonymous>"
    r"|\[object Object\]|async_hooks\.js|events\.js|net\.js|fs\.js|_?stream_?[\w/]*\.js|timers\.js|_http_\w+\.js"
    r"|module\.js|dns\.js|vm\.js|util\.js|assert\.js|buffer\.js|child_process\.js|zlib\.js|tls\.js|_tls_\w+\.js"
    r"|url\.js|bootstrap_node\.js|next_tick\.js|undefined|-e|electron/js2c/.*|bun:.*|deno:.*|ext:.*"
    r"|index \d+|InternalBytecode\.js)$"
)
_EXTENSION = re.compile(
    r"^(?:chrome|moz|ms-browser|safari|safari-web|opera|webkit-masked|chrome-untrusted)-?(?:extension)?://(?!localhost)|^resource://|^chrome://|^webkit-masked-url:"
    r"|^user-script:|^extensions/|/extensions/[a-p]{32}/|^about:|^masked-url"
)
_INSTALLED = re.compile(
    r"(?:^|/)node_modules/|(?:^|/)bower_components/|(?:^|/|~)\.yarn/|(?:^|/)webpack/(?:bootstrap|runtime|universal)"
    r"|webpack/runtime/|^webpack:/+webpack/|/~/|(?:^|/)\(webpack\)|(?:^|/)jspm_packages/|^turbopack:///?\[turbopack\]"
    r"|(?:^|/)(?:vendors?|polyfills?|framework|runtime|zone|core-js|jquery|react-dom)(?:~[\w~\-]+)?[\w\-.]*?(?:[.\-][\w\-]+)?(?:\.min)?\.js(?:$|\?)"
    r"|@sentry/|/sentry/scripts/|cdn\.jsdelivr\.net|unpkg\.com|cdnjs\.cloudflare\.com|googletagmanager\.com"
    r"|google-analytics\.com|browser\.sentry-cdn\.com|(?:^|/)raven(?:\.min)?\.js|connect\.facebook\.net"
)
_MODULE_INSTALLED = re.compile(r"(?:^|\.)node_modules\.|^@sentry[./]")


def _bare(function: str) -> str:
    """Return the author's name of a function, whichever engine wrote it down."""
    function = _PREFIX.sub("", _AS.sub("", function.strip()))
    if function in _NAMELESS or _INFERRED.search(function) or _MODULE_BODY.match(function):
        return ANONYMOUS
    # Firefox keeps the path to where a name was given: `setup/this.onClick`, `Foo.prototype.bar`.
    if "/" in function and not function.startswith((".", "/")):
        function = function.rpartition("/")[2]
    last = function.rpartition(".")[2].strip("()[]'\" ")
    if last in _NAMELESS or last.isdigit():
        return ANONYMOUS
    return last


def _name(function: str, _frame: Frame) -> str:
    bare = _bare(function)
    if bare in _SHIMS:
        return SHIM
    if bare is not ANONYMOUS:
        if _BABEL.match(bare):
            return ANONYMOUS
        bare = bare.rstrip("$") or bare
        bare = _COUNTER.sub("", bare) or bare
    return bare


def _node_name(function: str, frame: Frame) -> str:
    # The body of a CommonJS module: whether it is still on the stack depends on what was awaited before.
    return SHIM if function == "Object.<anonymous>" else _name(function, frame)


def _browser_name(function: str, frame: Frame) -> str:
    bare = _name(function, frame)
    # A name of one or two letters is the minifier's, and another one after the next build.
    return ANONYMOUS if 0 < len(bare) <= 2 else bare


def _place(frame: Frame, served: bool = False) -> str:
    module = frame.module
    if module and not module.startswith(("http", "/")) and not _hashed(module):
        return normal_path(module).replace(":", "/").removesuffix(".js")
    path = frame.filename or frame.abs_path or ""
    if path.startswith("node:"):
        return path
    place = normal_path(path, served)
    if "://" in path and not _SCRIPT.search(place):
        # An inline script: the page's own address, of which records and sessions are no part.
        place = "/".join("*" if _DIGIT.search(part) else part for part in place.split("/"))
    return place


def _hashed(module: str) -> bool:
    return any(sign in module for sign in ("?", "://", "\\"))


def _nearness(frame: Frame) -> int:
    path = frame.filename or frame.abs_path or ""
    full = frame.abs_path or path
    if _ENGINE.match(path) or (not path and not frame.module):
        return RUNTIME
    if _EXTENSION.search(full) or _EXTENSION.search(path):
        return RUNTIME
    if _INSTALLED.search(full) or _INSTALLED.search(path):
        return LIBRARY
    if frame.module and _MODULE_INSTALLED.search(frame.module):
        return LIBRARY
    return APP


BROWSER: Platform = Platform(
    "javascript", _browser_name, _place, _nearness, trusts_in_app=False, reads_source=False, cuts_stacks=True
)
NODE: Platform = Platform("node", _node_name, _place, _nearness, cuts_stacks=True)
