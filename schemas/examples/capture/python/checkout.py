"""The everyday error of a web shop, about 9 KB: some frames with locals and source, breadcrumbs, user and tags.

Written twice: once with personal data where programs tend to have it, and once without any.
"""

from __future__ import annotations

import sentry_sdk
from recorder import start


class CardDeclined(Exception):
    """The bank said no."""


class Gateway:
    """Stands for a payment provider."""

    def __init__(self, merchant: str, endpoint: str) -> None:
        self.merchant = merchant
        self.endpoint = endpoint

    def __repr__(self) -> str:
        return f"Gateway(merchant={self.merchant!r}, endpoint={self.endpoint!r})"

    def authorise(self, source: str, amount_cents: int, currency: str) -> str:
        request = {"merchant": self.merchant, "amount": amount_cents, "currency": currency, "source": source}
        retries, backoff_seconds = 3, 0.25
        if amount_cents > 10_000:
            raise CardDeclined(f"authorisation of {source} for {amount_cents} {currency} was declined (code 51)")
        return f"{request['merchant']}-{retries}-{backoff_seconds}"


def total_cents(lines: list[dict]) -> int:
    return sum(line["quantity"] * line["unit_cents"] for line in lines)


def pay(order: dict, gateway: Gateway) -> str:
    amount_cents = total_cents(order["lines"])
    shipping_cents = 0 if amount_cents > 5_000 else 490
    currency = order.get("currency", "EUR")
    return gateway.authorise(order["source"], amount_cents + shipping_cents, currency)


def place_order(order: dict, gateway: Gateway) -> dict:
    confirmation = {"order_id": order["id"], "customer": order["customer"], "notify": order["notify"]}
    attempt = 0
    while attempt < 1:
        attempt += 1
        confirmation["payment"] = pay(order, gateway)
    return confirmation


def handle_checkout(session_id: str, order: dict) -> dict:
    gateway = Gateway(merchant="shop-eu-1", endpoint="https://pay.example.com/v2")
    feature_flags = {"express": True, "gift_wrap": False, "new_tax_rules": True}
    result = place_order(order, gateway)
    return {"session": session_id, "flags": feature_flags, **result}


def leave_breadcrumbs(order: dict, mention: str) -> None:
    steps = [
        ("navigation", "GET /cart", {"from": "/products/1001", "to": "/cart"}),
        ("query", "SELECT id, sku, quantity FROM cart_lines WHERE cart_id = %s ORDER BY id", {"rows": 3}),
        ("httplib", "GET https://stock.example.com/v1/levels", {"status_code": 200, "http.method": "GET"}),
        ("cache", "get cart:9c2f", {"hit": False, "ttl_seconds": 300}),
        ("query", "UPDATE cart_lines SET reserved = 1 WHERE cart_id = %s", {"rows": 3}),
        ("navigation", "GET /checkout/address", {"from": "/cart", "to": "/checkout/address"}),
        ("form", f"address accepted for {mention}", {"country": "DE", "validated": True}),
        ("httplib", "POST https://tax.example.com/v3/quote", {"status_code": 200, "http.method": "POST"}),
        ("query", "SELECT code, percent FROM discounts WHERE customer_id = %s", {"rows": 0}),
        ("navigation", "GET /checkout/pay", {"from": "/checkout/address", "to": "/checkout/pay"}),
        ("payment", f"authorising order {order['id']}", {"provider": "pay.example.com", "attempt": 1}),
    ]
    for category, message, data in steps:
        sentry_sdk.add_breadcrumb(category=category, message=message, data=data, level="info")


def lines() -> list[dict]:
    return [
        {"sku": "SKU-1001", "name": "Desk lamp, oak", "quantity": 2, "unit_cents": 3_995},
        {"sku": "SKU-2040", "name": "Shelf board 80 cm", "quantity": 4, "unit_cents": 1_250},
        {"sku": "SKU-7319", "name": "Wall plugs, box of 50", "quantity": 1, "unit_cents": 449},
    ]


def run(order: dict, user: dict, mention: str) -> None:
    with sentry_sdk.isolation_scope() as scope:
        scope.set_user(user)
        scope.set_tags(
            {"payment.provider": "pay.example.com", "store": "eu", "customer.tier": "gold", "flow": "checkout"}
        )
        scope.set_context("order", {"id": order["id"], "lines": len(order["lines"]), "channel": "web"})
        leave_breadcrumbs(order, mention)
        with sentry_sdk.start_transaction(name="checkout.pay", op="http.server"):
            try:
                handle_checkout("s-9c2f41", order)
            except CardDeclined:
                sentry_sdk.capture_exception()


def main() -> None:
    recorder = start()
    recorder.expect(errors="checkout")
    order = {
        "id": 48211,
        "customer": "customer 7781",
        "notify": "by letter",
        "source": "token tok_visa_debit",
        "lines": lines(),
    }
    run(order, {"id": "7781"}, "customer 7781")

    recorder.expect(errors="checkout-pii")
    order |= {
        "customer": "Ada Example <ada.example@example.com>",
        "notify": "+49 30 5550 1234",
        "source": "card 4111 1111 1111 1111",
    }
    user = {
        "id": "7781",
        "email": "ada.example@example.com",
        "username": "ada",
        "ip_address": "203.0.113.24",
    }
    run(order, user, "ada.example@example.com, 12 Example Street, phone +49 30 5550 1234")


if __name__ == "__main__":
    main()
