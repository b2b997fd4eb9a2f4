"""Frames: one function and one file, however runtimes, compilers, bundlers and hosts spell them."""

from __future__ import annotations

import pytest

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, INLINED, LIBRARY, RUNTIME, SHIM
from pipeline.fingerprint.v1.paths import normal_path
from pipeline.fingerprint.v1.platforms import PLATFORMS
from schemas.event import Frame

SAME_FUNCTION = [
    (
        "javascript",
        [
            "Object.foo",
            "foo",
            "Foo.foo",
            "new foo",
            "Foo.prototype.foo",
            "exports.foo",
            "async foo",
            "Foo.foo [as bar]",
            "setup/foo",
            "setup/this.foo",
            "e.foo",
            "Module.foo",
            "get foo",
            "_this.foo",
            "Function.foo",
            "HTMLButtonElement.foo",
            "foo$",
            "window.foo",
            "global.foo",
            "Object.e.foo",
            "foo",
        ],
    ),
    (
        "javascript",
        [
            "<anonymous>",
            "?",
            "",
            "Object.<anonymous>",
            "HTMLButtonElement.<anonymous>",
            "foo/<",
            "foo/</<",
            "foo<",
            "global code",
            "module code",
            "eval code",
            "anonymous",
            "Array.<anonymous>",
            "t",
            "e.t",
            "Module../src/a.js",
            "./src/a.js",
            "Object.1234",
            "__webpack_modules__.17",
            "_callee$",
            "_callee2$",
            "new t",
            "1234",
            "eval",
            "setTimeout handler*foo/<",
            "<computed>",
            "Object.<computed>",
            "foo.<computed>",
        ],
    ),
    ("java", ["lambda$run$0", "lambda$run$12", "run", "lambda$static$run$3"]),
    ("csharp", ["<Run>b__0_1", "Run", "<Run>d__7.MoveNext", "Run(System.String a)", "Run[T](T a)", "Run`1"]),
    (
        "go",
        [
            "(*Server).Run",
            "Server.Run",
            "(*Server).Run.func1",
            "(*Server).Run.func2.1",
            "(*Server).Run-fm",
            "(*Server).Run.gowrap1",
            "(*Server[...]).Run",
            "(*Server).Run.deferwrap2",
            "(*Server).Run.func1.Server.Run.func2",
        ],
    ),
    (
        "ruby",
        [
            "run",
            "block in run",
            "block (3 levels) in run",
            "rescue in run",
            "Foo#run",
            "Foo::Bar.run",
            "block in Foo#run",
            "ensure in run",
            "block in Foo::Bar#run",
        ],
    ),
    ("python", ["run", "Foo.run", "make.<locals>.run"]),
    (
        "rust",
        [
            "a::b::run",
            "a::b::run::h0123456789abcdef",
            "a::b::run::{{closure}}",
            "a::b::run::{{closure}}::h0123456789abcdef",
            "a::b::run<T>",
            "a::b::run::<u8>",
            "a::b::run",
        ],
    ),
    (
        "native",
        [
            "a::run(int)",
            "a::run(int, char const*)",
            "a::run(int) [clone .isra.0]",
            "a::run(int) const",
            "void a::run<int>(int)",
            "a::run(int)::{lambda(int)#1}::operator()(int) const",
            "a::run(int)::$_0::operator()() const",
            "a::(anonymous namespace)::run(int)",
            "a::run(std::function<void (int)>)",
            "a::run(int) + 0x1f",
            "static a::run(int)",
            "a::run(int) (.cold)",
            "a::run",
        ],
    ),
]

SAME_PATH = [
    ["https://a.com/static/js/main.3f2a9c1b.js", "https://b.io:80/static/js/main.aabb1122.chunk.js?x"],
    [
        "/_next/static/chunks/pages/orders-1a2b3c4d5e6f7a8b.js",
        "https://x/_next/static/chunks/pages/orders-ffff3c4d5e6f7a8b.js",
    ],
    ["https://x/assets/index-DiwrgTda.js", "https://x/assets/index-B_x9-aZ1.js", "https://y/assets/index.js"],
    ["https://x/assets/chunk-4QH2ZL7E.js", "https://x/assets/chunk-AAAABBBB.js"],
    ["https://x/v12/app.js", "https://x/2024.1.3/app.js", "https://x/3f2a9c1b77/app.js"],
    [
        "webpack:///./src/a.js",
        "webpack://shop/./src/a.js",
        "webpack-internal:///./src/a.js",
        "app:///src/a.js",
        "webpack:///src/a.js?1a2b",
        "../../src/a.js",
        "webpack://_N_E/./src/a.js",
        "webpack-internal:///(app-pages-browser)/./src/a.js",
    ],
    [
        "/home/ann/shop/src/orders.js",
        "/usr/src/app/src/orders.js",
        "C:\\work\\shop\\src\\orders.js",
        "/Users/bob/dev/acme/shop/src/orders.js",
        "/var/www/shop/releases/20240101/src/orders.js",
        "file:///srv/shop/src/orders.js",
    ],
    ["https://unpkg.com/react@18.2.0/umd/react.js", "https://unpkg.com/react@17.0.1/umd/react.js"],
    ["https://shop.example/js/order-list-3f2a9c1b.js", "https://shop.example/js/order-list.js"],
    ["23.1a2b3c4d.chunk.js", "117.99aa3c4d.chunk.js"],
]

