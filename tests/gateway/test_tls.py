"""HTTPS, with a certificate of the test's own, and a real SDK."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sentry_sdk
from installation import Installation
from test_python_sdk import client

from deploy.local.gateway import LOCAL_KEY
from deploy.local.ports import free_port
from pipeline.errors import Misconfigured
from pipeline.gateway.certificate import Certificate


def make_certificate(directory: Path, name: str) -> None:
    """Write ``certificate.pem`` and ``key.pem``, signed by itself."""
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "certificate.pem")]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", "req", *kind, *files, *names], check=True, capture_output=True)


@contextmanager
def running(installation: Installation, directory: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    installation.configure(
        f'[gateway]\nport = {port}\nrequest_timeout_s = 1\ncertificate_file = "{directory / "certificate.pem"}"\n'
        f'key_file = "{directory / "key.pem"}"\n'
    )
    environment = {**os.environ, **installation.environment, "AFTERSHOCK_DATA": str(directory / "data")}
    with (directory / "worker-gateway.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "pipeline", "gateway"], env=environment, stderr=log)
    try:
        until = time.monotonic() + 30
        while _subject(port, directory) is None:
            assert process.poll() is None, (directory / "worker-gateway.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield port, process
    finally:
        process.terminate()
        process.wait(20)


def trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(directory / "certificate.pem"))


def _subject(port: int, directory: Path) -> str | None:
    """Return whose certificate the gateway shows, ``None`` if it is not the one that is trusted, or does not answer."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            trusting(directory).wrap_socket(plain, server_hostname="localhost") as encrypted,
        ):
            certificate = encrypted.getpeercert() or {}
            return str(dict(pair for part in certificate["subject"] for pair in part)["commonName"])
    except OSError:
        return None


def test_https_with_a_real_sdk_and_a_certificate_that_is_renewed_while_it_runs(
    installation: Installation, tmp_path: Path
) -> None:
    make_certificate(tmp_path, "first")
    with running(installation, tmp_path) as (port, process):
        with client(f"https://{LOCAL_KEY}@localhost:{port}/5", ca_certs=str(tmp_path / "certificate.pem")):
            sentry_sdk.capture_message("over TLS")
        (record,) = installation.consume("errors")
        assert json.loads(record.value)["message"] == "over TLS"
        # What is not TLS, or not finished in time, is let go.
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"POST /api/1/envelope/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP" not in plain.recv(1000)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
            assert silent.recv(10) == b""
        # A connection that is open goes on; new ones see the new certificate.
        open_one = http.client.HTTPSConnection("localhost", port, context=trusting(tmp_path), timeout=10)
        open_one.request("GET", "/health/live")
        assert open_one.getresponse().read()
        make_certificate(tmp_path, "second")
        process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 10
        while (shown := _subject(port, tmp_path)) is None and time.monotonic() < until:
            time.sleep(0.05)
        assert shown == "second"
        open_one.request("GET", "/health/live")
        assert open_one.getresponse().status == 200
        # Files that cannot be used change nothing.
        (tmp_path / "key.pem").write_text("no key", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert _subject(port, tmp_path) == "second"
        assert process.poll() is None


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    make_certificate(tmp_path, "first")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    Certificate(str(certificate), str(key))
    locked = tmp_path / "locked.pem"
    command = ["openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked]
    subprocess.run(command, check=True, capture_output=True)
    for files in ((tmp_path / "none", key), (certificate, certificate), (certificate, locked), (key, key)):
        with pytest.raises(Misconfigured) as caught:
            Certificate(str(files[0]), str(files[1]))
        assert str(files[0]) in str(caught.value)
        assert "\n" not in str(caught.value)
