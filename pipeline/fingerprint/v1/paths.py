"""File names without what differs from host to host and from build to build."""

from __future__ import annotations

import re

_QUERY = re.compile(r"[?#].*$", re.DOTALL)
_ORIGIN = re.compile(r"^[a-z][a-z0-9+.-]*://[^/]*/?|^(?:file|blob|webpack-internal):/*", re.IGNORECASE)
_BUNDLER = re.compile(
    r"^(?:webpack(?:-internal)?|turbopack|vite|rollup|parcel|ng|app|capacitor|ionic|metro):/*", re.IGNORECASE
)
_DRIVE = re.compile(r"^[A-Za-z]:/+|^//[^/]+/[^/]+/")

# Content hashes that bundlers put into names: `main.3f2a9c1b.js`, `chunk-4QH2ZL7E.mjs`, `index-DiwrgTda.js`.
_NAME_HASH = re.compile(
    r"""[.\-_~](?:
        (?=[a-f]*\d)[0-9a-f]{6,64}                                 # hexadecimal
        | [A-Z0-9]{8}                                              # base 32, in capitals
        | (?=(?:[a-z]*\d){2})(?=\d*[a-z])[a-z0-9]{8,32}            # base 36
        | (?=[\w\-]{0,7}[A-Z])(?=[\w\-]{0,7}[a-z0-9_\-])[\w\-]{8}  # base 64, as rollup cuts it
        | (?=[\w]*[A-Z])(?=[\w]*[a-z])(?=[\w]*\d)\w{12,64}
    )(?=(?:\.(?:min|bundle|chunk|prod|legacy|esm|module|modern))*\.(?:[cm]?[jt]sx?|css|wasm|vue|svelte|jsbundle|map)$)""",
    re.VERBOSE,
)
_KIND = re.compile(r"(?:\.(?:min|bundle|chunk))+(?=\.[cm]?js$)")
_CHUNK_NUMBER = re.compile(r"^\d+(?=\.|-)")
_LONGEST = 1_000
"""Characters of a path that are looked at: a script may have come as one huge ``data:`` URL."""
_VERSION = re.compile(r"@v?\d[\w.+\-]*(?=/|$)")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
# Path segments that name a build, a release or a record: digits, versions, dates, hashes.
_SEGMENT = re.compile(
    r"(?<=/)(?:v?\d[\d._\-]*(?:[a-z]+\.?\d*)?|(?=[a-f]*\d)[0-9a-f]{7,64}"
    r"|(?=[\w\-]*\d)(?=[\w\-]*[A-Z])[\w\-]{16,64})(?=/)"
)
_LEADING_SEGMENT = re.compile(r"^(?:v?\d[\d._\-]*|(?=[a-f]*\d)[0-9a-f]{7,64})(?=/)")

# Where deployments put an application; what follows is the application's own layout.
_DEPLOY_ROOT = re.compile(
    r"""^(?:
        usr/src/app/ | app/ | code/ | workspace/ | var/task/ | function/code/ | home/site/wwwroot/ | project/ |
        layers/[^/]+/[^/]+/ | github/workspace/ | builds/[^/]+/[^/]+/ | repo/ | project/src/(?=src/) |
        var/www/(?:html/|[^/]+/)? | srv/(?:www/)?[^/]+/ | opt/[^/]+/ | usr/local/(?:src/)?[^/]+/ |
        (?:home|Users|users|export/home)/[^/]+/
            (?:(?i:work|workspace|src|code|projects?|dev|git|github|repos?|documents|desktop|apps?|www|sites)/)*[^/]+/ |
        root/[^/]+/ | tmp/[^/]+/ | private/var/[^ ]*?\.app/ | data/(?:app|user/\d+)/[^/]+/ | mnt/[^/]+/[^/]+/ |
        inetpub/wwwroot/(?:[^/]+/)? | Windows/Temp/[^/]+/ | a/\d+/s/ | agent/_work/\d+/s/ | _work/\d+/s/
    )""",
    re.VERBOSE,
)
_RELEASES = re.compile(r"^(?:.*/)?(?:releases/[^/]+|current|release-[^/]+|shared/bundle)/")
# Where an application's own layout begins, however deep the deployment has put it.
_INSIDE = re.compile(r"(?<=/)(?:src|app|lib|dist|build)/")
_BUNDLE_APP = re.compile(r"^.*\.(?:app|asar|apk|jar|war)(?:\.unpacked)?[/!]+")


def normal_path(raw: str, served: bool = False) -> str:
    """Return a path as the application's own layout names it; ``served`` says that it is a web server's.

    ``https://cdn.example.com/v12/static/js/main.3f2a9c1b.js?x=1`` and
    ``https://localhost:3000/static/js/main.aa11bb22.js`` both give ``static/js/main.js``;
    ``/home/ann/shop/src/orders.js`` and ``/usr/src/app/src/orders.js`` both give ``src/orders.js``.
    """
    path = raw[:_LONGEST].strip()
    scheme = path[:5].lower()
    if scheme in ("data:", "blob:"):
        return f"<{scheme[:-1]}>"
    bundled = _BUNDLER.match(path)
    if bundled:
        path = _bundler_path(path[bundled.end() :], path)
        web = True
    else:
        origin = _ORIGIN.match(path)
        web = origin is not None and not path[:5].lower().startswith("file:")
        if origin:
            path = path[origin.end() :] if web or _DRIVE.match(path, origin.end()) else "/" + path[origin.end() :]
    if web or served or "?" in path:
        path = _QUERY.sub("", path)
    path = path.replace("\\", "/")
    absolute = not (web or served) and (path.startswith("/") or _DRIVE.match(path) is not None)
    path = _DRIVE.sub("", path).lstrip("/")
    while path.startswith(("./", "../")):
        path = path[path.index("/") + 1 :]
    return _layout(path, absolute)


def _bundler_path(path: str, raw: str) -> str:
    """Return what a bundler's URL names: ``webpack://shop/./src/a.ts`` gives ``src/a.ts``."""
    if raw.startswith(("webpack://", "turbopack://")) and "/./" in path:
        return path[path.index("/./") + 3 :]
    if path.startswith("[project]/"):
        return path[len("[project]/") :]
    if path.startswith("_N_E/") or (path.startswith("(") and ")/" in path):
        return path[path.index("/") + 1 :]
    return path


def _layout(path: str, absolute: bool) -> str:
    if absolute:
        path = _RELEASES.sub("", _DEPLOY_ROOT.sub("", _BUNDLE_APP.sub("", path), count=1), count=1)
        inside = _INSIDE.search(path)
        path = path[inside.start() :] if inside else path
    path = _VERSION.sub("", path)
    path = _UUID.sub("*", path)
    path = _LEADING_SEGMENT.sub("*", path)
    path = _SEGMENT.sub("*", path)
    if path.startswith("*/"):
        path = path.lstrip("*/")
    head, slash, name = path.rpartition("/")
    return head + slash + normal_file(name)


def normal_file(name: str) -> str:
    """Return a file's name without the content hash or the number that a bundler gave it."""
    return _CHUNK_NUMBER.sub("*", _KIND.sub("", _NAME_HASH.sub("", name)))
