"""``@sentry/react`` in a page that Vite built and Chromium shows, by nothing but a DSN: found in ClickHouse by SQL."""

from __future__ import annotations

import json

from stack import Stack

ERROR = """
    SELECT release, environment, platform, level, handled, title, exception_types, user_id, user_hash != 0 AS counted,
        tags, JSONExtractRaw(contexts, 'basket') AS basket, transaction, sdk_name
    FROM errors WHERE project = 'web' AND exception_values[-1] = '{value}'
"""
COMMON = {
    "release": "shop-web@3.0.0",
    "environment": "production",
    "platform": "javascript",
    "level": "error",
    "user_id": "user-11",
    "counted": 1,
    "tags": {"theme": "dark"},
    "basket": {"items": 6},
    "transaction": "/",
    "sdk_name": "sentry.javascript.react",
}
READ = "Cannot read properties of undefined (reading 'amount')"


def test_an_error_boundary_reports_what_it_caught(stack: Stack, web: str) -> None:
    """The title is the error's own, not the boundary's, and the components that it passed through are kept."""
    error = stack.one(ERROR.format(value=READ.replace("'", "''")))
    assert {**error, "basket": json.loads(error["basket"])} == {
        **COMMON,
        "handled": True,
        "title": f"TypeError: {READ}",
        "exception_types": ["React ErrorBoundary TypeError", "TypeError"],
    }


def test_an_unhandled_rejection_is_a_crash(stack: Stack, web: str) -> None:
    error = stack.one(ERROR.format(value="nobody catches this"))
    assert {**error, "basket": json.loads(error["basket"])} == {
        **COMMON,
        "handled": False,
        "title": "RangeError: nobody catches this",
        "exception_types": ["RangeError"],
    }


def test_a_failed_fetch_names_the_host_and_has_its_breadcrumb(stack: Stack, web: str) -> None:
    host = web.removeprefix("http://")
    error = stack.one(ERROR.format(value=f"Failed to fetch ({host})"))
    assert (error["title"], error["handled"]) == (f"TypeError: Failed to fetch ({host})", False)
    (crumbs,) = stack.one(
        "SELECT JSONExtractRaw(payload, 'breadcrumbs') FROM errors "
        f"WHERE project = 'web' AND exception_values[-1] = 'Failed to fetch ({host})'"
    ).values()
    fetched = [crumb["data"] for crumb in json.loads(crumbs) if crumb.get("category") == "fetch"]
    assert [(data["url"], data.get("status_code")) for data in fetched] == [("/orders/6", 500), (web, None)]


def test_the_page_load_is_a_transaction_with_what_it_loaded(stack: Stack, web: str) -> None:
    page = stack.one(
        "SELECT release, environment, status, user_id, span_id FROM spans "
        "WHERE project = 'web' AND is_transaction AND op = 'pageload'"
    )
    segment = page.pop("span_id")
    assert page == {
        "release": "shop-web@3.0.0",
        "environment": "production",
        "status": "error",
        "user_id": "user-11",
    }
    expected = [{"op": op} for op in ("browser.request", "http.client", "resource.script")]
    parts = (
        f"SELECT DISTINCT op FROM spans WHERE project = 'web' AND segment_id = '{segment}' AND NOT is_transaction "
        "AND op IN ('browser.request', 'http.client', 'resource.script') ORDER BY op"
    )
    assert stack.eventually(expected, parts) == expected


def test_a_failure_of_the_server_is_found_by_the_trace_of_the_page(stack: Stack, web: str) -> None:
    """The page's request, the server's transaction and the server's error are one trace."""
    error = stack.one("SELECT title, trace_id FROM errors WHERE project = 'api'")
    assert error["title"] == "TypeError: no such order"
    trace = f"trace_id = '{error['trace_id']}'"
    server = stack.one(
        f"SELECT parent_span_id, transaction FROM spans WHERE project = 'api' AND is_transaction AND {trace}"
    )
    request = stack.one(
        "SELECT op, status, release FROM spans "
        f"WHERE project = 'web' AND {trace} AND span_id = '{server['parent_span_id']}'"
    )
    assert server["transaction"] == "GET /orders/:number"
    assert request == {"op": "http.client", "status": "error", "release": "shop-web@3.0.0"}


def test_the_frames_of_a_bundle_are_the_pages_own(stack: Stack, web: str) -> None:
    """Without source maps a bundle is one file; what the browser runs besides is not."""
    frames = stack.one(
        "SELECT arrayDistinct(arrayFilter((file, own) -> own, frames_file, frames_in_app)) AS own FROM errors "
        "WHERE project = 'web' AND exception_values[-1] = 'nobody catches this'"
    )
    (own,) = frames["own"]
    assert "/assets/index-" in own
