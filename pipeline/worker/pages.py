"""The pages of a worker over HTTP: up before it has reached any server, and until it ends.

A server of its own, not Faust's: Faust's starts after it has connected to Kafka, so a worker that waits for Kafka would
answer nobody. Both run in the same event loop, so that a loop that is stuck is seen from outside.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from pipeline.errors import Misconfigured
from pipeline.worker.health import Health


class Pages:
    """``/health/live``, ``/health/ready`` and ``/metrics`` of one worker.

    Args:
        health: what they say.
        host: the address to listen on.
        port: the port to listen on.
    """

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            Misconfigured: the port cannot be listened on.
        """
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self.stop()
            raise Misconfigured(
                f"port {self._port} on {self._host} cannot be listened on ({error.strerror}): choose another with "
                "--web-port or worker.web_port"
            ) from None

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        page = self._page(request)
        page.force_close()  # an open connection would hold up the worker's end
        return page

    def _page(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"detail": "send GET"})
        if request.path == "/health/live":
            state = self._health.live()
            return _json(200 if state["live"] else 503, state)
        if request.path == "/health/ready":
            state = self._health.ready()
            return _json(200 if state["ready"] else 503, state)
        if request.path == "/metrics":
            return web.Response(body=self._health.exposition(), content_type="text/plain", charset="utf-8")
        return _json(404, {"detail": "the pages are /health/live, /health/ready and /metrics"})


def _json(status: int, value: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
