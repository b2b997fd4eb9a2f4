"""A shop under Django: ``python django_shop.py PORT``."""

import os
import sys
from contextlib import suppress
from wsgiref.simple_server import make_server

import sentry_sdk
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

sentry_sdk.init(
    dsn=os.environ["SENTRY_DSN"],
    environment="production",
    release="shop@3.1.0",
    traces_sample_rate=1.0,
    shutdown_timeout=20,
)
settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__)


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open")


def order(request: HttpRequest, number: int) -> HttpResponse:
    sentry_sdk.set_user({"id": "user-9"})
    sentry_sdk.set_tag("region", "ap")
    sentry_sdk.set_context("basket", {"items": number})
    sentry_sdk.add_breadcrumb(category="cart", message="about to pay")
    raise PermissionError("not your order")


urlpatterns = [path("", home), path("orders/<int:number>/", order)]

if __name__ == "__main__":
    import django

    django.setup()
    with suppress(KeyboardInterrupt):
        make_server("127.0.0.1", int(sys.argv[1]), WSGIHandler()).serve_forever()
