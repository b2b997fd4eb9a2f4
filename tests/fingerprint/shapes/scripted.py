"""Python, JavaScript, Ruby and PHP, where a capture would need more than one machine has."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

from shapes.build import Event, event, frame, one, thrown


def py(function: str, module: str, path: str, **more: Any) -> dict[str, Any]:
    return {
        "function": function,
        "module": module,
        "filename": module.replace(".", "/") + ".py",
        "abs_path": path,
        **more,
    }


def django(root: str, python: str, *frames: dict[str, Any]) -> list[dict[str, Any]]:
    packages = f"{root}/lib/{python}/site-packages/django/core/handlers"
    return [
        py("inner", "django.core.handlers.exception", f"{packages}/exception.py", in_app=False),
        py("_get_response", "django.core.handlers.base", f"{packages}/base.py", in_app=False),
        *frames,
    ]


def ruby(type_: str, value: str, *frames: tuple[str, str]) -> Event:
    return one(
        "ruby", type_, value, *({"function": function, "filename": path, "abs_path": path} for function, path in frames)
    )


def php(type_: str, value: str, *frames: tuple[str, str]) -> Event:
    return one(
        "php", type_, value, *({"function": function, "filename": path, "in_app": True} for function, path in frames)
    )


def js(type_: str, value: str, *frames: tuple[str, str] | tuple[str, str, str], **more: Any) -> Event:
    lines = []
    for function, path, *source in frames:
        lines.append(
            {"function": function, "filename": path, "in_app": True} | ({"context_line": source[0]} if source else {})
        )
    return one("javascript", type_, value, *lines, **more)


def group_member(identity: int, parent: int, type_: str, function: str) -> dict[str, Any]:
    mechanism = {
        "type": "chained",
        "exception_id": identity,
        "parent_id": parent,
        "source": f"exceptions[{identity - 1}]",
    }
    return thrown(
        type_, f"failed {identity}", py(function, "shop.jobs", "/app/shop/jobs.py", in_app=True), mechanism=mechanism
    )


def python_group(*members: tuple[str, str]) -> Event:
    root = thrown(
        "ExceptionGroup",
        f"unhandled errors in a TaskGroup ({len(members)} sub-exceptions)",
        py("main", "shop.jobs", "/app/shop/jobs.py", in_app=True),
        mechanism={"type": "generic", "exception_id": 0, "is_exception_group": True},
    )
    children = [group_member(at + 1, 0, type_, function) for at, (type_, function) in enumerate(members)]
    return event("python", *reversed(children), root)


SRC = "webpack:///./src"

BUGS: dict[str, list[Event]] = {
    "django-view/integrity": [
        one(
            "python",
            "IntegrityError",
            f'duplicate key value violates unique constraint "orders_pkey"\nDETAIL:  Key (id)=({n}) already exists.\n',
            *stack,
        )
        for n, stack in enumerate(
            [
                django(
                    "/srv/shop/venv",
                    "python3.8",
                    py("post", "shop.views", "/srv/shop/shop/views.py", in_app=True, context_line="    order.save()"),
                    py(
                        "execute",
                        "django.db.backends.utils",
                        "/srv/shop/venv/lib/python3.8/site-packages/django/db/backends/utils.py",
                        in_app=False,
                    ),
                ),
                django(
                    "/usr/local",
                    "python3.12",
                    py(
                        "post",
                        "shop.views",
                        "/usr/src/app/shop/views.py",
                        in_app=True,
                        context_line="        order.save()",
                    ),
                    py(
                        "_execute",
                        "django.db.backends.utils",
                        "/usr/local/lib/python3.12/site-packages/django/db/backends/utils.py",
                        in_app=False,
                    ),
                ),
                # The SDK said nothing, and the program was started from /, so that everything looks like its own.
                [
                    one_ | {"in_app": True}
                    if "/lib/" not in one_["abs_path"]
                    else {k: v for k, v in one_.items() if k != "in_app"}
                    for one_ in django(
                        "/usr/lib/python-envs/shop",
                        "python3.11",
                        py("post", "shop.views", "/opt/shop/shop/views.py", context_line="order.save()"),
                    )
                ],
            ]
        )
    ],
    "django-view/other-view": [
        one(
            "python",
            "IntegrityError",
            "duplicate key",
            *django(
                "/usr/local",
                "python3.12",
                py("put", "shop.views", "/usr/src/app/shop/views.py", in_app=True, context_line="order.save()"),
            ),
        )
    ],
    "python-stdlib-in-app/select": [
        one(
            "python",
            "TimeoutError",
            "timed out",
            py("run_forever", "asyncio.base_events", "/usr/lib/python3.9/asyncio/base_events.py", in_app=True),
            py("_run_once", "asyncio.base_events", "/usr/lib/python3.9/asyncio/base_events.py", in_app=True),
            py("poll", "feed.client", "/app/feed/client.py", in_app=True),
        ),
        one(
            "python",
            "TimeoutError",
            "timed out",
            py("_run", "asyncio.runners", "/usr/local/lib/python3.13/asyncio/runners.py", in_app=True),
            py(
                "run_until_complete",
                "asyncio.base_events",
                "/usr/local/lib/python3.13/asyncio/base_events.py",
                in_app=True,
            ),
            py("poll", "feed.client", "/srv/feed/feed/client.py", in_app=True),
        ),
    ],
    "python-groups/two-kinds": [
        python_group(("TimeoutError", "fetch"), ("PermissionError", "store")),
        python_group(("PermissionError", "store"), ("TimeoutError", "fetch"), ("TimeoutError", "fetch")),
    ],
    "python-groups/one-kind": [python_group(*[("TimeoutError", "fetch")] * n) for n in (1, 2, 5)],
    "python-groups/other-kind": [python_group(*[("PermissionError", "store")] * n) for n in (1, 3)],
    "python-notebook/cell": [
        one(
            "python",
            "KeyError",
            "'x'",
            {
                "function": "<module>",
                "module": "__main__",
                "filename": "<ipython-input-12-3fa2b1c4d5e6>",
                "context_line": "frame['x']",
            },
        ),
        one(
            "python",
            "KeyError",
            "'y'",
            {
                "function": "<module>",
                "module": "__main__",
                "filename": "<ipython-input-3-99a2b1c4d5e6>",
                "context_line": "frame['x']",
            },
        ),
    ],
    # JavaScript in builds: hashes, hosts, releases, chunks.
    "js-build/cart": [
        js(
            "TypeError",
            "Cannot read properties of undefined (reading 'id')",
            ("renderCart", f"https://{host}/assets/{file}"),
            ("lineOf", f"https://{host}/assets/{file}"),
        )
        for host, file in (
            ("shop.example", "index-DiwrgTda.js"),
            ("cdn.shop.example", "index-BmN3x_0p.js"),
            ("shop.example:8443", "index-4f3a2b1c.js?v=17"),
            ("staging.shop.example", "index.9a8b7c6d5e.js"),
        )
    ],
    "js-build/other-function": [
        js(
            "TypeError",
            "Cannot read properties of undefined (reading 'id')",
            ("renderCart", "https://shop.example/assets/index-DiwrgTda.js"),
            ("totalOf", "https://shop.example/assets/index-DiwrgTda.js"),
        )
    ],
    "js-build/other-type": [
        js(
            "RangeError",
            "Invalid array length",
            ("renderCart", "https://shop.example/assets/index-DiwrgTda.js"),
            ("lineOf", "https://shop.example/assets/index-DiwrgTda.js"),
        )
    ],
    "js-mapped/submit": [
        js(
            "TypeError",
            message,
            ("?", f"{prefix}/components/Form.tsx", "  const value = field.current.value;"),
            ("submit", f"{prefix}/components/Form.tsx", "return send(value);"),
        )
        for message, prefix in (
            ("Cannot read properties of null (reading 'value')", SRC),
            ("field.current is null", "webpack://shop/./src"),
            ("null is not an object (evaluating 'field.current.value')", "app:///src"),
            ("x", "../../src"),
        )
    ],
    "js-mapped/other-line": [
        js(
            "TypeError",
            "Cannot read properties of null (reading 'value')",
            ("submit", f"{SRC}/components/Login.tsx", "return send(value);"),
        )
    ],
    "js-chunk/any": [
        js(
            "ChunkLoadError",
            "Loading chunk 23 failed.\n(error: https://shop.example/static/js/23.1a2b3c4d.chunk.js)",
            ("__webpack_require__.f.j", "webpack/runtime/jsonp chunk loading"),
        ),
        js(
            "ChunkLoadError",
            "Loading chunk vendors-node_modules_x failed.\n(timeout: https://cdn.example/static/js/vendors.js)",
            ("n.onerror", "https://shop.example/static/js/main.aaaa1111.js"),
        ),
        js(
            "Error",
            "Loading CSS chunk 5 failed.\n(/static/css/5.6f7e8d9c.chunk.css)",
            ("onLinkComplete", "https://shop.example/static/js/runtime.js"),
        ),
        one(
            "javascript",
            "TypeError",
            "Failed to fetch dynamically imported module: https://shop.example/assets/Cart-1a2b3c4d.js",
        ),
        one(
            "javascript",
            "TypeError",
            "error loading dynamically imported module: https://shop.example/assets/Orders-99aabbcc.js",
        ),
        one("javascript", "TypeError", "Importing a module script failed."),
    ],
    "js-hydration/checkout": [
        js(
            "Error",
            text,
            ("throwOnHydrationMismatch", f"https://shop.example/_next/static/chunks/framework-{n}aaaa1111.js"),
            transaction="/checkout",
        )
        for n, text in enumerate(
            (
                "Hydration failed because the initial UI does not match what was rendered on the server.",
                "Minified React error #418; visit https://reactjs.org/docs/error-decoder.html?invariant=418 for the full message",
                "There was an error while hydrating. Because the error happened outside of a Suspense boundary",
                "Text content does not match server-rendered HTML.",
            )
        )
    ],
    "js-hydration/other-page": [
        js(
            "Error",
            "Hydration failed because the initial UI does not match what was rendered on the server.",
            ("x1y2z", "https://shop.example/_next/static/chunks/f.js"),
            transaction="/orders/17",
        ),
        one("javascript", "Error", "Minified React error #423; visit x", transaction="/orders/99"),
    ],
    "js-resize/any": [
        js("Error", "ResizeObserver loop limit exceeded", ("?", "https://shop.example/orders/17")),
        one("javascript", "Error", "ResizeObserver loop completed with undelivered notifications."),
        js("Error", "ResizeObserver loop limit exceeded", ("?", "https://shop.example/cart")),
    ],
    "js-fetch/failed": [
        one("javascript", "TypeError", text)
        for text in (
            "Failed to fetch",
            "NetworkError when attempting to fetch resource.",
            "Load failed",
            "Failed to fetch (api.shop.example)",
            "The Internet connection appears to be offline.",
        )
    ],
    "js-json/invalid": [
        one("javascript", "SyntaxError", text)
        for text in (
            "Unexpected token < in JSON at position 0",
            "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
            "JSON.parse: unexpected character at line 1 column 1 of the JSON data",
            "JSON Parse error: Unrecognized token '<'",
        )
    ],
    "js-json/truncated": [
        one("javascript", "SyntaxError", text)
        for text in (
            "Unexpected end of JSON input",
            "JSON.parse: unexpected end of data at line 1 column 1 of the JSON data",
            "JSON Parse error: Unexpected EOF",
        )
    ],
    "js-variable/tracker": [
        one("javascript", "ReferenceError", text) for text in ("tracker is not defined", "Can't find variable: tracker")
    ],
    "js-variable/pixel": [
        one("javascript", "ReferenceError", text) for text in ("pixel is not defined", "Can't find variable: pixel")
    ],
    "js-rejection/keys": [
        one("javascript", "UnhandledRejection", f"Non-Error promise rejection captured with value: {n}")
        for n in ("17", "4711")
    ],
    "js-rejection/timeout": [
        one("javascript", "UnhandledRejection", f"Non-Error promise rejection captured with value: Timeout after {n}ms")
        for n in ("17", "4711")
    ],
    "js-native-app/tap": [
        js(
            "TypeError",
            "undefined is not a function",
            ("anonymous", "app:///index.android.bundle"),
            ("onPressBuy", path),
            ("value", "native"),
        )
        for path in (
            "app:///index.android.bundle",
            "app:///index.android.bundle?platform=android",
            "app:///index.android.bundle",
        )
    ],
    "js-recursion/tree": [
        js(
            "Error",
            "bad node",
            ("start", "https://a.example/app.js"),
            *[("visit", "https://a.example/app.js"), ("visitChild", "https://a.example/app.js")] * depth,
            ("fail", "https://a.example/app.js"),
        )
        for depth in (2, 3, 20)
    ],
    # Ruby
    "ruby-blocks/total": [
        ruby(
            "NoMethodError",
            "undefined method 'price' for nil",
            ("call", "/usr/local/bundle/gems/rack-2.2.8/lib/rack/etag.rb"),
            ("show", "app/controllers/orders_controller.rb"),
            ("map", "<internal:array>"),
            ("block in total", "app/models/order.rb"),
        ),
        ruby(
            "NoMethodError",
            "undefined method `price' for nil:NilClass",
            ("call", "/home/ann/.rbenv/versions/3.1.2/lib/ruby/gems/3.1.0/gems/rack-2.2.8/lib/rack/etag.rb"),
            ("show", "app/controllers/orders_controller.rb"),
            ("block (2 levels) in total", "app/models/order.rb"),
        ),
        ruby(
            "NoMethodError",
            "undefined method 'price' for nil",
            ("OrdersController#show", "app/controllers/orders_controller.rb"),
            ("Array#map", "<internal:array>"),
            ("block in Order#total", "app/models/order.rb"),
        ),
        ruby(
            "NoMethodError",
            "undefined method 'price' for nil",
            ("show", "/srv/shop/releases/20240309120000/app/controllers/orders_controller.rb"),
            ("rescue in total", "/srv/shop/current/app/models/order.rb"),
        ),
    ],
    "ruby-blocks/other": [
        ruby(
            "NoMethodError",
            "undefined method 'price' for nil",
            ("show", "app/controllers/orders_controller.rb"),
            ("block in count", "app/models/order.rb"),
        )
    ],
    "ruby-template/erb": [
        ruby(
            "ActionView::Template::Error",
            f"undefined local variable {n}",
            ("show", "app/controllers/orders_controller.rb"),
            (f"_app_views_orders_show_html_erb___{n}", "app/views/orders/show.html.erb"),
        )
        for n in ("1234567890123_45678", "_987654321_1230", "3337777_12")
    ],
    # PHP
    "php-closure/find": [
        php(
            "ErrorException",
            "Undefined array key 17",
            ("Illuminate\\Pipeline\\Pipeline::then", "/vendor/laravel/framework/src/Illuminate/Pipeline/Pipeline.php"),
            ("App\\Http\\OrderController::show", "/app/Http/OrderController.php"),
            ("App\\Orders::{closure}", "/app/Orders.php"),
        ),
        php(
            "ErrorException",
            "Undefined array key 18",
            ("App\\Http\\OrderController::show", "/var/www/html/app/Http/OrderController.php"),
            ("App\\Orders::{closure:App\\Orders::find():42}", "/var/www/html/app/Orders.php"),
        ),
        php(
            "ErrorException",
            "Undefined array key 19",
            ("App\\Http\\OrderController->show", "/home/ann/shop/app/Http/OrderController.php"),
            ("App\\Orders::{closure:App\\Orders::find():57}", "/home/ann/shop/app/Orders.php"),
        ),
    ],
    "php-closure/other": [
        php(
            "ErrorException",
            "Undefined array key 17",
            ("App\\Http\\OrderController::show", "/app/Http/OrderController.php"),
            ("App\\Stock::{closure}", "/app/Stock.php"),
        )
    ],
    "php-template/blade": [
        php(
            "ErrorException",
            "Undefined variable $order",
            ("App\\Http\\OrderController::show", "/app/Http/OrderController.php"),
            ("include", f"/storage/framework/views/{name}.php"),
        )
        for name in ("3f2a9c1b77aa88bb99cc00dd11ee22ff33445566", "0011223344556677889900aabbccddeeff001122")
    ],
    "php-anonymous/handler": [
        php("RuntimeException", "no", (f"class@anonymous{noise}::handle", "/app/jobs.php"))
        for noise in ("", "\x00/app/jobs.php:12$0", "/srv/shop/jobs.php:17$3f")
    ],
    "elixir-genserver/call": [
        one(
            "elixir",
            "KeyError",
            f"key {n} not found",
            frame("GenServer.call/3 @ GenServer"),
            frame("anonymous fn/1 in Shop.Orders.list/1 @ Shop.Orders"),
            frame("Shop.Cart.item/2 @ Shop.Cart"),
        )
        for n in (1, 2)
    ],
    "dart-widget/build": [
        one(
            "dart",
            "StateError",
            "Bad state: No element",
            frame("_CartState.build.<anonymous closure> @  @ package:shop/cart.dart"),
            frame("List.first @  @ dart:core/list.dart"),
        ),
        one("dart", "StateError", "Bad state: No element", frame("_CartState.build.<fn> @  @ package:shop/cart.dart")),
    ],
}
