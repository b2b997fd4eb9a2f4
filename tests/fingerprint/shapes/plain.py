"""Messages, reports and exceptions without a stack."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

from shapes.build import Event, messages, one

UUIDS = ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "9b2f0c1e-1111-4222-8333-444455556666")


def csp(directive: str, blocked: str, page: str = "https://shop.example/cart", **more: Any) -> Event:
    return {"csp": {"effective-directive": directive, "blocked-uri": blocked, "document-uri": page, **more}}


BUGS: dict[str, list[Event]] = {
    "message/order-not-found": messages(
        "Order 4711 of ann@example.com not found",
        "Order 12 of [email] not found",
        f"Order {UUIDS[0]} of bob@example.org not found",
        "Order 0x3fa2b1 of x.y+z@example.co.uk not found",
    ),
    "message/order-not-paid": messages("Order 4711 of ann@example.com not paid", "Order 12 of [email] not paid"),
    "message/template": [
        {
            "logentry": {
                "message": "Payment %s declined by %s",
                "formatted": f"Payment {n} declined by {bank}",
                "params": [n, bank],
            }
        }
        for n, bank in ((1, "Nordbank"), (2, "Sparkasse"))
    ],
    "message/template-other": [
        {
            "logentry": {
                "message": "Payment %s accepted by %s",
                "formatted": f"Payment {n} accepted by Nordbank",
                "params": [n],
            }
        }
        for n in (1, 2)
    ],
    "message/slow": messages(
        "Query took 1.53s (limit 500ms)",
        "Query took 12s (limit 1s)",
        "Query took 830 ms (limit 500 ms)",
        "Query took 2m (limit 1m)",
    ),
    "message/lag": messages(
        "Consumer lag is 1 message", "Consumer lag is 123,456 messages", "Consumer lag is 17 messages"
    ),
    "message/url": messages(
        "GET https://api.example.com/v1/orders/17?x=1 timed out",
        "GET http://10.1.2.3:8080/v2/orders timed out",
        "GET https://[ip]/orders timed out",
    ),
    "message/url-post": messages("POST https://api.example.com/v1/orders/17?x=1 timed out"),
    "message/path": messages(
        "Cannot write /var/lib/shop/17/invoice.pdf: disk full",
        "Cannot write C:\\data\\shop\\invoice.pdf: disk full",
        "Cannot write '/mnt/nas/with space/a.pdf': disk full",
    ),
    "message/ids": messages("Lost lock on [1, 2, 3]", "Lost lock on [17]", "Lost lock on [4, 5]"),
    "message/json": messages(
        'Rejected payload {"id": 17, "tags": ["a", "b"]}',
        'Rejected payload {"id": 18, "nested": {"x": {"y": 1}}}',
        "Rejected payload {'id': 5}",
    ),
    "message/json-all": messages('{"event": "login failed", "user": 17}', '{"event": "login failed", "user": 99}'),
    "message/json-all-other": messages('{"event": "logout failed", "user": 17}'),
    "message/date": messages(
        "Job due 2024-03-09T12:00:00Z did not run",
        "Job due 2024-12-24 18:30:00.123 did not run",
        "Job due 2025-01-01T00:00:00+02:00 did not run",
    ),
    "message/date-words": messages(
        "Certificate expires Sat, 09 Mar 2024 12:00:00 GMT", "Certificate expires Mon, 1 Jan 2025 00:00:00 GMT"
    ),
    "message/quoted": messages("User 'ann' is locked", 'User "bob smith" is locked', "User 'x1' is locked"),
    "message/quoted-other": messages("User 'ann' is unlocked"),
    "message/key-value": messages(
        "upload failed user=ann size=17 retry=true", "upload failed user=bob size=9 retry=false"
    ),
    "message/pod": messages("pod web-7d9f8b6c5-abcde evicted", "pod web-6c4f8b6c5-x2x7k evicted"),
    "message/token": messages(
        "webhook eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl rejected",
        "webhook sk_live_4eC39HqLyjWDarjtT1zdp7dc rejected",
        "webhook [token] rejected",
    ),
    "message/ipv6": messages(
        "peer 2001:db8::8a2e:370:7334 reset", "peer 192.168.1.17 reset", "peer [ip] reset", "peer fe80::1%eth0 reset"
    ),
    "message/hosts": messages(
        "cannot resolve db-1.internal", "cannot resolve db-7.prod.example.com", "cannot resolve cache.svc.cluster.local"
    ),
    "message/status-404": messages("Request failed with status code 404"),
    "message/status-503": messages("Request failed with status code 503"),
    "message/same-text-billing": [{"message": "retry limit reached", "logger": "shop.billing"}] * 2,
    "message/same-text-mail": [{"message": "retry limit reached", "logger": "shop.mail"}] * 2,
    "no-stack/key-error": [one("python", "KeyError", value) for value in ("'17'", "'order-99'", "17")],
    "no-stack/module": [one("python", "ModuleNotFoundError", "No module named 'requests'")] * 2,
    "no-stack/other-module": [one("python", "ModuleNotFoundError", "No module named 'flask'")],
    "no-stack/sql": [
        one(
            "python",
            "IntegrityError",
            f'(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "users_email_key"\nDETAIL:  Key (email)=({n}@x.com) already exists.\n\n[SQL: INSERT INTO users (email) VALUES (%(email)s)]\n[parameters: {{"email": "{n}@x.com"}}]',
        )
        for n in ("ann", "bob17")
    ],
    "no-stack/sql-other": [
        one(
            "python",
            "IntegrityError",
            '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "users_name_key"\nDETAIL:  Key (name)=(x) already exists.',
        )
    ],
    "no-stack/sql-text": [
        one(
            "other", "DatabaseError", f"near syntax error in SELECT * FROM orders WHERE id IN ({ids}) AND name = {name}"
        )
        for ids, name in (("1, 2, 3", "'ann'"), ("17", "'bob'"))
    ],
    "no-stack/type-only": [one("java", "OutOfMemoryError", "")] * 2,
    "no-stack/refused": [
        one("node", "Error", f"connect ECONNREFUSED {address}")
        for address in ("127.0.0.1:5432", "10.0.0.9:5433", "::1:5432")
    ],
    "no-stack/unresolved": [
        one("node", "Error", f"getaddrinfo ENOTFOUND {host}") for host in ("api.example.com", "db-3.internal")
    ],
    "csp/script": [
        csp("script-src-elem", "https://evil.example/a.js"),
        csp("script-src", "https://evil.example/b.js?x=1", page="https://shop.example/orders/17"),
        csp("script-src-elem", "https://www.evil.example", **{"violated-directive": "script-src"}),
    ],
    "csp/image": [csp("img-src", "https://evil.example/a.png")],
    "csp/other-host": [csp("script-src-elem", "https://ads.example/a.js")],
    "csp/inline": [csp("script-src", "inline"), csp("script-src-elem", ""), csp("script-src-attr", "'unsafe-inline'")],
    "csp/eval": [csp("script-src", "eval")],
    "csp/self": [
        csp("style-src", "https://shop.example/a.css"),
        csp("style-src-elem", "self"),
        csp("style-src", "https://staging.shop.example/x.css", page="https://staging.shop.example/"),
    ],
    "csp/data": [csp("font-src", "data"), csp("font-src", "data:font/woff2;base64,AAAA")],
    "client/exact": [
        {"message": f"anything {word}", "fingerprint": ["billing", "declined"]} for word in ("at all", "else")
    ],
    "client/other": [{"message": "anything at all", "fingerprint": ["billing", "refused"]}],
    "client/number-17": [
        {"message": "m", "fingerprint": ["tenant", 17]},
        {"message": "n", "fingerprint": ["tenant", "17"]},
    ],
    "client/number-18": [{"message": "m", "fingerprint": ["tenant", 18]}],
}
