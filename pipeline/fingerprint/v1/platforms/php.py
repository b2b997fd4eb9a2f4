"""PHP's frames: closures, anonymous classes and compiled templates."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, LIBRARY, RUNTIME, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

# 8.4 writes `{closure:App\\Orders::find():42}`, earlier versions `App\\{closure}`, both perhaps after the class.
_CLOSURE = re.compile(r"(?:\w+\\)*\{closure(?:[^{}]|\{[^{}]*\})*\}$")
_ANONYMOUS_CLASS = re.compile(r"@anonymous.*?(?=::|->|$)", re.DOTALL)
_COMPILED = re.compile(r"(?:^|/)(?:storage/framework/views|var/cache/[^/]+/twig|templates_c|cache/twig)/.*$")
_TWIG = re.compile(r"__TwigTemplate_[0-9a-f]{8,}(?:___\d+)?")
_PROXY = re.compile(r"Proxies\\__CG__\\|\\?__PM__\\|(?<=\w)_[0-9a-f]{7}(?=::)|Ghost[0-9a-f]{7}|Proxy[0-9a-f]{7}")

_INSTALLED = re.compile(r"(?:^|/)vendor/(?!.*/app/)|(?:^|/)(?:wp-includes|wp-admin)/|(?:^|/)pear/|^phar:")
_LIBRARY_CLASS = re.compile(
    r"^\\?(?:Illuminate|Symfony|Doctrine|Laravel|GuzzleHttp|Monolog|Twig|Psr|Sentry|Composer|Carbon|Predis|PHPUnit|Laminas|Zend|Cake|yii|CodeIgniter|Slim|League)\\"
)


def _name(function: str, _frame: Frame) -> str:
    function = _TWIG.sub("__TwigTemplate", _PROXY.sub("", function))
    function = _CLOSURE.sub("{closure}", function)
    function = _ANONYMOUS_CLASS.sub("@anonymous", function)
    return ANONYMOUS if function == "{closure}" else function.replace("->", "::").lstrip("\\")


def _place(frame: Frame) -> str:
    function = frame.function or ""
    # A qualified name already says where the function lives, whatever directory it was deployed to.
    if "\\" in _CLOSURE.sub("", function) and "@anonymous" not in function:
        return ""
    path = normal_path(frame.filename or frame.abs_path or "")
    return _COMPILED.sub("<template>", path)


def _nearness(frame: Frame) -> int:
    path = (frame.abs_path or frame.filename or "").replace("\\", "/")
    if path in ("", "[internal]", "internal") or (frame.filename or "") == "[internal]":
        return RUNTIME
    if _INSTALLED.search(path):
        return LIBRARY
    return LIBRARY if _LIBRARY_CLASS.match(frame.function or "") and not path.startswith("/") else APP


PLATFORM: Platform = Platform("php", _name, _place, _nearness, trusts_in_app=False)
