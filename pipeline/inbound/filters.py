"""Filter: drop what the configuration says nobody wants to see, before any work is spent on it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pipeline.inbound import known
from pipeline.inbound.browsers import is_crawler, is_legacy
from pipeline.inbound.facts import Facts
from pipeline.inbound.settings import FilterSettings
from pipeline.payload.globs import compile_globs
from schemas.event import Event

SWITCHES = tuple(name for name in FilterSettings.__struct_fields__ if (getattr(FilterSettings(), name) is None))
LISTS = tuple(name for name in FilterSettings.__struct_fields__ if name not in SWITCHES)

Check = Callable[[Event, Facts], bool]

_HEADERS = msgspec.json.Decoder(Any)
_LOOPBACK_HOSTS = ("localhost", "0.0.0.0", "::1")  # noqa: S104  a name that pages have, nothing listens here


class Filter:
    """Filters, compiled; :meth:`drops` says whether an event is dropped, and by which setting.

    Args:
        layers: the settings, from the general to the particular: lists add up, the last switch that is set decides.
    """

    def __init__(self, layers: Iterable[FilterSettings] = ()) -> None:
        merged = merge(layers)
        lists = {name: getattr(merged, name) for name in LISTS}
        self._checks = [(name, _LIST_CHECKS[name](entries)) for name, entries in lists.items() if entries]
        self._checks += [(name, _SWITCH_CHECKS[name]) for name in SWITCHES if getattr(merged, name)]
        self.active = bool(self._checks)

    def drops(self, event: Event, facts: Facts) -> str | None:
        """Return the setting that drops this event, ``None`` if it stays."""
        for name, check in self._checks:
            if check(event, facts):
                return name
        return None


def merge(layers: Iterable[FilterSettings]) -> FilterSettings:
    """Return settings on top of each other: lists add up, the last switch that is set decides."""
    fields: dict[str, Any] = {}
    for layer in layers:
        for name in LISTS:
            fields[name] = (*fields.get(name, ()), *getattr(layer, name))
        fields.update({name: value for name in SWITCHES if (value := getattr(layer, name)) is not None})
    return FilterSettings(**fields)


def headline(event: Event) -> str:
    """Return ``Type: value`` of the exception raised last, or the log message; empty without either."""
    exceptions = event.exceptions
    if exceptions:
        last = exceptions[-1]
        return f"{last.type or 'Error'}: {last.value}" if last.value not in (None, "") else last.type or "Error"
    entry = event.log_entry
    return (entry.formatted or entry.message or "") if entry else ""


def _environments(globs: tuple[str, ...]) -> Check:
    test = compile_globs(globs)
    return lambda _event, facts: test(facts.environment)


def _messages(globs: tuple[str, ...]) -> Check:
    test = compile_globs(globs)
    return lambda event, _facts: test(headline(event))


def _releases(globs: tuple[str, ...]) -> Check:
    test = compile_globs(globs)
    return lambda _event, facts: test(facts.release)


def _transactions(globs: tuple[str, ...]) -> Check:
    test = compile_globs(globs)
    return lambda _event, facts: facts.kind in ("transaction", "span") and test(facts.transaction)


def _addresses(addresses: tuple[str, ...]) -> Check:
    networks = [ipaddress.ip_network(address, strict=False) for address in addresses]

    def check(event: Event, facts: Facts) -> bool:
        address = _address(event, facts)
        return address is not None and any(
            address in network for network in networks if network.version == address.version
        )

    return check


def _address(event: Event, facts: Facts) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the user's address: what the event says, or else where the request came from."""
    said = event.user.ip_address if event.user else None
    try:
        found = ipaddress.ip_address(facts.address if said in (None, "", "{{auto}}") else said or "")
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _is_browser(event: Event) -> bool:
    return event.platform == "javascript"


def _known(globs: tuple[str, ...]) -> Callable[[Event], bool]:
    test = compile_globs(globs)

    def check(event: Event) -> bool:
        if not _is_browser(event):
            return False
        line = headline(event)
        return test(line) or (": " in line and test(line.partition(": ")[2]))

    return check


_from_extension_message = _known(known.EXTENSION_MESSAGES)
_third_party = _known(known.THIRD_PARTY_MESSAGES)
_network = _known(known.NETWORK_MESSAGES)
_development = compile_globs(known.DEVELOPMENT)
_health = compile_globs(known.HEALTH_CHECKS)


def _from_extension(event: Event, _facts: Facts) -> bool:
    if not _is_browser(event):
        return False
    return _from_extension_message(event) or _place_of_error(event).startswith(known.EXTENSION_SCHEMES)


def _place_of_error(event: Event) -> str:
    """Return the file of the newest frame that has one, of the exception raised last."""
    exceptions = event.exceptions
    stack = exceptions[-1].stacktrace if exceptions else None
    for frame in reversed(stack.frames or ()) if stack else ():
        path = (frame.abs_path or frame.filename or "") if frame else ""
        if path and not path.startswith(("<", "[native")):
            return path
    return ""


def _user_agent(event: Event, facts: Facts) -> str:
    """Return the User-Agent of the request in the event; of a browser's event without one, that of the sender."""
    raw = event.request.headers if event.request else None
    headers = _HEADERS.decode(raw) if raw is not None else None
    pairs: Any = headers.items() if isinstance(headers, dict) else headers if isinstance(headers, list) else ()
    for pair in pairs:
        if isinstance(pair, (tuple, list)) and len(pair) == 2 and str(pair[0]).lower() == "user-agent":
            return str(pair[1][0] if isinstance(pair[1], list) and pair[1] else pair[1])
    return facts.user_agent if _is_browser(event) else ""


def _from_localhost(event: Event, _facts: Facts) -> bool:
    try:
        host = urlsplit((event.request.url if event.request else None) or "").hostname or ""
    except ValueError:
        return False
    return host in _LOOPBACK_HOSTS or host.startswith("127.") or host.endswith(".localhost")


_LIST_CHECKS: dict[str, Callable[[tuple[str, ...]], Check]] = {
    "environments": _environments,
    "messages": _messages,
    "releases": _releases,
    "transactions": _transactions,
    "addresses": _addresses,
}
_SWITCH_CHECKS: dict[str, Check] = {
    "development": lambda _event, facts: _development(facts.environment),
    "browser_extensions": _from_extension,
    "legacy_browsers": lambda event, facts: is_legacy(_user_agent(event, facts)),
    "crawlers": lambda event, facts: is_crawler(_user_agent(event, facts)),
    "localhost": _from_localhost,
    "health_checks": lambda _event, facts: facts.kind in ("transaction", "span") and _health(facts.transaction),
    "third_party_noise": lambda event, _facts: _third_party(event),
    "network_noise": lambda event, _facts: _network(event),
}
