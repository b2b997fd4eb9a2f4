"""A Flask service whose routes fail, called through Flask's own client."""

from __future__ import annotations

import sentry_sdk
from flask import Flask, Response, jsonify, request
from recorder import start

app = Flask("shop")


@app.get("/products/<int:product_id>")
def product(product_id: int) -> Response:
    prices = {1001: 3995}
    return jsonify(id=product_id, price=prices[product_id])


@app.post("/login")
def login() -> Response:
    form = request.get_json()
    sentry_sdk.set_user({"username": form["username"], "email": form["email"], "ip_address": request.remote_addr})
    if form["password"] != "correct horse":
        raise PermissionError(f"wrong password for {form['email']}")
    return jsonify(ok=True)


@app.get("/orders")
def orders() -> Response:
    with sentry_sdk.start_span(op="db.sql.query", name="SELECT * FROM orders WHERE customer_id = %s") as span:
        span.set_data("db.system", "postgresql")
    with sentry_sdk.start_span(op="cache.get", name="orders:7781"):
        pass
    with sentry_sdk.start_span(op="http.client", name="GET https://stock.example.com/v1/levels") as span:
        span.set_data("http.response.status_code", 200)
    with sentry_sdk.start_span(op="template.render", name="orders.html"):
        pass
    return jsonify(orders=[])


def main() -> None:
    recorder = start(send_default_pii=True)
    client = app.test_client()
    headers = {
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3NzgxIn0.c2lnbmF0dXJlLW9mLWFuLWV4YW1wbGU",
        "X-Request-Id": "5f0c7a52-2f55-4cf3-9a80-3d2c0f0a7b11",
    }
    client.set_cookie("session", "example-session-4f2a9c")

    recorder.expect(errors="flask-get")
    client.get("/products/1002?ref=mail&email=ada%40example.com", headers=headers)

    recorder.expect(errors="flask-post-json")
    body = {"username": "ada", "email": "ada@example.com", "password": "hunter2", "remember": True}
    client.post("/login", json=body, headers=headers)

    recorder.expect(spans="flask-transaction")
    client.get("/orders?page=2", headers=headers)


if __name__ == "__main__":
    main()
