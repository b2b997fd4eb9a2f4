"""Events that nobody wants to see."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pipeline.inbound import EVERYTHING, Client, FilterSettings, Inbound, InboundPolicy, PlaceFilterSettings, headline
from pipeline.inbound.gate import NOBODY
from pipeline.inbound.settings import Kind
from schemas.event import Event, ExceptionValue, LogEntry

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
EXPLORER = "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko"
OLD_SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_5) AppleWebKit/600.8.9 (KHTML, like Gecko) Version/7.1.8 Safari/537.85"
)
NEW_SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CUBOT = (
    "Mozilla/5.0 (Linux; Android 13; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36"
)


def decoded(**fields: Any) -> Event:
    return msgspec.json.decode(json.dumps(fields), type=Event)


def in_browser(text: str = "broken", kind: str = "TypeError", frames: tuple[str, ...] = (), **fields: Any) -> Event:
    stack = {"frames": [{"abs_path": path} for path in frames]}
    return decoded(
        platform="javascript", exception={"values": [{"type": kind, "value": text, "stacktrace": stack}]}, **fields
    )


def visited_with(agent: str) -> Event:
    return decoded(platform="javascript", request={"url": "https://shop.example/", "headers": {"User-Agent": agent}})


def dropped_by(event: Event, kind: Kind = "error", client: Client = NOBODY, **filters: Any) -> str:
    return Inbound(InboundPolicy(FilterSettings(**filters))).judge(event, kind, "shop", client).dropped


def raised(kind: str | None, value: object) -> Event:
    return Event(exception=[ExceptionValue(type="Inner", value="inner"), ExceptionValue(type=kind, value=value)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (raised("ValueError", "bad"), "ValueError: bad"),
        (raised("ValueError", None), "ValueError"),
        (raised("ValueError", ""), "ValueError"),
        (raised(None, 0), "Error: 0"),
        (Event(exception=[None]), ""),
        (Event(message="plain"), "plain"),
        (Event(logentry=LogEntry(message="%s", formatted="done")), "done"),
        (Event(logentry=LogEntry(message="%s")), "%s"),
        (Event(), ""),
    ],
)
def test_the_headline_is_what_was_raised_last_or_the_message(event: Event, line: str) -> None:
    assert headline(event) == line


@pytest.mark.parametrize(
    ("event", "by"),
    [
        (Event(environment="dev-7"), "environments"),
        (Event(environment="my dev-7"), ""),
        (Event(release="1.0.0-rc1"), "releases"),
        (Event(release=2), "releases"),
        (raised("ConnectionError", "first\nsecond line"), "messages"),
        (raised("connectionerror", "whatever"), "messages"),
        (Event(message="ConnectionErro"), ""),
        (Event(environment="dev-7", release="2"), "environments"),
        (Event(), ""),
    ],
)
def test_globs_cover_the_whole_value(event: Event, by: str) -> None:
    found = dropped_by(event, environments=("dev-*", "test"), messages=("ConnectionError*",), releases=("*-rc?", "2"))
    assert found == by


def test_without_settings_nothing_is_dropped() -> None:
    assert not EVERYTHING.active
    assert EVERYTHING.judge(Event(environment="dev"), "error", "shop").dropped == ""


def test_messages_cover_log_messages_too() -> None:
    assert dropped_by(decoded(logentry={"formatted": "retrying in 5 s"}), messages=("retrying*",)) == "messages"


@pytest.mark.parametrize("name", ["dev", "Development", "local", "test", "dev-anna"])
def test_the_switch_for_development_drops_what_no_user_sees(name: str) -> None:
    assert dropped_by(decoded(environment=name), development=True) == "development"
    assert dropped_by(decoded(environment="production"), development=True) == ""


@pytest.mark.parametrize(
    ("event", "by"),
    [
        (in_browser(frames=("https://shop.example/app.js", "chrome-extension://abc/inject.js")), "browser_extensions"),
        (in_browser(frames=("safari-web-extension://abc/x.js", "<anonymous>")), "browser_extensions"),
        (in_browser(frames=("moz-extension://abc/x.js", "https://shop.example/app.js")), ""),
        (in_browser("Extension context invalidated.", "Error"), "browser_extensions"),
        (raised("Error", "Extension context invalidated."), ""),
        (in_browser(), ""),
    ],
)
def test_errors_of_browser_extensions(event: Event, by: str) -> None:
    assert dropped_by(event, browser_extensions=True) == by


@pytest.mark.parametrize(("agent", "legacy"), [(CHROME, 0), (EXPLORER, 1), (OLD_SAFARI, 1), (NEW_SAFARI, 0), ("", 0)])
def test_legacy_browsers(agent: str, legacy: bool) -> None:
    assert dropped_by(visited_with(agent), legacy_browsers=True) == ("legacy_browsers" if legacy else "")


@pytest.mark.parametrize(("agent", "crawler"), [(GOOGLEBOT, 1), (CHROME, 0), (CUBOT, 0), (NEW_SAFARI, 0)])
def test_crawlers(agent: str, crawler: bool) -> None:
    by = "crawlers" if crawler else ""
    assert dropped_by(visited_with(agent), crawlers=True) == by
    as_pairs = decoded(request={"headers": [["user-agent", agent]]})
    assert dropped_by(as_pairs, crawlers=True) == by
    # A page's own event may leave the header to the request that brings it; a server's event is not the sender's.
    assert dropped_by(decoded(platform="javascript"), client=Client("", agent), crawlers=True) == by
    assert dropped_by(decoded(platform="python"), client=Client("", agent), crawlers=True) == ""


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:3000/cart", 1),
        ("http://127.0.0.1/", 1),
        ("http://shop.localhost/", 1),
        ("http://[::1]:8000/", 1),
        ("https://localhost.example/", 0),
        ("http://[bad", 0),
        ("", 0),
    ],
)
def test_pages_on_this_machine(url: str, local: bool) -> None:
    assert dropped_by(decoded(request={"url": url}), localhost=True) == ("localhost" if local else "")


@pytest.mark.parametrize(
    ("name", "kind", "by"),
    [
        ("GET /healthz", "transaction", "health_checks"),
        ("/api/health", "transaction", "health_checks"),
        ("GET /healthy-food", "transaction", ""),
        ("GET /healthz", "error", ""),
    ],
)
def test_health_checks_are_dropped_but_not_their_errors(name: str, kind: Kind, by: str) -> None:
    assert dropped_by(decoded(transaction=name), kind, health_checks=True) == by


@pytest.mark.parametrize(
    ("event", "switch"),
    [
        (in_browser("ResizeObserver loop completed with undelivered notifications.", "Error"), "third_party_noise"),
        (in_browser("Script error.", "Error"), "third_party_noise"),
        (decoded(platform="javascript", message="Script error."), "third_party_noise"),
        (in_browser("Failed to fetch"), "network_noise"),
        (in_browser("Load failed"), "network_noise"),
        (in_browser("Failed to fetch (api.example.com)"), "network_noise"),
    ],
)
def test_known_noise_of_browsers_and_of_nothing_else(event: Event, switch: str) -> None:
    assert dropped_by(event, third_party_noise=True, network_noise=True) == switch
    event.platform = "node"
    assert dropped_by(event, third_party_noise=True, network_noise=True) == ""


@pytest.mark.parametrize(
    ("said", "connection", "by"),
    [
        ("10.1.2.3", "192.0.2.1", "addresses"),
        ("192.0.2.9", "10.1.2.3", ""),
        ("{{auto}}", "10.1.2.3", "addresses"),
        (None, "2001:db8::5", "addresses"),
        (None, "::ffff:10.1.2.3", "addresses"),
        ("somewhere", "10.1.2.3", ""),
        (None, "", ""),
    ],
)
def test_addresses_by_network(said: str | None, connection: str, by: str) -> None:
    event = decoded(user={"ip_address": said})
    assert dropped_by(event, client=Client(connection), addresses=("10.0.0.0/8", "2001:db8::/32")) == by


def test_places_add_to_the_lists_and_turn_switches() -> None:
    policy = InboundPolicy(
        FilterSettings(messages=("everywhere*",), development=True),
        (
            PlaceFilterSettings(project="shop", messages=("shop*",)),
            PlaceFilterSettings(project="sh*", environment="dev", development=False, releases=("0.*",)),
        ),
    )
    inbound = Inbound(policy)

    def by(project: str, **fields: Any) -> str:
        return inbound.judge(decoded(**fields), "error", project).dropped

    assert [by("shop", message="everywhere 1"), by("blog", message="everywhere 1")] == ["messages", "messages"]
    assert [by("shop", message="shop 1"), by("blog", message="shop 1")] == ["messages", ""]
    assert [by("shop", environment="dev"), by("blog", environment="dev")] == ["", "development"]
    assert [by("shop", environment="dev", release="0.1"), by("shop", release="0.1")] == ["releases", ""]
