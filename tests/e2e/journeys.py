"""What is done with each client: programs are started, used and ended. What came of it is for the tests to find."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from programs import build, chromium, node, python_server, serving, status, with_packages
from stack import Stack

from deploy.local.ports import LOOPBACK, free_port


def flask(stack: Stack, directory: Path) -> None:
    """The Flask shop in production, and then a developer's copy of it."""
    environment = {"SENTRY_DSN": stack.dsn("flask")}
    with serving(python_server("flask_shop"), directory, environment) as address:
        assert status(f"{address}/orders/3") == 500
    with serving(python_server("flask_shop"), directory, {**environment, "SHOP_ENVIRONMENT": "development"}) as address:
        assert [status(f"{address}/orders/{number}") for number in (1, 2)] == [500, 500]


def fastapi(stack: Stack, directory: Path) -> None:
    """The FastAPI shop."""
    with serving(python_server("fastapi_shop"), directory, {"SENTRY_DSN": stack.dsn("fastapi")}) as address:
        assert status(f"{address}/orders/4") == 500


def django(stack: Stack, directory: Path) -> None:
    """The Django shop."""
    with serving(python_server("django_shop"), directory, {"SENTRY_DSN": stack.dsn("django")}) as address:
        assert status(f"{address}/orders/5/") == 500


def express(stack: Stack, directory: Path) -> None:
    """The Express shop."""
    program = with_packages("node", directory)
    with serving(_node_server("express.js"), program, {"SENTRY_DSN": stack.dsn("express")}) as address:
        assert status(f"{address}/orders/3") == 500


def sockets(stack: Stack, directory: Path) -> None:
    """The chat over WebSockets: two sessions, three messages, one of which fails."""
    program = with_packages("node", directory)
    said = _run(program, "sockets.js", str(free_port()), environment={"SENTRY_DSN": stack.dsn("sockets")})
    assert said == [["HELLO", "AGAIN"], ["sorry"]], said


def web(stack: Stack, directory: Path) -> str:
    """The React page, built with Vite and visited in a browser; returns the address of the server that is down."""
    browser, page = chromium(), with_packages("web", directory)
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    _vite(page, {"VITE_SENTRY_DSN": stack.dsn("web"), "VITE_NOWHERE": nowhere})
    api = {"SENTRY_DSN": stack.dsn("api"), "SHOP_PAGE": str(page / "dist")}
    with serving(_node_server("express.js"), with_packages("node", directory), api) as address:
        buttons = ("order", "offline", "reject", "feedback", "basket")
        answers = _run(page, "visit.js", browser, address, *buttons, environment={})
    assert set(answers) == {200}, answers
    return nowhere


def limited(stack: Stack, directory: Path) -> Any:
    """A page whose key may send one error a minute, visited until the limit has ended; returns what its visitor saw."""
    browser, client = chromium(), with_packages("web", directory)
    page = client / "limited"
    vite = str(client / "node_modules" / "vite" / "bin" / "vite.js")
    build([node(), vite, "build"], page, {"VITE_SENTRY_DSN": stack.dsn("limited")})

    def preview(port: int) -> list[str]:
        return [node(), vite, "preview", "--host", LOOPBACK, "--port", str(port), "--strictPort"]

    with serving(preview, page, {}) as address:
        return _run(client, "limited.js", browser, address, environment={})


def nextjs(stack: Stack, directory: Path) -> None:
    """The Next.js app: its page in a browser, its server, and its edge runtime."""
    browser, app, visitor = chromium(), with_packages("next", directory), with_packages("web", directory)
    cli = str(app / "node_modules" / "next" / "dist" / "bin" / "next")
    environment = {
        "NEXT_TELEMETRY_DISABLED": "1",
        "NEXT_PUBLIC_SENTRY_DSN": stack.dsn("nextjs"),
        "SENTRY_DSN": stack.dsn("nextjs"),
        "GATEWAY": stack.gateway.address,
    }
    build([node(), cli, "build"], app, environment)
    with serving(lambda port: [node(), cli, "start", "-H", LOOPBACK, "-p", str(port)], app, environment) as address:
        assert [status(f"{address}/{path}") for path in ("broken", "edge")] == [500, 500]
        answers = _run(visitor, "visit.js", browser, address, "book", environment={})
    assert set(answers) == {200}, answers


JOURNEYS: dict[str, Callable[[Stack, Path], Any]] = {
    "limited": limited,  # up to a minute of waiting, begun first and asked for last
    "nextjs": nextjs,  # the longest of the others
    "web": web,
    "flask": flask,
    "fastapi": fastapi,
    "django": django,
    "express": express,
    "sockets": sockets,
}
"""Each is a fixture of its name; it returns what the tests have to know about it."""


def _node_server(program: str) -> Callable[[int], list[str]]:
    return lambda port: [node(), program, str(port)]


def _vite(page: Path, environment: dict[str, str]) -> None:
    build([node(), str(page / "node_modules" / "vite" / "bin" / "vite.js"), "build"], page, environment)


def _run(directory: Path, program: str, *arguments: str, environment: dict[str, str]) -> Any:
    """Run a Node program that prints JSON."""
    done = subprocess.run(
        [node(), program, *arguments],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)
