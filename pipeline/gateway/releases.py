"""Releases: the calls that ``sentry-cli`` makes about them, as messages for Kafka. Pure.

===========================================================  ==================================================
call                                                         what follows
===========================================================  ==================================================
``POST …/releases/``                                         the release is created; finalized too, with a date
``PUT …/releases/<version>/``                                finalized, its commits, its refs: whatever is in it
``POST …/releases/<version>/deploys/``                       it was deployed
``GET …/repos/``                                             the repositories of the settings
``GET …/releases/<version>/previous-with-commits/``          ``{}``: the gateway keeps nothing
===========================================================  ==================================================

before which stands ``/api/0/organizations/<organization>`` or ``/api/0/projects/<organization>/<project>``. Whatever
the organization is called, the token decides. See https://docs.sentry.io/api/releases/. To look at releases there is
``aftershock releases``, and SQL.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from pipeline.config.gateway import TokenSettings
from pipeline.gateway.items import Message
from pipeline.gateway.rejection import Rejected, bad
from pipeline.payload import normalize
from pipeline.releases.changes import message_of, with_commits
from schemas.release import Commit, Deploy, Kind, Ref, ReleaseChange
from schemas.topics import RELEASES

RELEASES_PATH = "/api/0/"
LONGEST_VERSION = 200

_PATH = re.compile(
    r"/api/0/(?:organizations/[^/]+|projects/[^/]+/(?P<project>[^/]+))/(?P<what>repos|releases)"
    r"(?:/(?P<version>[^/]+)(?:/(?P<more>previous-with-commits|deploys))?)?/?"
)


class _Patch(Struct):
    path: str = ""


class _Commit(Struct):
    id: str
    repository: str | None = None
    message: str | None = None
    author_name: str | None = None
    author_email: str | None = None
    timestamp: str | None = None
    patch_set: list[_Patch] | None = None


class _Ref(Struct, rename="camel"):
    repository: str
    commit: str
    previous_commit: str | None = None


class _Release(Struct, rename="camel"):
    version: str | None = None
    projects: list[str] | None = None
    url: str | None = None
    date_started: str | None = None
    date_released: str | None = None
    status: str | None = None
    commits: list[_Commit] | None = None
    refs: list[_Ref] | None = None


class _Deploy(Struct, rename="camel"):
    environment: str
    name: str | None = None
    url: str | None = None
    date_started: str | None = None
    date_finished: str | None = None
    projects: list[str] | None = None


_RELEASE = msgspec.json.Decoder(_Release)
_DEPLOY = msgspec.json.Decoder(_Deploy)


class Answered(NamedTuple):
    """What a call is answered, once Kafka has the messages."""

    status: int
    value: Any
    messages: list[Message]


class ReleaseCalls:
    """Answers calls about releases.

    Args:
        tokens: who may say what about which projects.
        repositories: the names of the repositories that refs may name.
    """

    def __init__(self, tokens: Sequence[TokenSettings], repositories: Sequence[str]) -> None:
        self._tokens = {token.sha256: token for token in tokens}
        self._repositories = repositories

    def admit(self, authorization: str | None) -> TokenSettings:
        """Return the token that a call comes with.

        Raises:
            Rejected: there is none, or it is not known.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Rejected(401, "auth", "no token: send Authorization: Bearer, with a token of the settings")
        found = self._tokens.get(hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest())
        if found is None:
            raise Rejected(403, "auth", "this token is not one of the settings")
        return found

    def take(self, token: TokenSettings, method: str, path: str, body: bytes, now_s: float) -> Answered:
        """Make messages of a call.

        Args:
            token: the token that it came with.
            method: the HTTP method.
            path: the path as it was sent, without decoding.
            body: the body.
            now_s: when it came, in seconds since 1970.

        Raises:
            Rejected: it is none of the calls above, or about a project that is not the token's.
        """
        found = _PATH.fullmatch(path.partition("?")[0])
        if found is None:
            raise Rejected(404, "path", "the gateway takes releases, their commits and their deploys")
        version = unquote(found["version"] or "")
        call = (method, found["what"], found["more"], bool(version))
        if call == ("GET", "repos", None, False):
            return Answered(200, [_repository(name) for name in self._repositories], [])
        if call == ("GET", "releases", "previous-with-commits", True):
            return Answered(200, {}, [])
        if call == ("GET", "releases", "deploys", True):
            return Answered(200, [], [])
        project = [unquote(found["project"])] if found["project"] else None
        if call in (("POST", "releases", None, False), ("PUT", "releases", None, True)):
            return _release(token, method, version, project, body, now_s)
        if call == ("POST", "releases", "deploys", True):
            return _deploy(token, version, project, body, now_s)
        raise Rejected(405, "path", "the gateway keeps nothing: see `aftershock releases list` and `show`")


