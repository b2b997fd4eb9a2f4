"""Auth: which key a request comes with, in whichever of the five places SDKs put it. Pure.

``X-Sentry-Auth``, ``Authorization`` (with the scheme ``Sentry``, or ``Basic`` with the key as user), the query
(``sentry_key``) and the ``dsn`` in an envelope's header. ``sentry_secret`` is of the past and ignored. See
https://develop.sentry.dev/sdk/foundations/transport/authentication/.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from pipeline.gateway.rejection import Rejected, bad

NEWEST_VERSION = 7
MOST_HEADER = 4096
"""The most characters of an auth header that are looked at."""

_KEY = re.compile(r"[0-9a-fA-F]{32}")
_PROJECT = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Credentials(Struct, frozen=True):
    """A public key, and the project where the place that held the key names one (a DSN does)."""

    key: str
    project: str | None = None


def from_http(headers: Mapping[str, str], query: Mapping[str, str]) -> Credentials | None:
    """Return the key that headers (names in lower case) or query hold, ``None`` without one.

    Raises:
        Rejected: a key in headers and query at once, a malformed key, or a protocol version that is too new.
    """
    found: Mapping[str, str] | None = _sentry_header(headers.get("x-sentry-auth"))
    if found is None:
        found = _authorization(headers.get("authorization"))
    if "sentry_key" in query:
        if found is not None:
            raise Rejected(401, "auth", "auth is given twice, in a header and in the query: send it once")
        found = query
    if found is None:
        return None
    _check_version(found.get("sentry_version"))
    return Credentials(_key(found.get("sentry_key", "")))


def from_dsn(dsn: str) -> Credentials:
    """Return the key and the project of a DSN, ``https://<key>@<host>/<path>/<project>``.

    Raises:
        Rejected: it is not a DSN.
    """
    try:
        parts = urlsplit(dsn)
        user = parts.username or ""
    except ValueError:
        raise bad("the dsn is not a URL") from None
    project = parts.path.rstrip("/").rpartition("/")[2]
    if parts.scheme not in ("http", "https") or not _PROJECT.fullmatch(project):
        raise bad("the dsn is not of the form https://key@host/project")
    return Credentials(_key(user), project)


def agreed(http: Credentials | None, dsn: str | None, path_project: str | None) -> Credentials:
    """Return the key and the project of a request, from what its headers, its envelope and its path say.

    Raises:
        Rejected: there is no key, or two places name different ones.
    """
    from_envelope = None if dsn is None else from_dsn(dsn)
    if http is None and from_envelope is None:
        raise Rejected(401, "auth", "no key: send X-Sentry-Auth, sentry_key in the query, or a dsn in the envelope")
    if http is not None and from_envelope is not None and http.key != from_envelope.key:
        raise Rejected(401, "auth", "the key in the envelope's dsn is not the one of the request")
    chosen = from_envelope or http
    assert chosen is not None
    if path_project is not None and chosen.project not in (None, path_project):
        raise Rejected(401, "auth", "the project in the envelope's dsn is not the one of the path")
    return Credentials(chosen.key, path_project or chosen.project)


def _sentry_header(value: str | None) -> dict[str, str] | None:
    if not value:
        return None
    scheme, _, rest = value[:MOST_HEADER].strip().partition(" ")
    if scheme.lower() != "sentry":
        raise bad("X-Sentry-Auth does not begin with Sentry")
    pairs = (part.partition("=") for part in rest.split(","))
    return {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs}


def _authorization(value: str | None) -> dict[str, str] | None:
    """Return what ``Authorization`` holds for us; other schemes belong to a proxy in front and are passed over."""
    scheme, _, rest = (value or "")[:MOST_HEADER].strip().partition(" ")
    if scheme.lower() == "sentry":
        return _sentry_header(value)
    if scheme.lower() != "basic":
        return None
    try:
        user = base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]
    except ValueError:
        raise bad("Authorization: Basic is not base64 of key and colon") from None
    return {"sentry_key": user}


def _check_version(text: str | None) -> None:
    if not text:
        return
    major = text.partition(".")[0]
    if not (major.isascii() and major.isdigit() and len(major) <= 3):
        raise bad("sentry_version is not a number")
    if int(major) > NEWEST_VERSION:
        raise bad(f"sentry_version is newer than {NEWEST_VERSION}")


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise bad("the key does not have 32 hex digits")
    return text.lower()
