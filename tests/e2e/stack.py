"""One installation for all clients: a gateway with a project each, and a worker."""

from __future__ import annotations

import time
from typing import Any

from installation import Installation

from deploy.local.gateway import Gateway

PROJECTS = ("flask", "fastapi", "django", "express", "sockets", "web", "api", "nextjs", "limited")
"""The projects; each is sent to by one program alone."""

LIMITS = {"limited": "per_minute = { error = 1 }\n"}
"""What a project's key may send, where that is not everything."""

SECONDS = 60
"""How long what was sent may take to be there."""


def key(project: str) -> str:
    """Return a project's key."""
    return f"{PROJECTS.index(project) + 1:032x}"


def settings() -> str:
    """Return the settings: the projects with their limits, and that the chat's tag ``sessionId`` is no secret."""
    projects = "\n".join(
        f'[[project]]\nname = "{name}"\nid = {number}\nkeys = ["{key(name)}"]\norigins = ["http://127.0.0.1:*"]\n'
        f"{LIMITS.get(name, '')}"
        for number, name in enumerate(PROJECTS, start=1)
    )
    return f'[scrub.project.sockets]\nsafe_fields = ["tags.sessionId"]\n\n{projects}'


class Stack:
    """What clients send to, and what is found of it."""

    def __init__(self, installation: Installation, gateway: Gateway) -> None:
        self.installation = installation
        self.gateway = gateway

    def dsn(self, project: str) -> str:
        """Return the DSN of a project."""
        return self.gateway.dsn(PROJECTS.index(project) + 1, key(project))

    def found(self, number: int, sql: str) -> list[dict[str, Any]]:
        """Wait until a query has at least so many rows; return them all."""
        rows: list[dict[str, Any]] = []

        def enough() -> bool:
            rows[:] = self.installation.rows(sql)
            return len(rows) >= number

        self.installation.wait_for(f"{number} rows of {sql}", enough, SECONDS)
        return rows

    def eventually(self, expected: list[dict[str, Any]], sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query once they are as expected, and as they are after a while otherwise."""
        deadline = time.monotonic() + SECONDS
        while (rows := self.installation.rows(sql)) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        return rows

    def one(self, sql: str) -> dict[str, Any]:
        """Wait until a query has a row; return the only one."""
        (row,) = self.found(1, sql)
        return row