def _release(
    token: TokenSettings, method: str, version: str, project: list[str] | None, body: bytes, now_s: float
) -> Answered:
    sent: _Release = _decoded(_RELEASE, body)
    if sent.status not in (None, "open"):
        raise Rejected(405, "path", "releases are not archived here: they go when their events have expired")
    release = _checked(version or sent.version)
    projects = _projects(token, sent.projects or project)
    released_s = _seconds(sent.date_released)
    changes: list[ReleaseChange] = []
    for name in projects:
        common = ReleaseChange(name, release, "created", now_s, sent.url or "")
        if method == "POST":
            changes.append(_changed(common, "created", _seconds(sent.date_started) or now_s))
        if released_s is not None:
            changes.append(_changed(common, "finalized", released_s))
        if sent.refs is not None:
            refs = [Ref(ref.repository, ref.commit, ref.previous_commit or "") for ref in sent.refs]
            changes.append(msgspec.structs.replace(_changed(common, "refs", now_s), refs=refs))
        if sent.commits is not None:
            changes.extend(with_commits(_changed(common, "commits", now_s), [_commit(one) for one in sent.commits]))
    answer = {
        "version": release,
        "shortVersion": release,
        "url": sent.url,
        "dateCreated": _text(now_s),
        "dateReleased": sent.date_released,
        "newGroups": 0,
        "projects": [{"slug": name, "name": name} for name in projects],
    }
    return Answered(201 if method == "POST" else 200, answer, _messages(changes))


def _deploy(token: TokenSettings, version: str, project: list[str] | None, body: bytes, now_s: float) -> Answered:
    sent: _Deploy = _decoded(_DEPLOY, body)
    release = _checked(version)
    finished_s = _seconds(sent.date_finished)
    finished_s = now_s if finished_s is None else finished_s
    deploy = Deploy(sent.environment, sent.name or "", sent.url or "", _seconds(sent.date_started), finished_s)
    changes = [
        ReleaseChange(name, release, "deploy", finished_s, deploy=deploy)
        for name in _projects(token, sent.projects or project)
    ]
    answer = {
        "id": "0",
        "environment": sent.environment,
        "name": sent.name,
        "url": sent.url,
        "dateStarted": sent.date_started,
        "dateFinished": sent.date_finished or _text(now_s),
    }
    return Answered(201, answer, _messages(changes))


def _changed(common: ReleaseChange, kind: Kind, time_s: float) -> ReleaseChange:
    return msgspec.structs.replace(common, kind=kind, time=time_s)


def _commit(sent: _Commit) -> Commit:
    return Commit(
        sent.id,
        sent.repository or "",
        (sent.message or "").strip(),
        sent.author_name or "",
        sent.author_email or "",
        sent.timestamp or "",
        [patch.path for patch in sent.patch_set or ()],
    )


def _messages(changes: Sequence[ReleaseChange]) -> list[Message]:
    return [Message(RELEASES.name, *message_of(change), change.project) for change in changes]


def _projects(token: TokenSettings, named: Sequence[str] | None) -> Sequence[str]:
    """Return the projects of a call: those that it names, else all of the token's."""
    if any(name not in token.projects for name in named or ()):
        raise Rejected(403, "project", "this token is for other projects")
    return named or token.projects


def _checked(version: str | None) -> str:
    if not version or version != version.strip() or len(version) > LONGEST_VERSION or not version.isprintable():
        raise bad(f"the version is not a name of 1 to {LONGEST_VERSION} characters")
    return version


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise bad("the body lacks a field or has one of the wrong type") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad("the body is not a JSON object") from None


def _seconds(sent: str | None) -> float | None:
    found = normalize.milliseconds(sent or None)
    return None if found is None else found / 1000


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _repository(name: str) -> dict[str, Any]:
    """Return a repository in the form that sentry-cli reads: one that a provider knows, so that refs are sent."""
    provider = {"id": "integrations:github", "name": "GitHub"}
    return {"id": "0", "name": name, "url": None, "provider": provider, "status": "active", "dateCreated": _text(0)}
