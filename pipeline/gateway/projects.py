"""Projects: who may send, by key and origin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from pipeline.errors import Misconfigured
from pipeline.gateway.auth import Credentials
from pipeline.gateway.rejection import Rejected
from pipeline.gateway.settings import ProjectSettings


class Projects:
    """The projects that were configured; without any, every key is taken and the DSN's project is the project.

    Raises:
        Misconfigured: two projects share an id, a name or a key.
    """

    def __init__(self, projects: Sequence[ProjectSettings] = ()) -> None:
        self._by_key = {key: project for project in projects for key in project.keys}
        for what, values in (
            ("id", [str(project.id) for project in projects]),
            ("name", [project.name for project in projects]),
            ("key", [key for project in projects for key in project.keys]),
        ):
            if len(set(values)) < len(values):
                raise Misconfigured(f"[[project]]: two projects have the same {what}: give each its own")

    @property
    def open(self) -> bool:
        """Whether every key is taken."""
        return not self._by_key

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
        # One answer for a wrong key and for a wrong project: neither can be found out by trying.
        if project is None or named not in (None, str(project.id), project.name):
            raise Rejected(403, "project", "this key is not one of this project's")
        if project.origins and origin and not any(fnmatchcase(origin, glob) for glob in project.origins):
            raise Rejected(403, "origin", "this origin may not send to this project")
        return project
