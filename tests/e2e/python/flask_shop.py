"""A shop under Flask: ``python flask_shop.py PORT``."""

import os
import sys

import sentry_sdk
from flask import Flask

sentry_sdk.init(
    dsn=os.environ["SENTRY_DSN"],
    environment=os.environ.get("SHOP_ENVIRONMENT", "production"),
    release="shop@1.4.2",
    traces_sample_rate=1.0,
    shutdown_timeout=20,
)
app = Flask("shop")


@app.get("/")
def home() -> str:
    return "open"


@app.get("/orders/<int:number>")
def order(number: int) -> str:
    sentry_sdk.set_user({"id": "user-7"})
    sentry_sdk.set_tag("region", "eu")
    sentry_sdk.set_context("basket", {"items": number})
    try:
        return {}[number]
    except KeyError as error:
        raise LookupError("no such order") from error


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]))
