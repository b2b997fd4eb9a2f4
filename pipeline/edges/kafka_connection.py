"""Connecting to Kafka: the options of every client, and why a connection failed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from pipeline.edges.settings import KafkaSettings
from pipeline.errors import AuthenticationFailed, Misconfigured, Unavailable

CONNECT_TIMEOUT_S = 15.0
DIAGNOSE_TIMEOUT_S = 3.0
REFUSED = (
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    IllegalSaslStateError,
    ssl.SSLError,
)
"""What a person has to mend: credentials, the mechanism, or a certificate or protocol of TLS."""


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every aiokafka client needs to connect and sign in.

    Raises:
        Misconfigured: a certificate file cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password,
        }
    return options


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context that the settings ask for, ``None`` without TLS.

    Raises:
        Misconfigured: a certificate file cannot be used.
    """
    if "SSL" not in settings.security_protocol:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file or None)
    except OSError as error:
        raise Misconfigured(f"kafka.ca_file or kafka.certificate_file cannot be used: {error}") from error
    return context


async def connect(client: Any, settings: KafkaSettings) -> None:
    """Start an aiokafka client.

    Raises:
        Unavailable: no broker can be connected to.
        AuthenticationFailed: a broker refuses the credentials.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await client.start()
    except (KafkaError, OSError, TimeoutError) as error:
        raise await not_connected(settings, error) from None


async def not_connected(settings: KafkaSettings, error: BaseException) -> Unavailable:
    """Return what to raise for a client that could not connect.

    aiokafka says for every broker and every cause the same, so the cause is asked for with a connection of its own.
    """
    cause = await _cause(settings) or error
    if isinstance(cause, REFUSED):
        return AuthenticationFailed(
            f"Kafka at {settings.bootstrap} does not let this program in ({_name(cause)}): see kafka.security_protocol "
            f"({settings.security_protocol}), kafka.sasl_mechanism, kafka.username, the password and kafka.ca_file"
        )
    if isinstance(cause, socket.gaierror):
        return Unavailable(
            f"the host of Kafka at {settings.bootstrap} cannot be resolved ({cause.strerror}): is kafka.bootstrap "
            "right, and does a name server know it?"
        )
    user = ", user, password" if settings.security_protocol.startswith("SASL") else ""
    return Unavailable(
        f"Kafka at {settings.bootstrap} does not answer ({_name(cause)}): is it running, and are the "
        f"address{user} and kafka.security_protocol ({settings.security_protocol}) right?"
    )


async def _cause(settings: KafkaSettings) -> BaseException | None:
    """Return why no broker can be connected to, of the first that says why; ``None`` when one can be by now."""
    options = client_options(settings)
    cause: BaseException | None = None
    for host, port, _family in collect_hosts(options.pop("bootstrap_servers")):
        try:
            async with asyncio.timeout(DIAGNOSE_TIMEOUT_S):
                connection = await create_conn(host, port, **options)
        except (KafkaError, OSError, TimeoutError) as error:
            if cause is None or isinstance(error, REFUSED):
                cause = error
        else:
            connection.close()
            return None
    return cause


def _name(error: BaseException) -> str:
    """Name a cause; a certificate that is not trusted says why."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{type(error).__name__}: {error.verify_message}"
    return type(error).__name__


@contextmanager
def answering(settings: KafkaSettings) -> Iterator[None]:
    """Raise :class:`Unavailable` for whatever aiokafka raises while a client is in use."""
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise Unavailable(f"Kafka at {settings.bootstrap} does not answer ({type(error).__name__})") from None
