"""The JVM, .NET, Go, Rust and native code."""

from __future__ import annotations

from typing import Any

from shapes.build import Event, event, frame, one, thrown

SERVLET = ("doFilter @ org.apache.catalina.core.ApplicationFilterChain", "run @ java.lang.Thread @ Thread.java")


def java(type_: str, value: str, *frames: str, **more: Any) -> Event:
    return one("java", type_, value, *SERVLET, *frames, **more)


def go(type_: str, value: str, *frames: dict[str, Any] | str, **more: Any) -> Event:
    return one("go", type_, value, *frames, **more)


def gopath(function: str, module: str, path: str, in_app: bool = True) -> dict[str, Any]:
    return {"function": function, "module": module, "abs_path": path, "in_app": in_app}


def native(type_: str, value: str, *frames: tuple[str, str], **more: Any) -> Event:
    lines = [
        {"function": name, "package": package, "instruction_addr": hex(0x7F0000000000 + at * 97)}
        for at, (name, package) in enumerate(frames)
    ]
    return one("native", type_, value, *lines, **more)


BUGS: dict[str, list[Event]] = {
    # Java: proxies, lambdas, reflection, generated accessors and thread pools around the same two frames.
    "jvm-proxies/npe": [
        java(
            "NullPointerException",
            'Cannot invoke "Order.id()" because "o" is null',
            "invoke @ com.acme.shop.OrderController$$EnhancerBySpringCGLIB$$1a2b3c4d",
            "show @ com.acme.shop.OrderController @ OrderController.java",
            "find @ com.acme.shop.OrderService$$FastClassBySpringCGLIB$$9f8e7d6c",
            "find @ com.acme.shop.OrderService @ OrderService.java",
        ),
        java(
            "NullPointerException",
            "",
            "invoke @ jdk.internal.reflect.GeneratedMethodAccessor12",
            "show @ com.acme.shop.OrderController @ OrderController.java",
            "find @ com.acme.shop.OrderService$$SpringCGLIB$$0",
            "find @ com.acme.shop.OrderService @ OrderService.java",
        ),
        java(
            "NullPointerException",
            "x",
            "invoke0 @ jdk.internal.reflect.NativeMethodAccessorImpl",
            "show @ com.acme.shop.OrderController",
            "invoke @ jdk.proxy2.$Proxy187",
            "find @ com.acme.shop.OrderService",
        ),
        java(
            "NullPointerException",
            "x",
            "invoke @ jdk.internal.reflect.DirectMethodHandleAccessor",
            "show @ com.acme.shop.OrderController",
            "find @ com.acme.shop.OrderService$ByteBuddy$aB3dE6gH",
            "find @ com.acme.shop.OrderService",
        ),
    ],
    "jvm-proxies/other-method": [
        java("NullPointerException", "x", "show @ com.acme.shop.OrderController", "load @ com.acme.shop.OrderService"),
        java(
            "NullPointerException",
            "y",
            "show @ com.acme.shop.OrderController",
            "load @ com.acme.shop.OrderService$$EnhancerBySpringCGLIB$$77aa",
        ),
    ],
    "jvm-proxies/other-caller": [
        java("NullPointerException", "x", "list @ com.acme.shop.OrderController", "find @ com.acme.shop.OrderService"),
    ],
    "jvm-lambdas/reduce": [
        java(
            "IllegalStateException",
            "cart 4711 is closed",
            "total @ com.acme.Cart",
            "lambda$total$3 @ com.acme.Cart",
            "price @ com.acme.Item",
        ),
        java(
            "IllegalStateException",
            "cart 12 is closed",
            "total @ com.acme.Cart",
            "accept @ com.acme.Cart$$Lambda$245/0x0000000800c8d400",
            "lambda$total$0 @ com.acme.Cart",
            "price @ com.acme.Item",
        ),
        java(
            "IllegalStateException",
            "cart x is closed",
            "total @ com.acme.Cart",
            "lambda$total$11 @ com.acme.Cart",
            "access$000 @ com.acme.Item",
            "price @ com.acme.Item",
        ),
    ],
    "jvm-lambdas/other": [
        java(
            "IllegalStateException",
            "cart 4711 is closed",
            "discount @ com.acme.Cart",
            "lambda$discount$3 @ com.acme.Cart",
            "price @ com.acme.Item",
        ),
    ],
    "jvm-kotlin/coroutine": [
        java(
            "IOException",
            "timeout after 30s",
            "invokeSuspend @ com.acme.Sync$upload$2 @ Sync.kt",
            "send @ com.acme.Client @ Client.kt",
        ),
        java(
            "IOException",
            "timeout after 12s",
            "resumeWith @ kotlin.coroutines.jvm.internal.BaseContinuationImpl",
            "run @ kotlinx.coroutines.DispatchedTask",
            "invokeSuspend @ com.acme.Sync$upload$2 @ Sync.kt",
            "send @ com.acme.Client @ Client.kt",
        ),
        java(
            "IOException",
            "timeout",
            "upload @ com.acme.Sync @ Sync.kt",
            "invokeSuspend @ com.acme.Sync$upload$1 @ Sync.kt",
            "send @ com.acme.Client @ Client.kt",
        ),
    ],
    "jvm-kotlin/other": [
        java(
            "IOException",
            "timeout after 30s",
            "invokeSuspend @ com.acme.Sync$download$2 @ Sync.kt",
            "send @ com.acme.Client @ Client.kt",
        ),
    ],
    "jvm-caused-by/wrapped": [
        event(
            "java",
            thrown(
                "SQLException",
                "Duplicate entry '17' for key 'orders.id'",
                *SERVLET,
                "save @ com.acme.Repo",
                "execute @ com.mysql.cj.jdbc.ClientPreparedStatement",
            ),
            thrown("DataException", "could not save 17", *SERVLET, "save @ com.acme.Repo"),
        ),
        event(
            "java",
            thrown(
                "SQLException",
                "Duplicate entry '99' for key 'orders.id'",
                *SERVLET,
                "save @ com.acme.Repo",
                "executeInternal @ com.mysql.jdbc.PreparedStatement",
                "x @ com.mysql.jdbc.Y",
            ),
            thrown(
                "DataException",
                "could not save 99",
                "run @ java.util.concurrent.ThreadPoolExecutor$Worker",
                "save @ com.acme.Repo",
            ),
        ),
        event(
            "java",
            thrown("SQLException", "Duplicate entry '3' for key 'orders.id'", "save @ com.acme.Repo"),
            thrown("DataException", "could not save 3", "save @ com.acme.Repo"),
            thrown("InvocationTargetException", "", "invoke @ jdk.internal.reflect.NativeMethodAccessorImpl"),
        ),
    ],
    "jvm-caused-by/other-cause": [
        event(
            "java",
            thrown("IOException", "broken pipe", *SERVLET, "save @ com.acme.Repo"),
            thrown("DataException", "could not save 17", *SERVLET, "save @ com.acme.Repo"),
        ),
    ],
    "jvm-overflow/parser": [
        java("StackOverflowError", "", *["parse @ com.acme.Json", "value @ com.acme.Json"] * 5),
        java(
            "StackOverflowError",
            "",
            *["value @ com.acme.Json", "parse @ com.acme.Json"] * 8,
            "charAt @ java.lang.String",
        ),
        java(
            "StackOverflowError",
            "",
            "start @ com.acme.Main",
            *["value @ com.acme.Json", "parse @ com.acme.Json"] * 8,
            "peek @ com.acme.Json",
        ),
    ],
    "jvm-overflow/other": [java("StackOverflowError", "", *["walk @ com.acme.Tree"] * 9)],
    "jvm-recursion/tree": [
        java(
            "ArithmeticException",
            "/ by zero",
            "start @ com.acme.Eval",
            *["eval @ com.acme.Node", "apply @ com.acme.Op"] * depth,
            "divide @ com.acme.Op",
        )
        for depth in (1, 2, 7)
    ],
    # C#
    "csharp-async/create": [
        one("csharp", "InvalidOperationException", f"Order {n} exists", *frames)
        for n, frames in enumerate(
            [
                (
                    "Invoke @ Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker",
                    "MoveNext @ Acme.Shop.OrderController+<Post>d__3",
                    "ThrowForNonSuccess @ System.Runtime.CompilerServices.TaskAwaiter",
                    "MoveNext @ Acme.Shop.OrderService+<CreateAsync>d__7",
                ),
                (
                    "MoveNext @ Acme.Shop.OrderController+<Post>d__4",
                    "Throw @ System.Runtime.ExceptionServices.ExceptionDispatchInfo",
                    "MoveNext @ Acme.Shop.OrderService+<CreateAsync>d__8`1",
                ),
                (
                    "<Post>d__4.MoveNext @ Acme.Shop.OrderController",
                    "<CreateAsync>d__8.MoveNext @ Acme.Shop.OrderService",
                ),
                (
                    "async Task<IActionResult> Post(Order order) @ Acme.Shop.OrderController",
                    "async Task CreateAsync(int id) @ Acme.Shop.OrderService",
                ),
            ]
        )
    ],
    "csharp-async/delete": [
        one(
            "csharp",
            "InvalidOperationException",
            "Order 1 exists",
            "MoveNext @ Acme.Shop.OrderController+<Post>d__3",
            "MoveNext @ Acme.Shop.OrderService+<DeleteAsync>d__7",
        )
    ],
    "csharp-closures/select": [
        one(
            "csharp",
            "NullReferenceException",
            "Object reference not set",
            "Total @ Acme.Cart",
            "<Total>b__0 @ Acme.Cart+<>c__DisplayClass5_0",
            "Price @ Acme.Item",
        ),
        one(
            "csharp",
            "NullReferenceException",
            "Object reference not set",
            "Total @ Acme.Cart",
            "<Total>b__2_1 @ Acme.Cart.<>c",
            "Price @ Acme.Item",
        ),
        one(
            "csharp",
            "NullReferenceException",
            "Object reference not set",
            "Total() @ Acme.Cart",
            "<Total>b__7_0(Item i) @ Acme.Cart+<>c__DisplayClass7_0",
            "Price @ Acme.Item",
        ),
    ],
    "csharp-closures/local-function": [
        one(
            "csharp",
            "NullReferenceException",
            "x",
            "Total @ Acme.Cart",
            "<Total>g__Sum|3_0 @ Acme.Cart",
            "Price @ Acme.Item",
        ),
        one(
            "csharp",
            "NullReferenceException",
            "x",
            "Total @ Acme.Cart",
            "<Total>g__Sum|9_2 @ Acme.Cart",
            "Price @ Acme.Item",
        ),
    ],
    "csharp-generics/repository": [
        one("csharp", "KeyNotFoundException", "17", "Get @ Acme.Repository`1[[Acme.Order, Acme, Version=1.0.0.0]]"),
        one("csharp", "KeyNotFoundException", "18", "Get @ Acme.Repository`1"),
    ],
    # Go
    "go-panic/closure": [
        go(
            "runtime.boundsError",
            "runtime error: index out of range [5] with length 3",
            gopath("ServeHTTP", "net/http", "/usr/local/go/src/net/http/server.go", False),
            gopath("(*Server).routes.func1", "github.com/acme/shop", "/app/server.go"),
            gopath("(*Cart).Item", "github.com/acme/shop/cart", "/app/cart/cart.go"),
        ),
        go(
            "runtime.boundsError",
            "runtime error: index out of range [9] with length 9",
            gopath("HandlerFunc.ServeHTTP", "net/http", "/opt/hostedtoolcache/go/1.21.3/x64/src/net/http/server.go"),
            gopath("(*Server).routes.func3", "github.com/acme/shop", "/home/ann/shop/server.go"),
            gopath("(*Cart).Item", "github.com/acme/shop/cart", "/home/ann/shop/cart/cart.go"),
            gopath("gopanic", "runtime", "/usr/local/go/src/runtime/panic.go", False),
        ),
        go(
            "runtime.boundsError",
            "runtime error: index out of range [1] with length 0",
            gopath(
                "(*Mux).routeHTTP", "github.com/go-chi/chi/v5", "/go/pkg/mod/github.com/go-chi/chi/v5@v5.0.10/mux.go"
            ),
            gopath("(*Server).routes.func1.2", "github.com/acme/shop", "server.go"),
            gopath("(*Cart).Item", "github.com/acme/shop/cart", "cart/cart.go"),
        ),
    ],
    "go-panic/other-method": [
        go(
            "runtime.boundsError",
            "runtime error: index out of range [5] with length 3",
            gopath("(*Server).routes.func1", "github.com/acme/shop", "/app/server.go"),
            gopath("(*Cart).Last", "github.com/acme/shop/cart", "/app/cart/cart.go"),
        )
    ],
    "go-generics/map": [
        go(
            "runtime.plainError",
            "boom",
            gopath("Map[...]", "github.com/acme/shop/seq", "/app/seq.go"),
            gopath("main.func1", "main", "/app/main.go"),
        ),
        go(
            "runtime.plainError",
            "boom",
            gopath("Map[go.shape.int,go.shape.string]", "github.com/acme/shop/seq", "/srv/app/seq.go"),
            gopath("main.func2", "main", "/srv/app/main.go"),
        ),
    ],
    "go-errors/refused": [
        go(
            "*errors.errorString",
            "dial tcp 10.0.0.1:5432: connect: connection refused",
            gopath("handle", "main", "/app/main.go"),
            gopath("report", "main", "/app/report.go"),
        ),
        go(
            "*errors.errorString",
            "dial tcp [::1]:5432: connect: connection refused",
            gopath("handle", "main", "/app/main.go"),
            gopath("report", "main", "/app/report.go"),
        ),
    ],
    "go-errors/not-found": [
        go(
            "*errors.errorString",
            "order 17 not found",
            gopath("handle", "main", "/app/main.go"),
            gopath("report", "main", "/app/report.go"),
        ),
        go(
            "*errors.errorString",
            "order 4711 not found",
            gopath("handle", "main", "/build/main.go"),
            gopath("report", "main", "/build/report.go"),
        ),
    ],
    "go-errors/wrapped": [
        event(
            "go",
            thrown("*errors.errorString", f"no rows in {n}"),
            thrown(
                "*fmt.wrapError",
                f"load order {n}: no rows in {n}",
                gopath("handle", "main", "/app/main.go"),
                gopath("report", "main", "/app/report.go"),
            ),
        )
        for n in (1, 22, 333)
    ],
    # Rust
    "rust-panic/closure": [
        one("rust", "panic", f"index out of bounds: the len is {n} but the index is {n}", *frames)
        for n, frames in enumerate(
            [
                (
                    "std::panicking::begin_panic_handler::{{closure}}::h0011223344556677",
                    "tokio::runtime::task::core::Core<T,S>::poll::h9988776655443322",
                    "shop::orders::list::{{closure}}::h1a2b3c4d5e6f7a8b",
                    "shop::cart::Cart<T>::item::haaaabbbbccccdddd",
                    "core::panicking::panic_bounds_check::h1111222233334444",
                ),
                (
                    "shop::orders::list::{{closure}}::{{closure}}::h9999999999999999",
                    "shop::cart::Cart<alloc::string::String>::item::h0000000000000001",
                    "rust_begin_unwind",
                ),
                ("shop::orders::list::{closure#0}", "<shop::cart::Cart<T>>::item"),
                ("shop::orders::list::{closure#0}::{closure#2}", "shop::cart::Cart<alloc::vec::Vec<u8>>::item"),
            ]
        )
    ],
    "rust-panic/trait": [
        one(
            "rust",
            "panic",
            "x",
            "shop::orders::list::h1a2b3c4d5e6f7a8b",
            "<shop::cart::Cart as shop::Total>::total::h1a2b3c4d5e6f7a8b",
        ),
        one(
            "rust",
            "panic",
            "y",
            "shop::orders::list::h1111111111111111",
            "<shop::cart::Cart as shop::Total>::total::h2222222222222222",
        ),
    ],
    # Native
    "native-crash/template": [
        native(
            "SIGSEGV",
            "Segfault at 0x0",
            ("__libc_start_main", "/lib/x86_64-linux-gnu/libc.so.6"),
            ("main", "/app/bin/shop"),
            ("acme::Cart<int, std::allocator<int> >::add(acme::Item const&)", "/app/bin/shop"),
            ("acme::(anonymous namespace)::price(acme::Item*) [clone .isra.0]", "/app/bin/shop"),
        ),
        native(
            "SIGSEGV",
            "Segfault at 0x7f12",
            ("__libc_start_call_main", "/usr/lib/libc.so.6"),
            ("main", "/opt/shop/shop"),
            ("acme::Cart<long>::add(acme::Item const&, int)", "/opt/shop/shop"),
            ("acme::(anonymous namespace)::price(acme::Item*)", "/opt/shop/shop"),
        ),
        native(
            "SIGSEGV",
            "Segfault at 0x10",
            ("main", "C:\\shop\\shop.exe"),
            ("acme::Cart<T>::add", "C:\\shop\\shop.exe"),
            ("acme::`anonymous namespace'::price", "C:\\shop\\shop.exe"),
        ),
        native(
            "SIGSEGV",
            "Segfault at 0x10",
            ("main", "/app/shop"),
            ("acme::Cart<T>::add(acme::Item const&) (.llvm.1234567)", "/app/shop"),
            ("acme::(anonymous namespace)::price(acme::Item*) [clone .constprop.3] [clone .cold]", "/app/shop"),
        ),
    ],
    "native-crash/other": [
        native(
            "SIGSEGV",
            "Segfault at 0x0",
            ("main", "/app/shop"),
            ("acme::Cart<int>::remove(acme::Item const&)", "/app/shop"),
            ("acme::price(acme::Item*)", "/app/shop"),
        )
    ],
    "native-crash/other-signal": [
        native(
            "SIGABRT",
            "Abort",
            ("main", "/app/shop"),
            ("acme::Cart<int>::add(acme::Item const&)", "/app/shop"),
            ("acme::(anonymous namespace)::price(acme::Item*)", "/app/shop"),
            ("abort", "/lib/libc.so.6"),
        )
    ],
    "native-objc/block": [
        one("cocoa", "NSInvalidArgumentException", f"*** -[__NSArrayM insertObject:atIndex:]: object {n}", *frames)
        for n, frames in enumerate(
            [
                (
                    frame(
                        "UIApplicationMain", package="/System/Library/PrivateFrameworks/UIKitCore.framework/UIKitCore"
                    ),
                    frame(
                        "__31-[CartController addItem:]_block_invoke",
                        package="/private/var/containers/Bundle/Application/0B6E3D7E-8D5B-4B5C-9B1C-1234567890AB/Shop.app/Shop",
                    ),
                    frame("-[Cart add:]", package="/var/containers/Bundle/Application/0B6E3D7E/Shop.app/Shop"),
                    frame(
                        "__exceptionPreprocess",
                        package="/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation",
                    ),
                ),
                (
                    frame(
                        "__31-[CartController addItem:]_block_invoke_2",
                        package="/private/var/containers/Bundle/Application/77AA3D7E-8D5B-4B5C-9B1C-1234567890AB/Shop.app/Shop",
                    ),
                    frame(
                        "-[Cart add:]",
                        package="/private/var/containers/Bundle/Application/77AA3D7E-8D5B-4B5C-9B1C-1234567890AB/Shop.app/Shop",
                    ),
                ),
            ]
        )
    ],
    "native-swift/closure": [
        one(
            "cocoa",
            "Fatal error",
            "Unexpectedly found nil",
            frame("closure #1 in CartView.body.getter", package="/a/Shop.app/Shop"),
            frame("specialized Cart.total()", package="/a/Shop.app/Shop"),
        ),
        one(
            "cocoa",
            "Fatal error",
            "Unexpectedly found nil",
            frame("closure #1 in closure #2 in CartView.body.getter", package="/b/Shop.app/Shop"),
            frame("Cart.total()", package="/b/Shop.app/Shop"),
        ),
        one(
            "cocoa",
            "Fatal error",
            "Unexpectedly found nil",
            frame("partial apply for closure #1 in CartView.body.getter", package="/b/Shop.app/Shop"),
            frame("closure #1 in CartView.body.getter", package="/b/Shop.app/Shop"),
            frame("Cart.total()", package="/b/Shop.app/Shop"),
        ),
    ],
    "native-threads/crashed": [
        {
            "platform": "native",
            "exception": {
                "values": [{"type": "EXC_BAD_ACCESS", "value": f"KERN_INVALID_ADDRESS at 0x{n}", "thread_id": 3}]
            },
            "threads": {
                "values": [
                    {"id": 1, "stacktrace": {"frames": [{"function": f"idle{n}", "package": "/app/shop"}]}},
                    {
                        "id": 3,
                        "crashed": True,
                        "stacktrace": {
                            "frames": [
                                {"function": "main", "package": "/app/shop"},
                                {"function": "Render::frame(int)", "package": "/app/shop"},
                            ]
                        },
                    },
                ]
            },
        }
        for n in (1, 20)
    ],
    "native-threads/other": [
        {
            "platform": "native",
            "exception": {
                "values": [{"type": "EXC_BAD_ACCESS", "value": "KERN_INVALID_ADDRESS at 0x0", "thread_id": 1}]
            },
            "threads": {
                "values": [
                    {
                        "id": 1,
                        "crashed": True,
                        "stacktrace": {
                            "frames": [
                                {"function": "main", "package": "/app/shop"},
                                {"function": "Audio::mix(int)", "package": "/app/shop"},
                            ]
                        },
                    }
                ]
            },
        }
    ],
}
