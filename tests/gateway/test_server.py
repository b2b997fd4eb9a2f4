"""The gateway over HTTP and into Kafka."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installation import Installation

from deploy.local.gateway import LOCAL_KEY, Gateway
from deploy.local.ports import LOOPBACK, free_port

AUTH = {"X-Sentry-Auth": f"Sentry sentry_key={LOCAL_KEY}, sentry_version=7"}


class Answer:
    """An HTTP answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


def send(
    gateway: Gateway, path: str, body: Any = b"", headers: dict[str, str] | None = None, method: str = "POST"
) -> Answer:
    connection = http.client.HTTPConnection(LOOPBACK, gateway.port, timeout=20)
    try:
        connection.request(method, path, body, AUTH if headers is None else headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def envelope(event_id: str, **fields: Any) -> bytes:
    payload = json.dumps({"event_id": event_id, "message": "x", **fields}).encode()
    header = json.dumps({"event_id": event_id}).encode()
    return header + b'\n{"type":"event","length":%d}\n' % len(payload) + payload + b"\n"


def raw(gateway: Gateway, sent: bytes, seconds: float = 10) -> bytes:
    """Send bytes as they are and return everything that comes back until the connection is closed."""
    with socket.create_connection((LOOPBACK, gateway.port), timeout=seconds) as connection:
        connection.sendall(sent)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def test_what_is_answered_with_200_is_on_the_topic(gateway: Gateway, installation: Installation) -> None:
    ids = [uuid.uuid4().hex for _ in range(5)]
    dsn = f"http://{LOCAL_KEY}@{LOOPBACK}:{gateway.port}/42".encode()
    tunnelled = b'{"dsn":"' + dsn + b'","event_id":"' + ids[4].encode() + b'"}\n' + envelope(ids[4]).partition(b"\n")[2]
    plain = {**AUTH, "Content-Type": "application/x-sentry-envelope"}
    answers = [
        send(gateway, "/api/42/envelope/", envelope(ids[0]), plain),
        send(gateway, "/api/42/envelope", gzip.compress(envelope(ids[1])), {**AUTH, "Content-Encoding": "gzip"}),
        send(gateway, f"/api/42/envelope/?sentry_key={LOCAL_KEY}&sentry_version=7", iter([envelope(ids[2])]), {}),
        send(gateway, "/api/42/store/", json.dumps({"event_id": ids[3]}).encode()),
        send(gateway, "/tunnel", tunnelled, {"Content-Type": "text/plain;charset=UTF-8"}),
    ]
    assert [(answer.status, json.loads(answer.body)) for answer in answers] == [(200, {"id": one}) for one in ids]
    records = installation.consume("errors")
    assert sorted(record.key.decode() for record in records) == sorted(ids)
    assert {tuple(record.headers) for record in records} == {(("project", b"42"),)}
    assert json.loads(send(gateway, "/api/42/envelope/", b"{}").body) == {}


def test_refusals_have_their_status_and_reflect_nothing(gateway: Gateway, installation: Installation) -> None:
    bad = "<script>alert(1)</script>"
    bomb = gzip.compress(b"x" * 30_000_000)
    cases = [
        (401, send(gateway, "/api/1/envelope/", b"{}", {})),
        (401, send(gateway, f"/api/1/envelope/?sentry_key={LOCAL_KEY}", b"{}")),
        (400, send(gateway, "/api/1/envelope/", b"{}", {"X-Sentry-Auth": f"Sentry sentry_key={bad}"})),
        (400, send(gateway, "/api/1/envelope/", bad.encode())),
        (400, send(gateway, "/api/1/envelope/", b"{}", {**AUTH, "Content-Encoding": "rot13"})),
        (404, send(gateway, f"/{bad}", b"{}")),
        (405, send(gateway, "/api/1/envelope/", method="GET")),
        (
            413,
            send(gateway, "/api/1/envelope/", bomb, {**AUTH, "Content-Encoding": "gzip"}),
        ),
        (413, send(gateway, "/api/1/envelope/", b"", {**AUTH, "Content-Length": str(10**12)})),
        (413, send(gateway, "/api/1/envelope/", b'{}\n{"type":"event"}\n' + b"x" * (1 << 21))),
    ]
    assert [answer.status for _, answer in cases] == [status for status, _ in cases]
    for _, answer in cases:
        assert b"script" not in answer.body
        assert answer.headers["x-sentry-error"]
        assert answer.headers["access-control-allow-origin"] == "*"
    assert installation.consume("errors") == []


def test_browsers_of_any_origin_may_send(gateway: Gateway) -> None:
    preflight = send(
        gateway,
        "/api/1/envelope/",
        headers={"Origin": "https://shop.example", "Access-Control-Request-Headers": "x-sentry-auth"},
        method="OPTIONS",
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "x-sentry-auth" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-max-age"] == "3600"
    answer = send(gateway, "/api/1/envelope/", envelope("a" * 32), {**AUTH, "Origin": "https://shop.example"})
    assert answer.headers["access-control-expose-headers"] == "x-sentry-error, x-sentry-rate-limits, retry-after"


def test_what_is_not_http_is_refused_without_being_quoted(gateway: Gateway) -> None:
    head = b"POST /api/1/envelope/ HTTP/1.1\r\nHost: x\r\n"
    for sent in (
        b"hello <script> HTTP/9.9\r\n\r\n",
        head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        head + b"Content-Length: -1\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        head + b"X-A: script\r\n folded: script\r\nContent-Length: 2\r\n\r\n{}",
        head + b"Content-Length : 2\r\n\r\n{}",
        head + b" Content-Length: 2\r\n\r\n{}",
        head + b"Content-Length: +2\r\n\r\n{}",
        head + b"Content-Length: 2, 2\r\n\r\n{}",
        head + b"Content-Length: 0x2\r\n\r\n{}",
        head + b"Content-Length: 2_0\r\n\r\n{}",
        head + b"Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        head.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
        head + b"Host: script\r\nContent-Length: 2\r\n\r\n{}",
        head.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}",
        head + b"X-A: a\x00script\r\nContent-Length: 2\r\n\r\n{}",
        head + b"X-A: a\rX-B: script\r\nContent-Length: 2\r\n\r\n{}",
        head + b"X(A): script\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /api/1/envelope/\x00script HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/1/" + b"script/" * 4000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        head + b"X-Long: " + b"<script>" * 2000 + b"\r\n\r\n",
        head + b"".join(b"X-%d: script\r\n" % number for number in range(200)) + b"\r\n",
    ):
        received = raw(gateway, sent)
        assert received.startswith(b"HTTP/1."), sent[:80]
        assert b" 400 " in received.partition(b"\r\n")[0]
        assert received.count(b"HTTP/1.") == 1
        assert b"aiohttp" not in received
        assert b"script" not in received


def test_a_client_that_asks_first_is_told_to_go_on(gateway: Gateway) -> None:
    head = f"POST /api/1/envelope/?sentry_key={LOCAL_KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n".encode()
    with socket.create_connection((LOOPBACK, gateway.port), timeout=10) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def impatient(installation: Installation, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that waits for nobody and takes few."""
    installation.configure("[gateway]\nrequest_timeout_s = 1\nmax_connections = 5\n")
    with Gateway(
        port=free_port(), environment=installation.environment, data=tmp_path, log=tmp_path / "worker-gateway.log"
    ) as one:
        yield one


def test_slow_and_too_many_clients_are_let_go(impatient: Gateway) -> None:
    assert raw(impatient, b"POST /api/1/envelope/ HTT") == b""
    head = f"POST /api/1/envelope/?sentry_key={LOCAL_KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
    assert b" 408 " in raw(impatient, head + b"{}").partition(b"\r\n")[0]
    waiting = [socket.create_connection((LOOPBACK, impatient.port), timeout=10) for _ in range(8)]
    try:
        # Let go at once, those over the limit; after a second, the others.
        assert all(connection.recv(10) == b"" for connection in waiting[5:])
    finally:
        for connection in waiting:
            connection.close()
    # Its connections are free again, and it answers.
    until = time.monotonic() + 10
    while not impatient.answers() and time.monotonic() < until:
        time.sleep(0.05)
    assert send(impatient, "/api/1/envelope/", envelope("b" * 32)).status == 200


def test_health_metrics_and_a_graceful_end(gateway: Gateway) -> None:
    sent = send(gateway, "/api/1/envelope/", envelope("c" * 32) + b'{"type":"profile"}\n{}\n')
    assert sent.status == 200
    assert send(gateway, "/health/live", method="GET").status == 200
    assert json.loads(send(gateway, "/health/ready", method="GET").body) == {
        "ready": True,
        "missing": [],
        "spool_bytes": 0,
    }
    metrics = send(gateway, "/metrics", method="GET").body.decode()
    assert 'aftershock_gateway_outcomes_total{category="error",outcome="accepted"} 1.0' in metrics
    assert 'aftershock_gateway_outcomes_total{category="profile",outcome="no_topic"} 1.0' in metrics
    # A request whose body is still on its way when the end is asked for is answered.
    head = f"POST /api/1/envelope/?sentry_key={LOCAL_KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n".encode()
    with socket.create_connection((LOOPBACK, gateway.port), timeout=20) as connection:
        connection.sendall(head + b"{")
        time.sleep(0.3)
        gateway.ask_to_end()
        time.sleep(0.3)
        connection.sendall(b"}")
        assert b" 200 " in connection.recv(65536).partition(b"\r\n")[0]
    gateway.process.wait(20)
    assert gateway.process.exit_code == 0


def test_answer_is_the_same_whether_the_connection_stays_or_not(gateway: Gateway) -> None:
    """Only the last header tells them apart, and the date if a second has passed."""
    body = b'{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","message":"x"}'
    head = b"POST /api/1/store/?sentry_key=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (
        LOCAL_KEY.encode(),
        len(body),
    )
    stays, closes, at_once = (head + end + b"\r\n" + body for end in (b"", b"Connection: close\r\n", b""))
    answers = raw(gateway, stays + at_once + closes).split(b"HTTP/1.1 ")[1:]
    assert [answer[:6] for answer in answers] == [b"200 OK"] * 3
    first, second, last = (without_date(answer) for answer in answers)
    assert first == second
    assert last == first.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", b"Date\r\n", answer)
