"""One question in Kafka's wire protocol, to see whether a broker takes requests, without a client library."""

from __future__ import annotations

import socket
import struct

_API_VERSIONS = 18
_CORRELATION = 7


def answers_api_versions(host: str, port: int, timeout_seconds: float = 2.0) -> bool:
    """Tell whether a broker answers ``ApiVersions`` version 0 (https://kafka.apache.org/protocol#The_Messages).

    A broker opens its port for requests only once it has registered with its controller, so an answer means that
    topics can be made.
    """
    client = b"aftershock"
    request = struct.pack(f">hhih{len(client)}s", _API_VERSIONS, 0, _CORRELATION, len(client), client)
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = connection.recv(8, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(head) == 8 and struct.unpack(">ii", head)[1] == _CORRELATION
