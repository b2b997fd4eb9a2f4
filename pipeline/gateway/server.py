"""The gateway's edge to HTTP: requests in, answers out; nothing of a request is ever sent back.

aiohttp's low-level server, without its router: what is routed here is one pattern.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestHandler

from pipeline.config.gateway import GatewaySettings
from pipeline.errors import Misconfigured, Unavailable
from pipeline.gateway import endpoint
from pipeline.gateway.accepted import Accepted, fits, head_of
from pipeline.gateway.certificate import Certificate
from pipeline.gateway.delivery import Delivery
from pipeline.gateway.endpoint import Endpoint, Incoming
from pipeline.gateway.metrics import Metrics
from pipeline.gateway.outcomes import Outcomes
from pipeline.gateway.rejection import Rejected, bad, too_large
from pipeline.gateway.releases import RELEASES_PATH, ReleaseCalls
from pipeline.gateway.reports import Outcome

log = logging.getLogger(__name__)

RETRY_AFTER_S = 10
"""How long SDKs are told to wait while Kafka is away or too much is held in memory."""

GOODBYE_S = 1.0
"""How long connections are kept open at the end for a request that may be on its way."""

MOST_HELD = 32 * 1024 * 1024
"""How many bytes of bodies and of messages on their way are held at a time; in memory it is up to four times that."""

CORS = {
    "Server": "aftershock",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "x-sentry-error, x-sentry-rate-limits, retry-after",
}
ACCEPTED = head_of(CORS)
PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, "
    "content-type, content-encoding, authentication, authorization, baggage, sentry-trace, transfer-encoding",
    "Access-Control-Max-Age": "3600",
}
_PATH = re.compile(r"/api/(?:(?P<project>[0-9A-Za-z_-]{1,64})/)?(?P<form>envelope|store)/?|/tunnel/?")


class Server:
    """The HTTP server of one gateway process.

    Args:
        settings: where it listens, and its limits.
        takes: checks requests and makes messages of them.
        delivery: where the messages go.
        metrics: where everything is counted.
        outcomes: where items are counted that were not taken.
        releases: makes messages of what is said about releases.

    Raises:
        Misconfigured: the certificate cannot be used.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        takes: Endpoint,
        delivery: Delivery,
        metrics: Metrics,
        outcomes: Outcomes,
        releases: ReleaseCalls,
    ) -> None:
        self._settings = settings
        self._endpoint = takes
        self._delivery = delivery
        self._metrics = metrics
        self._outcomes = outcomes
        self._releases = releases
        metrics.in_flight.set_function(lambda: self._answering)
        metrics.spool_bytes.set_function(lambda: delivery.waiting_bytes)
        self._held = 0
        self._answering = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._runner: web.ServerRunner | None = None
        self._certificate = (
            Certificate(settings.certificate_file, settings.key_file) if settings.certificate_file else None
        )

    async def start(self, *, share_port: bool = False) -> None:
        """Begin to listen; with ``share_port`` several processes can, on one port.

        Raises:
            Misconfigured: the address cannot be listened on.
        """
        listener = _Listener(
            self._answer,
            settings=self._settings,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75,
            lingering_time=2,
            max_line_size=8190,
            max_field_size=8190,
            max_headers=64,
        )
        self._runner = web.ServerRunner(listener, handle_signals=False, shutdown_timeout=5)
        await self._runner.setup()
        host, port = self._settings.host, self._settings.port
        site = _Site(self._runner, self._settings, self._certificate, share_port=share_port)
        try:
            await site.start()
        except OSError as error:
            # asyncio's own text repeats the address; numbers below zero are those of looking a name up.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise Misconfigured(
                f"the gateway cannot listen on {host}:{port} ({reason}): set another gateway.host or gateway.port"
            ) from None

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port that it listens on."""
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    def reload(self) -> None:
        """Read the certificate again; without one there is nothing to do."""
        if self._certificate is not None:
            self._certificate.reload()

    async def stop(self) -> None:
        """Take no more requests, answer those that are here, and close."""
        self._stopping = True
        if self._runner is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        await self._say_goodbye()
        # aiohttp's own end would no longer read the bodies that are still on their way.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.request_timeout_s + self._settings.acknowledge_timeout_s):
                await self._idle.wait()
        await self._runner.cleanup()

    async def _say_goodbye(self) -> None:
        """Let connections that are kept open end with the answer to a request, so that none comes to a closed one."""
        assert self._runner is not None
        until = time.monotonic() + GOODBYE_S
        server = self._runner.server
        # aiohttp does not say when a connection has ended.
        while server is not None and server.connections and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        page = _PATH.fullmatch(request.path)
        administers = request.path.startswith(RELEASES_PATH)
        if page is None and not administers:
            return self._page(request)
        if page is not None and request.method == "OPTIONS":
            return web.Response(status=200, headers=PREFLIGHT)
        self._answering += 1
        self._idle.clear()
        response: web.StreamResponse
        try:
            if page is None:
                response = await self._administer(request)
            elif request.method != "POST":
                raise Rejected(405, "path", "send POST")
            else:
                response = await self._take(request, page)
            self._metrics.taken.inc()
        except Rejected as rejection:
            response = _rejection(rejection)
            self._metrics.requests.labels(rejection.status, rejection.outcome).inc()
            if "Transfer-Encoding" in request.headers:
                # Where its body ends may have been misunderstood: nothing more is read from this connection.
                response.force_close()
        finally:
            self._answering -= 1
            if not self._answering:
                self._idle.set()
        if self._stopping:
            response.force_close()
        return response

    async def _take(self, request: web.BaseRequest, page: re.Match[str]) -> web.StreamResponse:
        taken = await self._messages(request, page)
        held = sum(len(message.value) for message in taken.messages)
        self._held += held
        try:
            if self._held > MOST_HELD:
                self._lose(taken, "busy")
                raise _busy()
            await self._deliver(taken)
        finally:
            self._held -= held
        answer = {} if taken.event_id is None else {"id": taken.event_id}
        if taken.limits:
            return _json(200, answer, {**CORS, "X-Sentry-Rate-Limits": endpoint.limits_header(taken)})
        return Accepted(ACCEPTED, msgspec.json.encode(answer)) if fits(request) else _json(200, answer)

    async def _messages(self, request: web.BaseRequest, page: re.Match[str]) -> endpoint.Taken:
        """Make messages of a request; from then on they are held, which may be far larger, and not its body."""
        body = await self._body(request, page)
        try:
            taken = self._endpoint.take(self._incoming(request, page, body), time.time())
        finally:
            self._held -= len(body)
        self._metrics.count(taken.dropped)
        over = endpoint.refused(taken)
        if over is not None:
            raise over
        return taken

    async def _administer(self, request: web.BaseRequest) -> web.Response:
        """Answer a call about releases, once Kafka has what it says."""
        project_of = self._releases.admit(request.headers.get("authorization"))
        body = await self._read(request)
        try:
            answered = self._releases.take(project_of, request.method, request.raw_path, body, time.time())
            await self._delivery.send(answered.messages)
        except Unavailable as error:
            log.warning("%s: answered 429", error)
            raise Rejected(429, "kafka", "try again later", retry_after_s=RETRY_AFTER_S) from None
        finally:
            self._held -= len(body)
        return _json(answered.status, answered.value)

    async def _deliver(self, taken: endpoint.Taken) -> None:
        begun = time.perf_counter()
        try:
            await self._delivery.send(taken.messages)
        except Unavailable as error:
            log.warning("%s: answered 429", error)
            self._lose(taken, "kafka")
            raise Rejected(429, "kafka", "try again later", retry_after_s=RETRY_AFTER_S) from None
        self._metrics.acknowledge_seconds.observe(time.perf_counter() - begun)
        self._metrics.count(taken.delivered)

    def _lose(self, taken: endpoint.Taken, why: str) -> None:
        """Count what could have been taken and was not."""
        self._metrics.count(Outcome(one.category, why, one.quantity) for one in taken.delivered)
        for one in taken.delivered:
            self._outcomes.add(taken.project, taken.key, one.category, why, one.quantity)

    def _incoming(self, request: web.BaseRequest, page: re.Match[str], body: bytes) -> Incoming:
        query: Mapping[str, str] = request.query if request.query_string else {}
        form: Literal["envelope", "store"] = "store" if page["form"] == "store" else "envelope"
        address = client_address(request, self._settings.proxies)
        return Incoming(form, page["project"], request.headers, query, body, address)

    async def _body(self, request: web.BaseRequest, page: re.Match[str]) -> bytes:
        """Read a body; one that is not taken is counted."""
        try:
            return await self._read(request)
        except Rejected as rejected:
            self._endpoint.refuse(self._incoming(request, page, b""), rejected)
            raise

    async def _read(self, request: web.BaseRequest) -> bytes:
        """Read a body, counting it as held; what is raised holds nothing."""
        coding = request.headers.get("Transfer-Encoding")
        if coding is not None and (request.version < HttpVersion11 or coding.strip().lower() != "chunked"):
            # Somebody in front may see another end of this body: RFC 9112, section 6.1.
            raise bad("the Transfer-Encoding is not chunked, or not of this version of HTTP")
        most = self._settings.max_envelope_bytes
        if (request.content_length or 0) > most:
            raise too_large(f"the body has more than {most} bytes")
        if request.headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = self._arrived(request, most) if request.content.is_eof() else await self._arriving(request, most)
        self._metrics.bytes.inc(len(body))
        return body

    def _arrived(self, request: web.BaseRequest, most: int) -> bytes:
        """Return a body that came together with its head, as almost all do: nothing has to be waited for."""
        body = request.content.read_nowait()
        self._held += len(body)
        try:
            self._check_room(len(body), most)
        except Rejected:
            self._held -= len(body)
            raise
        return body

    async def _arriving(self, request: web.BaseRequest, most: int) -> bytes:
        """Return a body when all of it has come."""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                async for chunk in request.content.iter_any():
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    self._check_room(size, most)
        except BaseException as error:
            self._held -= size
            if isinstance(error, TimeoutError):
                raise Rejected(408, "slow", "the body did not arrive in time") from None
            raise
        return b"".join(chunks)

    def _check_room(self, size: int, most: int) -> None:
        if size > most:
            raise too_large(f"the body has more than {most} bytes")
        if self._held > MOST_HELD:
            raise _busy()

    def _page(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/health/live":
            return _json(200, {"live": True})
        if request.path == "/health/ready":
            return self._readiness()
        if request.path == "/metrics":
            return web.Response(body=self._metrics.exposition(), content_type="text/plain", charset="utf-8")
        self._metrics.requests.labels(404, "path").inc()
        return _rejection(Rejected(404, "path", "POST to /api/<project>/envelope/"))

    def _readiness(self) -> web.Response:
        """Say yes as long as events can be taken: with Kafka away the disk takes them."""
        ready = not self._stopping and (self._delivery.ready or self._delivery.has_room)
        missing = [] if self._delivery.ready else ["kafka"]
        state = {"ready": ready, "missing": missing, "spool_bytes": self._delivery.waiting_bytes}
        return _json(200 if ready else 503, state)


class _Site(web.BaseSite):
    """Where it listens: like :class:`aiohttp.web.TCPSite`, with a limit on the time of a TLS handshake."""

    def __init__(
        self, runner: web.ServerRunner, settings: GatewaySettings, certificate: Certificate | None, *, share_port: bool
    ) -> None:
        super().__init__(runner, ssl_context=certificate.context if certificate else None, backlog=1024)
        self._settings = settings
        self._share_port = share_port

    @property
    def name(self) -> str:
        """The address, for people."""
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{self._settings.host}:{self._settings.port}"

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        assert self._runner.server is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            self._settings.host,
            self._settings.port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=self._settings.request_timeout_s if self._ssl_context else None,
            backlog=self._backlog,
            reuse_port=self._share_port or None,
        )


class _Listener(web.Server):
    """Makes connections that end when they send no request, and refuses more of them than there may be."""

    def __init__(self, handler: Any, *, settings: GatewaySettings, **options: Any) -> None:
        super().__init__(handler, **options)
        self.settings = settings

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """A connection that is closed when its first request does not come in time."""

    __slots__ = ("_listener", "_patience")

    def __init__(self, listener: _Listener, **options: Any) -> None:
        super().__init__(listener, **options)
        self._listener = listener
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        settings = self._listener.settings
        if len(self._listener.connections) > settings.max_connections:
            self.force_close()
            return
        self._patience = asyncio.get_running_loop().call_later(settings.request_timeout_s, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or what failed, without a word of what was sent."""
        if status >= 500:
            log.error("a request failed", exc_info=exc)
        if self.transport is not None and self.transport.get_write_buffer_size() > 0:
            raise ConnectionError("the answer was begun already")
        answer = _rejection(Rejected(status, "malformed", "not a valid HTTP request" if status < 500 else "failed"))
        answer.force_close()
        return answer

    def _give_up(self) -> None:
        if self._current_request is None and self._request_count == 0:
            self.force_close()


def client_address(request: web.BaseRequest, proxies: int) -> str:
    """Return the client's address: the one that the outermost of our own proxies saw, or else the connection's."""
    if proxies:
        seen = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        named = seen[-proxies].strip() if len(seen) >= proxies else ""
        if named:
            return named
    return request.remote or ""


def _busy() -> Rejected:
    return Rejected(429, "busy", "try again later", retry_after_s=RETRY_AFTER_S)


def _rejection(rejection: Rejected) -> web.Response:
    headers = {**CORS, "X-Sentry-Error": rejection.reason}
    if rejection.retry_after_s is not None:
        headers["Retry-After"] = str(rejection.retry_after_s)
        headers["X-Sentry-Rate-Limits"] = rejection.rate_limits or f"{rejection.retry_after_s}::organization"
    return _json(rejection.status, {"detail": rejection.reason}, headers)


def _json(status: int, value: Any, headers: Mapping[str, str] = CORS) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
