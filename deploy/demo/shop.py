"""A web shop in Flask whose routes fail in several ways, with personal data where programs tend to have it.

    python -m deploy.demo.shop --kafka 127.0.0.1:9092 --port 8080

Routes that fail: ``/products/<id>`` for products without a price, ``/search?page=two``, ``/account`` for guests,
``/stock/<sku>`` (a chain of two exceptions), ``/newsletter`` (a log message), ``/checkout`` when the card is declined
or the payment provider is down, and ``/coupon``, which only fails from release 2.4.1 on.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any

import sentry_sdk
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from deploy.demo.sdk import arguments, end_on_sigterm, report, start_sdk

logger = logging.getLogger("shop.newsletter")

app = Flask("shop")

PRICES = {1001: 39_95, 1002: 12_50, 1003: 4_49, 1004: 119_00}
DECLINED = "4000000000000002"
"""A card number that payment providers publish for testing a decline."""


class CardDeclinedError(Exception):
    """The bank said no."""


class PaymentProviderDownError(Exception):
    """The payment provider answers with an error, whatever one asks."""


class StockUnknownError(Exception):
    """The warehouse did not say how many there are."""


def query(statement: str, seconds: float) -> None:
    """Stand for a database query that takes about ``seconds``."""
    with sentry_sdk.start_span(op="db.sql.query", name=statement) as span:
        span.set_data("db.system", "postgresql")
        time.sleep(seconds * random.uniform(0.5, 1.8))


def ask_warehouse(sku: str) -> int:
    """Ask another service, which takes too long for some articles."""
    with sentry_sdk.start_span(op="http.client", name="GET https://warehouse.example.com/v1/stock"):
        time.sleep(random.uniform(0.002, 0.010))
        if sku.endswith("7"):
            waited_ms = random.randint(2_000, 2_999)
            raise TimeoutError(
                f"warehouse.example.com did not answer within {waited_ms} ms (request {random.getrandbits(64):x})"
            )
    return 12


def authorise(card: str, holder: str, amount_cents: int, provider_up: bool) -> str:
    """Ask the payment provider for money."""
    with sentry_sdk.start_span(op="http.client", name="POST https://pay.example.com/v2/authorisations") as span:
        time.sleep(random.uniform(0.003, 0.012))
        if not provider_up:
            span.set_data("http.response.status_code", 503)
            raise PaymentProviderDownError("pay.example.com answered 503 to POST /v2/authorisations")
        if card.replace(" ", "") == DECLINED:
            raise CardDeclinedError(f"card {card} of {holder} was declined for {amount_cents / 100:.2f} EUR")
    return f"auth-{random.getrandbits(32):08x}"


def discounted(price_cents: int, coupon: str, release: str) -> int:
    """Return the price after a coupon. The release 2.4.1 divides by the number of earlier orders."""
    if release.endswith("2.4.0"):
        return price_cents * 9 // 10
    earlier_orders = 0 if coupon == "WELCOME" else 2
    return price_cents - price_cents // earlier_orders


@app.before_request
def who() -> None:
    """Say who it is, as an application behind a proxy does."""
    address = request.headers.get("X-Forwarded-For", "203.0.113.1")
    user: dict[str, Any] = {"ip_address": address}
    if "X-User-Id" in request.headers:
        user |= {"id": request.headers["X-User-Id"], "email": request.headers["X-User-Email"]}
    sentry_sdk.set_user(user)
    sentry_sdk.set_tag("store", request.headers.get("X-Store", "eu"))


@app.get("/")
def home() -> Response:
    """Show the start page."""
    query("SELECT id, name FROM products ORDER BY sold DESC LIMIT 12", 0.002)
    with sentry_sdk.start_span(op="template.render", name="home.html"):
        time.sleep(0.001)
    return jsonify(ok=True)


@app.get("/products/<int:product_id>")
def product(product_id: int) -> Response:
    """Show a product."""
    query("SELECT * FROM products WHERE id = %s", 0.002)
    return jsonify(id=product_id, cents=PRICES[product_id])


@app.get("/search")
def search() -> Response:
    """Search for products; the page has to be a number."""
    page = int(request.args.get("page", "1"))
    query("SELECT id FROM products WHERE name ILIKE %s OFFSET %s", 0.008)
    return jsonify(page=page)


@app.get("/account")
def account() -> Response:
    """Show one's own account; nobody thought of guests."""
    query("SELECT * FROM accounts WHERE id = %s", 0.003)
    found: Any = {"phone": "+49 30 5550 1234"} if "X-User-Id" in request.headers else None
    return jsonify(phone=found["phone"])


@app.get("/stock/<sku>")
def stock(sku: str) -> Response:
    """Say how many pieces there are."""
    try:
        pieces = ask_warehouse(sku)
    except TimeoutError as error:
        raise StockUnknownError(f"no stock level for {sku}") from error
    return jsonify(sku=sku, pieces=pieces)


@app.post("/newsletter")
def newsletter() -> Response:
    """Subscribe an address."""
    email = request.form["email"]
    if email.endswith("@example.org"):
        logger.error("Could not subscribe %s: mailbox provider answered %d", email, 550)
    return jsonify(ok=True)


@app.post("/checkout")
def checkout() -> Response:
    """Buy what is in the cart."""
    order = request.get_json()
    sentry_sdk.set_tag("flow", "checkout")
    sentry_sdk.add_breadcrumb(category="checkout", message=f"address of {order['name']} accepted", level="info")
    sentry_sdk.add_breadcrumb(category="checkout", message=f"confirmation goes to {order['phone']}", level="info")
    query("SELECT id, sku, quantity FROM cart_lines WHERE cart_id = %s", 0.004)
    amount_cents = sum(PRICES[product_id] for product_id in order["products"])
    authorisation = authorise(order["card"], order["name"], amount_cents, order["provider_up"])
    query("INSERT INTO orders VALUES (%s, %s, %s)", 0.005)
    return jsonify(authorisation=authorisation)


@app.post("/coupon")
def coupon() -> Response:
    """Show what a coupon saves."""
    return jsonify(cents=discounted(PRICES[1001], request.get_json()["coupon"], app.config["RELEASE"]))


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = arguments("shop", "A web shop with bugs, for the demo.")
    parser.add_argument("--port", type=int, default=8080, help="where to listen on the loopback (%(default)s)")
    parser.add_argument("--release", default="shop@2.4.0", help="release of the events (%(default)s)")
    options = parser.parse_args()
    end_on_sigterm()
    transport = start_sdk(options, "shop", options.release)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.config["RELEASE"] = options.release
    app.logger.disabled = True  # Flask logs each failure's stack; the SDK has it already
    server = make_server("127.0.0.1", options.port, app, threaded=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
        report(transport)


if __name__ == "__main__":
    main()
