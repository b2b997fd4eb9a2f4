"""One thin ingest application under several HTTP servers, each in the way that suits it.

``python -m benchmarks.http_apps SERVER --port PORT`` serves it on the loopback until it is ended, for
:mod:`benchmarks.http_servers`: an envelope is read, decompressed and taken apart with the gateway's own code, and
answered with its id. No keys, limits, metrics or Kafka.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from deploy.local.ports import LOOPBACK
from pipeline.config.gateway import GatewaySettings
from pipeline.gateway import encodings, envelope
from pipeline.gateway.rejection import Rejected

LOOPS = ("asyncio", "uvloop")

_PATH = re.compile(r"/api/[0-9A-Za-z_-]{1,64}/envelope/?")
_MOST = GatewaySettings().max_envelope_bytes
_KEEP_ALIVE_S = 75


def answer(method: str, path: str, encoding: str | None, body: bytes) -> tuple[int, bytes]:
    """Return the status and the JSON text that a request is answered with."""
    if _PATH.fullmatch(path) is None:
        return 404, b"{}"
    if method != "POST":
        return 405, b"{}"
    try:
        taken = envelope.parse(encodings.decode(body, encoding, _MOST))
    except Rejected as rejected:
        return rejected.status, b"{}"
    return 200, msgspec.json.encode({"id": taken.header.event_id})


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer one request as an ASGI application (https://asgi.readthedocs.io, HTTP 2.x)."""
    chunks: list[bytes] = []
    more = True
    while more:
        event = await receive()
        chunks.append(event.get("body", b""))
        more = event.get("more_body", False)
    encoding = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding"), None)
    status, text = answer(scope["method"], scope["path"], encoding, b"".join(chunks))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def rsgi(scope: Any, protocol: Any) -> None:
    """Answer one request as an application of Granian's own interface, RSGI."""
    body = await protocol()
    status, text = answer(scope.method, scope.path, scope.headers.get("content-encoding"), body)
    protocol.response_bytes(status, [("content-type", "application/json")], text)


def serve_aiohttp(port: int, loop: str) -> None:
    """Serve with aiohttp's low-level server, with the options that the gateway has."""
    from aiohttp import web

    async def handle(request: web.BaseRequest) -> web.Response:
        arrived = request.content.is_eof()
        body = request.content.read_nowait() if arrived else await request.read()
        status, text = answer(request.method, request.path, request.headers.get("Content-Encoding"), body)
        return web.Response(status=status, body=text, content_type="application/json")

    async def serve() -> None:
        server = web.Server(handle, access_log=None, auto_decompress=False, keepalive_timeout=_KEEP_ALIVE_S)
        runner = web.ServerRunner(server)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port, backlog=1024).start()
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        runner.run(serve())


def serve_uvicorn(port: int, loop: str) -> None:
    """Serve with uvicorn and httptools, without what the application has no use for."""
    import uvicorn

    uvicorn.run(
        asgi,
        host=LOOPBACK,
        port=port,
        loop=loop,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )


def serve_granian(port: int, loop: str, interface: str) -> None:
    """Serve with one worker process of Granian, which a second process, idle otherwise, looks after."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops

    # "asginl" is ASGI without lifespan events.
    name = "rsgi" if interface == "rsgi" else "asgi"
    Granian(
        f"{__package__}.http_apps:{name}",
        address=LOOPBACK,
        port=port,
        interface=Interfaces(interface),
        workers=1,
        loop=Loops(loop),
        http=HTTPModes.http1,
        websockets=False,
    ).serve()


def _loop_factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if loop == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


SERVERS: dict[str, Callable[[int, str], None]] = {
    "aiohttp": serve_aiohttp,
    "uvicorn": serve_uvicorn,
    "granian-asgi": lambda port, loop: serve_granian(port, loop, "asginl"),
    "granian-rsgi": lambda port, loop: serve_granian(port, loop, "rsgi"),
}
"""How each server is run on a port, with an event loop of :data:`LOOPS`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=SERVERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--loop", choices=LOOPS, default="asyncio")
    options = parser.parse_args()
    SERVERS[options.server](options.port, options.loop)


if __name__ == "__main__":
    main()
