"""The real ``sentry_sdk``, plain and under Flask, by nothing but a DSN: found in ClickHouse by SQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from flask import Flask
from installation import Installation
from sentry_sdk.integrations.flask import FlaskIntegration
from statuses import said_of_errors

from deploy.local.gateway import Gateway
from deploy.local.ports import free_port

KEY = "0123456789abcdef0123456789abcdef"
OPTIONS: dict[str, Any] = {"release": "shop@1.4.2", "environment": "staging", "default_integrations": False}


@contextmanager
def client(dsn: str, **options: Any) -> Iterator[sentry_sdk.client.BaseClient]:
    """An SDK client, flushed and closed at the end."""
    sentry_sdk.init(dsn, **{**OPTIONS, **options})
    made = sentry_sdk.get_client()
    try:
        yield made
    finally:
        made.close(timeout=10)
        sentry_sdk.init()


def test_errors_and_transactions_are_found_with_all_that_belongs_to_them(
    gateway: Gateway, installation: Installation
) -> None:
    app = Flask("shop")

    @app.get("/cart/<int:number>")
    def cart(number: int) -> str:
        sentry_sdk.set_user({"id": "user-7"})
        sentry_sdk.set_tag("region", "eu")
        sentry_sdk.set_context("basket", {"items": number})
        raise LookupError("no such cart")

    with client(gateway.dsn(5), traces_sample_rate=1.0, integrations=[FlaskIntegration()]):
        assert app.test_client().get("/cart/3").status_code == 500
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("region", "us")
            sentry_sdk.capture_message("nothing left", level="warning")
    with installation.worker():
        installation.wait_for_rows(2)
        installation.wait_for_rows(1, "spans")
    error, message = installation.rows(
        "SELECT project, release, environment, level, title, tags['region'] AS region, user_hash != 0 AS has_user, "
        "JSONExtractInt(contexts, 'basket', 'items') AS items FROM errors ORDER BY level"
    )
    assert error == {
        "project": "5",
        "release": "shop@1.4.2",
        "environment": "staging",
        "level": "error",
        "title": error["title"],
        "region": "eu",
        "has_user": 1,
        "items": 3,
    }
    assert "LookupError" in error["title"]
    assert (message["level"], message["region"]) == ("warning", "us")
    (span,) = installation.rows("SELECT project, release, environment, op FROM spans")
    assert span == {"project": "5", "release": "shop@1.4.2", "environment": "staging", "op": "http.server"}


@pytest.fixture
def limited(installation: Installation, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with one project, whose key may send one error a minute."""
    installation.configure(f'[[project]]\nname = "shop"\nid = 5\nkeys = ["{KEY}"]\nper_minute = {{ error = 1 }}\n')
    with Gateway(
        port=free_port(), environment=installation.environment, data=tmp_path, log=tmp_path / "worker-gateway.log"
    ) as one:
        yield one


def test_the_sdk_backs_off_from_a_429_for_the_limited_category_only(
    limited: Gateway, installation: Installation
) -> None:
    # Not within the last seconds of a minute, where the limit would begin anew meanwhile.
    time.sleep(60 - time.time() % 60 if time.time() % 60 > 45 else 0)
    with client(limited.dsn(5, KEY), traces_sample_rate=1.0) as sdk:
        assert sdk.transport is not None
        for _ in range(5):
            sentry_sdk.capture_message("again")
            sdk.flush(10)
        assert set(sdk.transport._disabled_until) == {"error"}
        assert 0 < sdk.transport._disabled_until["error"].timestamp() - time.time() <= 61
        with sentry_sdk.start_transaction(name="still wanted"):
            pass
    assert len(installation.consume("errors")) == 1
    # What it kept to itself it reports; what the gateway refused, the gateway counts.
    assert said_of_errors(installation) == {"rate_limited:minute": 1, "client_ratelimit_backoff": 3}
    assert [record.headers for record in installation.consume("spans")] == [(("project", b"shop"),)]


def test_an_unknown_key_gets_nothing_through(limited: Gateway, installation: Installation) -> None:
    with client(limited.dsn(5, "f" * 32)):
        sentry_sdk.capture_message("let me in")
    with client(limited.dsn(6, KEY)):
        sentry_sdk.capture_message("to another project")
    assert installation.consume("errors") == []
