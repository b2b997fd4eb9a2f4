"""Auth: the key in each place that SDKs put it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statuses import OK, status_of

from pipeline.config.gateway import ProjectSettings
from pipeline.errors import Misconfigured
from pipeline.gateway.auth import Credentials, agreed, from_dsn, from_http
from pipeline.gateway.projects import Projects
from pipeline.gateway.rejection import Rejected

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
BASIC = base64.b64encode(f"{KEY}:".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_version=7, sentry_client=sentry.python/2.0"}, {}),
        ({"x-sentry-auth": f"Sentry sentry_version=7,sentry_key={KEY},sentry_secret=abc"}, {}),
        ({"x-sentry-auth": f"sentry SENTRY_KEY={KEY.upper()}, sentry_timestamp=1.5"}, {}),
        ({"authorization": f"Sentry sentry_key={KEY}, sentry_version=7"}, {}),
        ({"authorization": f"Basic {BASIC}"}, {}),
        ({"authorization": "Bearer of-a-proxy", "x-sentry-auth": f"Sentry sentry_key={KEY}"}, {}),
        ({"authorization": "Bearer of-a-proxy"}, {"sentry_key": KEY}),
        ({}, {"sentry_key": KEY, "sentry_version": "7", "sentry_client": "sentry.javascript.browser/10.0"}),
        ({}, {"sentry_key": KEY, "sentry_version": "2.0"}),
    ],
)
def test_the_key_is_found(headers: dict[str, str], query: dict[str, str]) -> None:
    assert from_http(headers, query) == Credentials(KEY)


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}"}, {"sentry_key": KEY}, 401),
        ({"authorization": f"Basic {BASIC}"}, {"sentry_key": KEY}, 401),
        ({"x-sentry-auth": "Sentry sentry_key=short"}, {}, 400),
        ({"x-sentry-auth": f"Sentry sentry_key={KEY}x"}, {}, 400),
        ({"x-sentry-auth": "Sentry sentry_version=7"}, {}, 400),
        ({"x-sentry-auth": f"Token sentry_key={KEY}"}, {}, 400),
        ({"authorization": "Basic %%%"}, {}, 400),
        ({}, {"sentry_key": ""}, 400),
        ({}, {"sentry_key": KEY, "sentry_version": "8"}, 400),
        ({}, {"sentry_key": KEY, "sentry_version": "9" * 5000}, 400),
        ({}, {"sentry_key": KEY, "sentry_version": "seven"}, 400),
    ],
)
def test_what_is_wrong_with_a_key_is_told_by_the_status(
    headers: dict[str, str], query: dict[str, str], status: int
) -> None:
    with pytest.raises(Rejected) as caught:
        from_http(headers, query)
    assert caught.value.status == status


def test_a_dsn_names_key_and_project() -> None:
    assert from_dsn(f"https://{KEY}@errors.example.com/42") == Credentials(KEY, "42")
    assert from_dsn(f"http://{KEY}:secret@127.0.0.1:8000/some/path/42/") == Credentials(KEY, "42")


@pytest.mark.parametrize(
    "dsn", ["", "x", f"ftp://{KEY}@host/1", f"https://{KEY}@host/", "https://host/1", "https://[/1"]
)
def test_what_is_no_dsn_is_a_400(dsn: str) -> None:
    with pytest.raises(Rejected) as caught:
        from_dsn(dsn)
    assert caught.value.status == 400


def test_places_that_disagree_are_a_401() -> None:
    dsn = f"https://{KEY}@host/42"
    assert agreed(None, dsn, None) == Credentials(KEY, "42")
    assert agreed(Credentials(KEY), dsn, "42") == Credentials(KEY, "42")
    assert agreed(Credentials(KEY), None, "shop") == Credentials(KEY, "shop")
    for http, envelope, path in ((None, None, "42"), (Credentials(OTHER), dsn, "42"), (Credentials(KEY), dsn, "43")):
        with pytest.raises(Rejected) as caught:
            agreed(http, envelope, path)
        assert caught.value.status == 401


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80), name=st.sampled_from(("x-sentry-auth", "authorization")), scheme=st.booleans())
def test_any_header_is_understood_or_refused(text: str, name: str, *, scheme: bool) -> None:
    headers = {name: f"Sentry {text}" if scheme else text}
    assert status_of(lambda: from_http(headers, {})) in (OK, 400, 401)


SHOP = ProjectSettings(name="shop", id=7, keys=(KEY,), origins=("https://*.example.com",))


def test_a_key_opens_its_own_project_only() -> None:
    projects = Projects([SHOP, ProjectSettings(name="blog", id=8, keys=(OTHER,))])
    assert not projects.open
    for named in ("7", "shop", None):
        assert projects.admit(Credentials(KEY, named), None).name == "shop"
    refusals = set()
    for credentials in (Credentials(KEY, "8"), Credentials("a" * 32, "7"), Credentials("a" * 32, "99")):
        with pytest.raises(Rejected) as caught:
            projects.admit(credentials, None)
        refusals.add((caught.value.status, caught.value.reason))
    assert len(refusals) == 1
    assert refusals.pop()[0] == 403


def test_only_named_origins_may_send() -> None:
    projects = Projects([SHOP])
    assert projects.admit(Credentials(KEY, "7"), "https://www.example.com").id == 7
    with pytest.raises(Rejected) as caught:
        projects.admit(Credentials(KEY, "7"), "https://example.com.evil.org")
    assert caught.value.status == 403


def test_without_projects_the_dsn_names_the_project() -> None:
    assert Projects().admit(Credentials(KEY, "12"), "https://anywhere").name == "12"


def test_projects_that_share_something_are_a_mistake() -> None:
    for other in (
        ProjectSettings(name="shop", id=8, keys=(OTHER,)),
        ProjectSettings(name="blog", id=7, keys=(OTHER,)),
        ProjectSettings(name="blog", id=8, keys=(KEY,)),
    ):
        with pytest.raises(Misconfigured):
            Projects([SHOP, other])
