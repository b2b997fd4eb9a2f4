"""Projects: who may send, by key and origin. Pure.

Projects stand in the settings, which are read once, and on the compacted topic ``projects``, which every gateway
follows while it runs. Where both say something of the same name, number or key, the settings count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from pipeline.config.gateway import ProjectSettings
from pipeline.errors import Misconfigured
from pipeline.gateway.auth import Credentials
from pipeline.gateway.rejection import Rejected
from pipeline.payload.globs import Test, compile_globs

RETRY_AFTER_S = 10


class Projects:
    """The projects that are known; without any, every key is taken and the DSN's project is the project.

    Args:
        projects: those in the settings.
        may_be_open: whether every key is taken while no project is known, or none.

    Raises:
        Misconfigured: two projects share an id, a name or a key.
    """

    def __init__(self, projects: Sequence[ProjectSettings] = (), *, may_be_open: bool = True) -> None:
        same = clash(projects)
        if same:
            raise Misconfigured(f"[[project]]: two projects have the same {same}: give each its own")
        self._settled = tuple(projects)
        self._may_be_open = may_be_open
        self._learned: dict[str, ProjectSettings] = {}
        self.complete = True
        self._by_key = _by_key(projects)

    @property
    def open(self) -> bool:
        """Whether every key is taken."""
        return self._may_be_open and not self._by_key and self.complete

    @property
    def any(self) -> bool:
        """Whether a project is known."""
        return bool(self._by_key)

    @property
    def learned(self) -> Sequence[ProjectSettings]:
        """The projects of the topic, as far as they do not clash with the settings or one another."""
        return list(without_clashes(self._settled, self._learned.values()))

    def learn(self, projects: Mapping[str, ProjectSettings | None]) -> None:
        """Take note of projects by name, as the topic tells them; ``None`` for one that was removed."""
        for name, project in projects.items():
            if project is None:
                self._learned.pop(name, None)
            else:
                self._learned[name] = project
        self._by_key = _by_key((*self._settled, *self.learned))

    def admit(self, credentials: Credentials, origin: str | None) -> ProjectSettings:
        """Return the project that a request belongs to.

        Raises:
            Rejected: the key is not one of the project's, or the web page may not send to it.
        """
        named = credentials.project
        if self.open:
            if named is None:
                raise Rejected(403, "project", "no project: name it in the path or in the envelope's dsn")
            return ProjectSettings(name=named, id=1, keys=(credentials.key,))
        project = self._by_key.get(credentials.key)
        if project is None and not self.complete:
            raise Rejected(429, "kafka", "try again later", retry_after_s=RETRY_AFTER_S)
        # One answer for a wrong key and for a wrong project: neither can be found out by trying.
        if project is None or named not in (None, str(project.id), project.name):
            raise Rejected(403, "project", "this key is not one of this project's")
        if project.origins and origin and not _test_of(project.origins)(origin):
            raise Rejected(403, "origin", "this origin may not send to this project")
        return project


def without_clashes(settled: Iterable[ProjectSettings], others: Iterable[ProjectSettings]) -> Iterable[ProjectSettings]:
    """Yield those of the others that share no name, id or key with what comes before them."""
    taken = {mark for project in settled for mark in _marks(project)}
    for project in sorted(others, key=lambda one: (one.id, one.name)):
        marks = _marks(project)
        if not taken & marks:
            taken |= marks
            yield project


def _marks(project: ProjectSettings) -> set[tuple[str, str | int]]:
    return {("id", project.id), ("name", project.name), *(("key", key) for key in project.keys)}


def _by_key(projects: Iterable[ProjectSettings]) -> dict[str, ProjectSettings]:
    return {key: project for project in projects for key in project.keys}


def clash(projects: Sequence[ProjectSettings]) -> str:
    """Return what two projects have the same of; empty when all differ."""
    for what, values in (
        ("id", [str(project.id) for project in projects]),
        ("name", [project.name for project in projects]),
        ("key", [key for project in projects for key in project.keys]),
    ):
        if len(set(values)) < len(values):
            return what
    return ""


@lru_cache(maxsize=1024)
def _test_of(origins: tuple[str, ...]) -> Test:
    return compile_globs(origins)
