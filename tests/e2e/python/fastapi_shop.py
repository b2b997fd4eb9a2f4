"""A shop under FastAPI: ``python fastapi_shop.py PORT``."""

import os
import sys

import sentry_sdk
import uvicorn
from fastapi import FastAPI

sentry_sdk.init(
    dsn=os.environ["SENTRY_DSN"],
    environment="production",
    release="shop@2.0.0",
    traces_sample_rate=1.0,
    shutdown_timeout=20,
)
app = FastAPI()


@app.get("/")
async def home() -> str:
    return "open"


@app.get("/orders/{number}")
async def order(number: int) -> int:
    sentry_sdk.set_user({"id": "user-8", "email": "ada@example.com"})
    sentry_sdk.set_tag("region", "us")
    sentry_sdk.set_context("basket", {"items": number})
    with sentry_sdk.start_span(op="db.query", name="SELECT price FROM orders"):
        price = 0
    return number // price


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
