"""Native frames: C, C++, Objective-C and Swift symbols as compilers, linkers and demanglers leave them."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, LIBRARY, RUNTIME, SHIM, Platform
from pipeline.fingerprint.v1.platforms import rust
from schemas.event import Frame

_SUFFIX = re.compile(
    r"(?:\s*\[clone [^\]]*\]|\.(?:isra|part|constprop|cold|lto_priv|llvm|localalias|resume|destroy"
    r"|cleanup)(?:\.?\d+)*|\(\.llvm\.\d+\))+$"
)
_ANONYMOUS_NAMESPACE = re.compile(
    r"\(anonymous namespace\)|`anonymous namespace'|\{anonymous\}|`anonymous-namespace'"
    r"|'anonymous namespace'|_GLOBAL__N_1"
)
_LAMBDA = re.compile(
    r"\$_\d+|\{lambda\([^{}]*\)#\d+\}|<lambda_[0-9a-f]+>|`lambda at [^`']*'|\{unnamed type#\d+\}"
    r"|'lambda\d*'(?:\([^)]*\))?|lambda\d+"
)
_BLOCK = re.compile(
    r"^_{2,}\d+(?P<owner>[-+]\[.*\])_block_invoke(?:[._]\d+)*$"
    r"|^_{2,}(?P<function>\w+?)_block_invoke(?:[._]\d+)*$|^_{2,}[-+]?(?P<method>\[.*\])_block_invoke.*$"
)
_SWIFT = re.compile(
    r"^(?:(?:(?:implicit )?closure #\d+ (?:\(.*\) )?(?:-> .*? )?in|partial apply(?: forwarder)? for|"
    r"(?:generic |function signature )?speciali[sz]ed|reabstraction thunk helper.*? for|thunk for|@objc"
    r"|@nonobjc|merged|"
    r"\(\d+\) (?:suspend|await) resume partial function for|static|dynamic|protocol witness for"
    r"|outlined .*? of|defer #\d+ in|"
    r"(?:generic )?not re-abstracted|function signature specialization .*? of) )+"
)
_IN_CONFORMANCE = re.compile(r" in conformance .*$| \[inlined\]$| -> .*$| throws$| async(?: throws)?$")
_OFFSET = re.compile(r"\s*\+\s*(?:0x[0-9a-f]+|\d+)$", re.IGNORECASE)
_UNKNOWN = frozenset({"", "<unknown>", "??", "???", "<redacted>", "unknown", "(unknown)", "<deduplicated_symbol>"})
_ADDRESS = re.compile(r"^(?:0x)?[0-9a-f]{6,16}$|^sub_[0-9a-f]+$|^fun_[0-9a-f]+$|^Ordinal\d+", re.IGNORECASE)
_QUALIFIER = re.compile(r"(?: (?:const|volatile|noexcept|&&?))+$")
_RETURN = re.compile(
    r"^(?:virtual |static |inline |extern |const |unsigned |struct |class |enum )*[\w:*&]+ (?=[\w:~]+$)"
)
_CRASHING = frozenset(
    {
        "abort", "raise", "__pthread_kill", "pthread_kill", "gsignal", "__assert_fail", "__assert_rtn", "__cxa_throw",
        "__cxa_rethrow", "std::terminate", "_sigtramp", "__restore_rt", "objc_exception_throw", "_objc_terminate",
        "__exceptionPreprocess", "RaiseException", "_CxxThrowException", "KiUserExceptionDispatcher", "__fortify_fail",
        "__stack_chk_fail", "__libc_message", "malloc_printerr", "abort_message", "swift_unexpectedError",
        "_swift_runtime_on_report", "crashpad::CrashpadClient::DumpWithoutCrash", "__GI_raise", "__GI_abort",
        "start_thread",
        "__clone", "clone3",
    }
)  # fmt: skip
_SYSTEM = re.compile(
    r"^(?:/usr/lib/|/lib(?:64|32)?/|/System/|/usr/libexec/|/apex/|/system/|/vendor/lib"
    r"|[A-Za-z]:[\\/]Windows[\\/]|/Library/Apple/|linux-(?:gate|vdso)|\[vdso\])"
    r"|/Developer/.*/(?:iOS|tvOS|watchOS) DeviceSupport/|/CoreSimulator/|/usr/lib/swift/",
    re.IGNORECASE,
)
_SYSTEM_FILES = re.compile(
    r"^(?:libc|libpthread|libm|libdl|libstdc\+\+|libc\+\+|libgcc_s|ld-linux[\w-]*|ld|libdyld"
    r"|libsystem\w*|libobjc|libdispatch|"
    r"libswift\w*|ntdll|kernel32|kernelbase|ucrtbase\w*|vcruntime\w*|msvc\w*|user32|combase|rpcrt4"
    r"|UIKit\w*|CoreFoundation|"
    r"Foundation|AppKit|QuartzCore|GraphicsServices|CFNetwork|SwiftUI|dyld\w*|libart|libandroid_runtime"
    r"|linux-vdso|linux-gate|win32u|ole32|gdi32|d3d\d+\w*|dxgi|"
    r"Security|WebKit|JavaScriptCore|CoreData|Combine|AttributeGraph|nvwgf2\w*|atidxx\w*|libGL\w*"
    r"|libnvidia\w*|libvulkan)(?:[.\-]\S*)?$",
    re.IGNORECASE,
)


def without_arguments(function: str) -> str:
    """Return a C++ symbol without parameters and template arguments, however deep they nest."""
    kept: list[str] = []
    depth = 0
    for index, character in enumerate(function):
        if character in "<(" and not function.startswith(("operator<", "operator("), max(0, index - 8)):
            depth += 1
        elif character in ">)" and depth:
            depth -= 1
        elif not depth:
            kept.append(character)
    return "".join(kept).strip()


def _name(function: str, frame: Frame) -> str:
    function = _SUFFIX.sub("", _OFFSET.sub("", function.strip()))
    if function in _UNKNOWN or _ADDRESS.match(function):
        return SHIM if frame.package is None else ANONYMOUS
    block = _BLOCK.match(function)
    if block:
        function = block["owner"] or block["function"] or block["method"]
    if function.startswith(("-[", "+[")):
        return function
    if rust.is_symbol(function):
        return rust.normal_symbol(function)
    function = _IN_CONFORMANCE.sub("", _SWIFT.sub("", function))
    function = _LAMBDA.sub("{lambda}", _ANONYMOUS_NAMESPACE.sub("{anonymous}", function))
    function = _RETURN.sub("", _QUALIFIER.sub("", without_arguments(function.replace("<unnamed-tag>", "{lambda}"))))
    for sign in ("::{lambda}::operator", "::{lambda}"):
        function = function.partition(sign)[0]
    if function in _CRASHING:
        return SHIM
    return function.removeprefix("{anonymous}::").replace("::{anonymous}::", "::") or ANONYMOUS


def _place(frame: Frame) -> str:
    package = (frame.package or frame.module or "").replace("\\", "/").rpartition("/")[2]
    return re.sub(r"(?:\.so|\.dylib)[.\d]*$|\.(?:exe|dll)$|-[\d.]+(?=\.so)", "", package)


def _nearness(frame: Frame) -> int:
    package = frame.package or ""
    name = package.replace("\\", "/").rpartition("/")[2]
    if package and (_SYSTEM.search(package) or _SYSTEM_FILES.match(name)):
        return RUNTIME
    path = frame.abs_path or frame.filename or ""
    if path.startswith(("/usr/include/", "/rustc/", "/build/glibc")) or "/c++/" in path:
        return RUNTIME
    return LIBRARY if "/third_party/" in path or "/Pods/" in path or "/Frameworks/Sentry" in package else APP


PLATFORM: Platform = Platform("native", _name, _place, _nearness, trusts_in_app=False, reads_source=False)
