"""One bug as different deployments, SDKs and engines report it, across platforms."""

from __future__ import annotations

from typing import Any

from shapes.build import Event, event, one, thrown

BUGS: dict[str, list[Event]] = {}


def same(name: str, *events: Event) -> None:
    """Add a bug and its occurrences."""
    BUGS[name] = list(events)


BUNDLE = "https://shop.example/static/js/bundle.%s.js"


def script(function: str, build: str) -> dict[str, Any]:
    return {"function": function, "filename": BUNDLE % build, "in_app": True}


# react render in 4 browsers
same(
    "mixed-react/one",
    one(
        "javascript",
        "TypeError",
        "Cannot read properties of undefined (reading 'map')",
        script("?", "aa11bb22"),
        script("e.performWork", "aa11bb22"),
        script("renderWithHooks", "aa11bb22"),
        script("ProductList", "aa11bb22"),
    ),
    one(
        "javascript",
        "TypeError",
        "props.items is undefined",
        script("performWork", "cc11bb22"),
        script("renderWithHooks", "cc11bb22"),
        script("ProductList", "cc11bb22"),
    ),
    one(
        "javascript",
        "TypeError",
        "undefined is not an object (evaluating 'props.items.map')",
        script("global code", "dd11bb22"),
        script("performWork", "dd11bb22"),
        script("renderWithHooks", "dd11bb22"),
        script("ProductList", "dd11bb22"),
    ),
)
same(
    "mixed-react/other",
    one(
        "javascript",
        "TypeError",
        "Cannot read properties of undefined (reading 'map')",
        script("renderWithHooks", "aa11bb22"),
        script("OrderList", "aa11bb22"),
    ),
)
# anonymous everything: distinguishes by message
same(
    "mixed-anon/1",
    one("javascript", "TypeError", "Cannot read properties of undefined (reading 'a')", script("?", "aa11bb22")),
    one("javascript", "TypeError", "x is undefined", script("<anonymous>", "bb11bb22")),
)
same(
    "mixed-anon/2",
    one("javascript", "Error", "Payment declined", script("?", "aa11bb22")),
    one("javascript", "Error", "Payment declined", script("t", "ee11bb22")),
)
same("mixed-anon/3", one("javascript", "Error", "Session expired", script("?", "aa11bb22")))
# script error
same(
    "mixed-scripterror/one",
    one("javascript", "Error", "Script error."),
    one("javascript", "Error", "Script error", {"function": "?", "filename": "https://a/x"}),
)
# python with no in_app and cwd /
same(
    "mixed-pynoinapp/one",
    one(
        "python",
        "KeyError",
        "'a'",
        {
            "function": "run",
            "module": "celery.app.trace",
            "filename": "celery/app/trace.py",
            "abs_path": "/usr/local/lib/python3.9/site-packages/celery/app/trace.py",
        },
        {"function": "sync", "module": "jobs.tasks", "filename": "jobs/tasks.py", "abs_path": "/srv/a/jobs/tasks.py"},
    ),
    one(
        "python",
        "KeyError",
        "'b'",
        {
            "function": "__protected_call__",
            "module": "celery.app.trace",
            "filename": "celery/app/trace.py",
            "abs_path": "/opt/venv/lib/python3.12/site-packages/celery/app/trace.py",
            "in_app": False,
        },
        {
            "function": "sync",
            "module": "jobs.tasks",
            "filename": "jobs/tasks.py",
            "abs_path": "/home/x/jobs/tasks.py",
            "in_app": True,
        },
    ),
    one("python", "KeyError", "'c'", {"function": "sync", "module": "jobs.tasks", "filename": "/app/jobs/tasks.py"}),
)
# windows/posix
# node paths no module
same(
    "mixed-nodepath/one",
    *[
        one("node", "TypeError", "x", {"function": "handler", "filename": r + "/routes/orders.js", "in_app": True})
        for r in (
            "/app",
            "/usr/src/app",
            "/home/ann/shop",
            "/var/task",
            "/srv/shop",
            "/opt/shop",
            "/root/shop",
            "/Users/bob/Projects/shop",
        )
    ],
)
same(
    "mixed-nodeesm/one",
    *[
        one("node", "TypeError", "x", {"function": "handler", "filename": r + "/routes/pay.mjs", "in_app": True})
        for r in ("file:///app", "file:///home/ann/shop")
    ],
)
same(
    "mixed-node-async/one",
    one(
        "node",
        "Error",
        "x 1",
        {
            "function": "process.processTicksAndRejections",
            "filename": "node:internal/process/task_queues",
            "in_app": False,
        },
        {"function": "async handler", "filename": "/app/a.js", "in_app": True},
        {"function": "load", "filename": "/app/a.js", "in_app": True},
    ),
    one(
        "node",
        "Error",
        "x 2",
        {"function": "runMicrotasks", "filename": "<anonymous>", "in_app": False},
        {"function": "processTicksAndRejections", "filename": "internal/process/task_queues.js", "in_app": False},
        {"function": "handler", "filename": "/app/a.js", "in_app": True},
        {"function": "load", "filename": "/app/a.js", "in_app": True},
    ),
)
# ruby
same(
    "mixed-ruby/one",
    *[
        one("ruby", "ZeroDivisionError", "divided by 0", {"function": f, "filename": p, "abs_path": a, "in_app": True})
        for f, p, a in (
            ("block in sum", "app/models/cart.rb", "/srv/shop/app/models/cart.rb"),
            ("sum", "app/models/cart.rb", "/app/app/models/cart.rb"),
            ("Cart#sum", "app/models/cart.rb", "/x/app/models/cart.rb"),
        )
    ],
)
# android
same(
    "mixed-android/one",
    one(
        "java",
        "RuntimeException",
        "Unable to start activity ComponentInfo{com.acme/com.acme.Main}: x",
        {"function": "performLaunchActivity", "module": "android.app.ActivityThread"},
        {"function": "onCreate", "module": "com.acme.Main"},
    ),
    one(
        "java",
        "RuntimeException",
        "Unable",
        {"function": "handleLaunchActivity", "module": "android.app.ActivityThread"},
        {"function": "onCreate", "module": "com.acme.Main"},
    ),
)
# scala
same(
    "mixed-scala/one",
    *[
        one("java", "NoSuchElementException", "None.get", {"function": f, "module": m})
        for f, m in (
            ("$anonfun$total$1", "com.acme.Cart$"),
            ("$anonfun$total$7", "com.acme.Cart$"),
            ("$anonfun$total$2$adapted", "com.acme.Cart$"),
        )
    ],
)
# go vendor versions
same(
    "mixed-gomod/one",
    *[
        one(
            "go",
            "*pq.Error",
            "pq: x",
            {"function": "Query", "module": m, "abs_path": a, "in_app": True},
            {"function": "(*Repo).Find", "module": "github.com/acme/shop/repo", "abs_path": b, "in_app": True},
        )
        for m, a, b in (
            ("github.com/lib/pq", "/go/pkg/mod/github.com/lib/pq@v1.10.2/conn.go", "/app/repo.go"),
            ("github.com/lib/pq", "/root/go/pkg/mod/github.com/lib/pq@v1.10.9/conn.go", "/src/repo.go"),
            ("github.com/acme/shop/vendor/github.com/lib/pq", "/app/vendor/github.com/lib/pq/conn.go", "/app/repo.go"),
        )
    ],
)
# flask error in wsgi servers
same(
    "mixed-wsgi/one",
    *[
        one(
            "python",
            "ValueError",
            "x",
            {"function": "<module>", "module": "__main__", "filename": p, "abs_path": q, "in_app": True},
            {"function": "main", "module": "shop.cli", "filename": "shop/cli.py", "in_app": True},
        )
        for p, q in (("manage.py", "/app/manage.py"), ("manage.py", "/srv/shop/manage.py"))
    ],
)
# exception group ordering nested cause
# php
same(
    "mixed-php/one",
    *[
        one(
            "php",
            "TypeError",
            "Argument 1 passed must be int",
            {"function": "App\\Cart::add", "filename": f, "in_app": True},
        )
        for f in ("/var/www/html/src/Cart.php", "/app/src/Cart.php", "src/Cart.php")
    ],
)
same(
    "mixed-phpfn/one",
    *[
        one("php", "TypeError", "x", {"function": "add_item", "filename": f, "in_app": True})
        for f in ("/var/www/html/src/cart.php", "/app/src/cart.php", "/home/ann/shop/src/cart.php")
    ],
)
# messages events with extra
same(
    "mixed-retry/one",
    *[
        event(
            "python",
            *[
                thrown("TimeoutError", f"attempt {i}", {"function": "call", "module": "a.b", "in_app": True})
                for i in range(n)
            ],
        )
        for n in (1, 2, 5)
    ],
)
same(
    "mixed-retry/diff-ctx",
    event(
        "python",
        thrown("KeyError", "'x'", {"function": "cached", "module": "a.cache", "in_app": True}),
        thrown("TimeoutError", "t", {"function": "call", "module": "a.b", "in_app": True}),
    ),
)
same(
    "mixed-chain-lib/one",
    *[
        event(
            "python",
            thrown(
                "gaierror",
                "[Errno -2] Name or service not known",
                {
                    "function": "getaddrinfo",
                    "module": "socket",
                    "filename": "socket.py",
                    "abs_path": f"/usr/lib/python3.{v}/socket.py",
                    "in_app": False,
                },
            ),
            thrown(
                "NewConnectionError",
                f"<urllib3.connection.HTTPSConnection object at 0x{v}>",
                {
                    "function": "connect",
                    "module": "urllib3.connection",
                    "filename": "urllib3/connection.py",
                    "in_app": False,
                },
            ),
            thrown(
                "ConnectionError",
                "HTTPSConnectionPool",
                {"function": "fetch", "module": "shop.api", "filename": "shop/api.py", "in_app": True},
                {
                    "function": f"send{v}",
                    "module": "requests.adapters",
                    "filename": "requests/adapters.py",
                    "in_app": False,
                },
            ),
        )
        for v in (9, 12)
    ],
)
same(
    "mixed-anr/one",
    *[
        {
            "platform": "java",
            "threads": {
                "values": [
                    {
                        "id": 1,
                        "name": "main",
                        "crashed": True,
                        "stacktrace": {
                            "frames": [
                                {"function": "onClick", "module": "com.acme.A"},
                                {"function": "wait", "module": "java.lang.Object"},
                            ]
                        },
                    },
                    {"id": 2, "stacktrace": {"frames": [{"function": f"r{i}", "module": "com.acme.B"}]}},
                ]
            },
        }
        for i in (1, 2)
    ],
)
same(
    "mixed-synthetic/one",
    *[
        event(
            "javascript",
            {
                "type": "Error",
                "value": "Object captured as exception with keys: code, message",
                "mechanism": {"synthetic": True, "type": "generic"},
                "stacktrace": {"frames": [script("report", "aa11bb2" + str(i))]},
            },
        )
        for i in (1, 2)
    ],
)
same(
    "mixed-synthetic/2",
    *[
        event(
            "javascript",
            {
                "type": "Error",
                "value": "Object captured as exception with keys: status, url",
                "mechanism": {"synthetic": True, "type": "generic"},
                "stacktrace": {"frames": [script("report", "aa11bb2" + str(i))]},
            },
        )
        for i in (1, 2)
    ],
)
same(
    "mixed-ext/one",
    *[
        one("javascript", "TypeError", "x", {"function": "a.b", "filename": f"{p}/content.js", "in_app": True})
        for p in (
            "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh",
            "moz-extension://1234-5678",
            "safari-web-extension://ABCD",
        )
    ],
)