NEARNESS = [
    ("python", {"abs_path": "/usr/lib/python3.12/asyncio/events.py", "module": "asyncio.events"}, RUNTIME),
    ("python", {"filename": "asyncio/events.py", "module": "asyncio.events"}, RUNTIME),
    ("python", {"abs_path": "/srv/shop/email/send.py", "module": "email.send"}, APP),
    ("python", {"abs_path": "/v/lib/python3.9/site-packages/flask/app.py", "module": "flask.app"}, LIBRARY),
    ("python", {"abs_path": "/srv/shop/views.py", "module": "shop.views"}, APP),
    ("node", {"filename": "node:internal/timers"}, RUNTIME),
    ("node", {"filename": "/app/node_modules/express/lib/router.js"}, LIBRARY),
    ("node", {"filename": "/app/server.js"}, APP),
    ("javascript", {"filename": "chrome-extension://aaaa/content.js"}, RUNTIME),
    ("javascript", {"filename": "[native code]"}, RUNTIME),
    ("javascript", {"filename": "webpack:///./node_modules/react/index.js"}, LIBRARY),
    ("javascript", {"filename": "https://shop.example/static/js/vendors~main.1a2b3c4d.js"}, LIBRARY),
    ("javascript", {"filename": "https://shop.example/static/js/main.1a2b3c4d.js"}, APP),
    ("java", {"module": "java.util.ArrayList"}, RUNTIME),
    ("java", {"module": "org.springframework.web.Servlet"}, LIBRARY),
    ("java", {"module": "com.acme.Cart"}, APP),
    ("go", {"module": "net/http", "abs_path": "/opt/x/go/1.21/src/net/http/server.go"}, RUNTIME),
    ("go", {"module": "github.com/x/y", "abs_path": "/go/pkg/mod/github.com/x/y@v1.2.3/z.go"}, LIBRARY),
    ("go", {"module": "main", "abs_path": "/app/main.go"}, APP),
    ("ruby", {"abs_path": "/usr/local/bundle/gems/rack-2.2.8/lib/rack.rb"}, LIBRARY),
    ("ruby", {"filename": "<internal:kernel>"}, RUNTIME),
    ("ruby", {"filename": "app/models/order.rb"}, APP),
    ("php", {"filename": "/vendor/symfony/a.php"}, LIBRARY),
    ("php", {"filename": "[internal]"}, RUNTIME),
    ("php", {"filename": "/app/a.php"}, APP),
    ("csharp", {"module": "System.Threading.Tasks.Task"}, RUNTIME),
    ("csharp", {"module": "Npgsql.NpgsqlCommand"}, LIBRARY),
    ("csharp", {"module": "Acme.Cart"}, APP),
    ("rust", {"function": "core::panicking::panic"}, RUNTIME),
    ("rust", {"function": "tokio::runtime::run"}, LIBRARY),
    ("rust", {"function": "shop::main"}, APP),
    ("native", {"function": "raise", "package": "/lib/x86_64-linux-gnu/libc.so.6"}, RUNTIME),
    ("native", {"function": "main", "package": "/app/shop"}, APP),
]


def named(platform: str, function: str) -> tuple[str, str]:
    frame = Frame(
        function=function, module="a.B" if platform in ("java", "csharp", "python") else None, package="/x/app"
    )
    found = PLATFORMS[platform]
    return found.place(frame), found.name(function, frame)


@pytest.mark.parametrize(("platform", "functions"), SAME_FUNCTION, ids=lambda one: one if isinstance(one, str) else "")
def test_one_function_has_one_name(platform: str, functions: list[str]) -> None:
    assert len({named(platform, function) for function in functions}) == 1


@pytest.mark.parametrize("paths", SAME_PATH, ids=lambda paths: paths[0][-30:])
def test_one_file_has_one_path(paths: list[str]) -> None:
    assert len({normal_path(path) for path in paths}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("js/order-list-3f2a9c1b.js", "js/order-detail-3f2a9c1b.js"),
        ("src/a/index.js", "src/b/index.js"),
        ("js/page1.js", "js/page2.js"),
        ("/app/src/a.js", "/app/src/b.js"),
    ],
)
def test_two_files_have_two_paths(one: str, other: str) -> None:
    assert normal_path(one) != normal_path(other)


@pytest.mark.parametrize(("platform", "frame", "expected"), NEARNESS)
def test_whose_frame_it_is(platform: str, frame: dict[str, str], expected: int) -> None:
    assert PLATFORMS[platform].nearness(Frame(**frame)) == expected


@pytest.mark.parametrize(
    ("platform", "function", "expected"),
    [
        ("python", "<listcomp>", INLINED),
        ("python", "<lambda>", ANONYMOUS),
        ("python", "wrapper", SHIM),
        ("node", "Object.<anonymous>", SHIM),
        ("javascript", "HTMLElement.sentryWrapped", SHIM),
        ("java", "access$000", SHIM),
        ("go", "gopanic", SHIM),
        ("php", "{closure}", ANONYMOUS),
        ("csharp", "lambda_method12", SHIM),
        ("native", "__pthread_kill", SHIM),
    ],
)
def test_functions_that_stand_for_nothing(platform: str, function: str, expected: str) -> None:
    assert PLATFORMS[platform].name(function, Frame(function=function)) == expected
