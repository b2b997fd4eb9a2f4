"""``@sentry/node`` under Express and a WebSocket server, by nothing but a DSN: found in ClickHouse by SQL."""

from __future__ import annotations

import json

from stack import Stack


def test_an_error_of_express_and_its_request_are_found(stack: Stack, express: None) -> None:
    """The innermost cause comes first, and only the shop's own frames are its own."""
    error = stack.one(
        "SELECT release, environment, platform, handled, title, culprit, exception_types, exception_values, user_id, "
        "user_hash != 0 AS counted, tags, JSONExtractRaw(contexts, 'basket') AS basket, request_method, "
        "arrayDistinct(arrayFilter((file, own) -> own, frames_file, frames_in_app)) AS own, trace_id "
        "FROM errors WHERE project = 'express'"
    )
    (own,) = error.pop("own")
    assert own.endswith("/express.js")
    trace = error.pop("trace_id")
    assert {**error, "basket": json.loads(error["basket"])} == {
        "release": "shop@2.3.1",
        "environment": "production",
        "platform": "node",
        "handled": False,
        "title": "TypeError: no such order",
        "culprit": "GET /orders/:number",
        "exception_types": ["RangeError", "TypeError"],
        "exception_values": ["out of stock", "no such order"],
        "user_id": "user-9",
        "counted": 1,
        "tags": {"region": "eu"},
        "basket": {"items": 3},
        "request_method": "GET",
    }
    spans = stack.found(
        2,
        "SELECT is_transaction, op, description, status, release, environment, user_id FROM spans "
        f"WHERE project = 'express' AND trace_id = '{trace}' ORDER BY is_transaction",
    )
    common = {"status": "error", "release": "shop@2.3.1", "environment": "production", "user_id": "user-9"}
    assert spans == [
        {"is_transaction": False, "op": "handler", "description": "/orders/:number", **common},
        {"is_transaction": True, "op": "http.server", "description": "GET /orders/:number", **common},
    ]


def test_each_message_of_a_web_socket_is_a_transaction_with_its_session(stack: Stack, sockets: None) -> None:
    messages = stack.found(
        3,
        "SELECT trace_id, span_id, status, user_id, "
        "JSONExtractString(data, 'attributes', 'sessionId', 'value') AS session, "
        "JSONExtractInt(data, 'attributes', 'connectionCount', 'value') AS connections, "
        "JSONExtractInt(data, 'attributes', 'message.bytes', 'value') AS bytes "
        "FROM spans WHERE project = 'sockets' AND is_transaction AND op = 'websocket.server' ORDER BY timestamp",
    )
    assert [(row["session"], row["connections"], row["bytes"], row["user_id"]) for row in messages] == [
        ("[session]", 1, 5, "user-of-session-1"),
        ("[session]", 1, 5, "user-of-session-1"),
        ("[session]", 2, 4, "user-of-session-2"),
    ]
    assert len({row["trace_id"] for row in messages}) == 3
    parts = stack.found(5, "SELECT segment_id, op FROM spans WHERE project = 'sockets' AND NOT is_transaction")
    found = [sorted(part["op"] for part in parts if part["segment_id"] == row["span_id"]) for row in messages]
    assert found == [["function", "websocket.send"], ["function", "websocket.send"], ["function"]]


def test_an_error_of_a_web_socket_has_its_session_and_its_message(stack: Stack, sockets: None) -> None:
    error = stack.one(
        "SELECT release, environment, title, culprit, handled, user_id, tags, trace_id, span_id "
        "FROM errors WHERE project = 'sockets'"
    )
    span = stack.one(
        f"SELECT op, description, status FROM spans WHERE project = 'sockets' AND span_id = '{error.pop('span_id')}' "
        f"AND trace_id = '{error.pop('trace_id')}'"
    )
    assert error == {
        "release": "shop@2.3.1",
        "environment": "production",
        "title": "EvalError: cannot handle this message",
        "culprit": "sockets in handle",
        "handled": True,
        "user_id": "user-of-session-2",
        "tags": {"sessionId": "session-2", "connectionCount": "2"},
    }
    assert span["op"] in ("function", "websocket.server")
