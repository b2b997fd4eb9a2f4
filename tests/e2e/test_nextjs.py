"""``@sentry/nextjs``: page, server and edge runtime, the page by way of a tunnel: found in ClickHouse by SQL."""

from __future__ import annotations

import json

from stack import Stack

ERROR = """
    SELECT release, environment, platform, title, user_id, user_hash != 0 AS counted, tags['cabin'] AS cabin,
        JSONExtractRaw(contexts, 'flight') AS flight, JSONExtractString(contexts, 'runtime', 'name') AS runtime,
        trace_id
    FROM errors WHERE project = 'nextjs' AND exception_values[-1] = '{value}'
"""
COMMON = {"release": "shop-next@4.0.0", "environment": "production", "counted": 1}


def test_an_error_of_the_page_arrives_through_the_tunnel(stack: Stack, nextjs: None) -> None:
    error = stack.one(ERROR.format(value="no more seats"))
    page = stack.one(
        "SELECT op, transaction, user_id FROM spans WHERE trace_id = '{trace_id}' AND op = 'pageload'".format(**error)
    )
    assert page == {"op": "pageload", "transaction": "/", "user_id": "user-12"}
    del error["trace_id"]
    assert error == {
        **COMMON,
        "platform": "javascript",
        "title": "RangeError: no more seats",
        "user_id": "user-12",
        "cabin": "economy",
        "flight": "",
        "runtime": "",
    }


def test_an_error_of_the_server_has_the_trace_of_its_request(stack: Stack, nextjs: None) -> None:
    error = stack.one(ERROR.format(value="the server broke"))
    request = stack.one(
        f"SELECT transaction, op, status FROM spans WHERE trace_id = '{error['trace_id']}' AND is_transaction"
    )
    assert request == {"transaction": "GET /broken", "op": "http.server", "status": "error"}
    del error["trace_id"]
    assert {**error, "flight": json.loads(error["flight"])} == {
        **COMMON,
        "platform": "node",
        "title": "TypeError: the server broke",
        "user_id": "user-13",
        "cabin": "business",
        "flight": {"number": 8},
        "runtime": "node",
    }


def test_an_error_of_the_edge_runtime_arrives_by_fetch(stack: Stack, nextjs: None) -> None:
    error = stack.one(ERROR.format(value="the edge broke"))
    del error["trace_id"]
    assert {**error, "flight": json.loads(error["flight"])} == {
        **COMMON,
        "platform": "javascript",
        "title": "SyntaxError: the edge broke",
        "user_id": "user-14",
        "cabin": "first",
        "flight": {"number": 9},
        "runtime": "vercel-edge",
    }
