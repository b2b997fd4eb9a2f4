"""The endpoint: everything between a request's bytes and the messages and the answer it leads to. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pipeline.config.gateway import ProjectSettings
from pipeline.gateway import auth, encodings, envelope, items, store
from pipeline.gateway.drift import drift_s
from pipeline.gateway.entrance import Entrance
from pipeline.gateway.envelope import Envelope, Item
from pipeline.gateway.guesses import FAILURES, Guesses
from pipeline.gateway.items import Message
from pipeline.gateway.limits import Limits
from pipeline.gateway.outcomes import Outcomes
from pipeline.gateway.projects import Projects
from pipeline.gateway.rates import Limit, header_of
from pipeline.gateway.rejection import Rejected
from pipeline.gateway.reports import Outcome, discarded
from pipeline.gateway.usage import Usage
from pipeline.inbound import EVERYTHING, Client, Inbound
from pipeline.inbound.gate import NOBODY


class Incoming(NamedTuple):
    """A request. ``headers`` have lower-case names; ``project`` is the one in the path, where the path has one.

    ``address`` is that of the client, empty where it is not known.
    """

    form: Literal["envelope", "store"]
    project: str | None
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    address: str = ""


class Taken(NamedTuple):
    """What a request leads to.

    ``event_id`` is answered, ``None`` without an event. ``messages`` have to be acknowledged by Kafka before the
    answer is given; ``delivered`` counts once they are, ``dropped`` at once. ``limits`` are told to the SDK.
    ``project`` and ``key`` are whose they are.
    """

    event_id: str | None
    messages: list[Message]
    delivered: list[Outcome]
    dropped: list[Outcome]
    limits: list[Limit]
    project: str = ""
    key: str = ""


class Endpoint:
    """Takes requests.

    Args:
        projects: who may send.
        largest: the most bytes of a decoded body.
        outcomes: where items are counted that were not taken.
        inbound: what is let in.
        usage: what all gateways have taken.
        most_wrong_keys: how many requests with a wrong key an address has a minute; 0 for any number.
    """

    def __init__(
        self,
        projects: Projects,
        largest: int,
        outcomes: Outcomes,
        inbound: Inbound = EVERYTHING,
        usage: Usage | None = None,
        *,
        most_wrong_keys: int = 0,
    ) -> None:
        self._projects = projects
        self._largest = largest
        self._outcomes = outcomes
        self._limits = Limits(Usage() if usage is None else usage)
        self._entrance = Entrance(inbound)
        self._guesses = Guesses(most_wrong_keys)

    def take(self, incoming: Incoming, now_s: float) -> Taken:
        """Check a request and make messages of it.

        Args:
            incoming: the request.
            now_s: when it came, in seconds since 1970.

        Raises:
            Rejected: nothing of it is taken. What is lost is counted.
        """
        try:
            parsed, project, key = self._read(incoming, now_s)
        except Rejected as rejected:
            if rejected.outcome in FAILURES and not self._projects.open:
                self._guesses.failed(incoming.address, now_s)
            self.refuse(incoming, rejected)
            raise
        try:
            items.check(parsed.items)
        except Rejected as rejected:
            for item in parsed.items:
                self._outcomes.add(project.name, key, items.category(item), f"invalid:{rejected.outcome}")
            raise
        client = NOBODY if self._entrance.open else Client(incoming.address, incoming.headers.get("user-agent", ""))
        taken = self._sort(parsed, project, key, client, now_s)
        for one in taken.dropped:
            self._outcomes.add(project.name, key, one.category, one.reason, one.quantity)
        return taken

    def refuse(self, incoming: Incoming, rejected: Rejected) -> None:
        """Count a request that is refused before its items are known: as one, for the project of its head's key."""
        project, key = self._named(incoming)
        self._outcomes.add(project, key, "default", f"invalid:{rejected.outcome}")

    def _named(self, incoming: Incoming) -> tuple[str, str]:
        """Return the project and the key in a request's head; empty where they do not belong together."""
        try:
            http = auth.from_http(incoming.headers, incoming.query)
            if http is None or self._projects.open:
                return "", ""
            credentials = auth.agreed(http, None, incoming.project)
            return self._projects.admit(credentials, None).name, credentials.key
        except Rejected:
            return "", ""

    def _read(self, incoming: Incoming, now_s: float) -> tuple[Envelope, ProjectSettings, str]:
        """Return the envelope of a request, the project that it belongs to, and its key."""
        http = auth.from_http(incoming.headers, incoming.query)
        self._guesses.check(incoming.address, http.key if http else None, now_s)
        origin = incoming.headers.get("origin")
        if http is not None and not self._projects.open:
            # Before any work goes into a body that nobody may send.
            self._projects.admit(auth.agreed(http, None, incoming.project), origin)
        body = encodings.decode(incoming.body, incoming.headers.get("content-encoding"), self._largest)
        parsed = store.parse(body, self._largest) if incoming.form == "store" else envelope.parse(body)
        credentials = auth.agreed(http, parsed.header.dsn, incoming.project)
        project = self._projects.admit(credentials, origin)
        self._guesses.succeeded(incoming.address, credentials.key)
        return parsed, project, credentials.key

    def _sort(self, parsed: Envelope, project: ProjectSettings, key: str, client: Client, now_s: float) -> Taken:
        identity = _identity(parsed)
        taken = Taken(identity, [], [], [], [], project.name, key)
        drift = drift_s(parsed.header.sent_at, now_s)
        for item in parsed.items:
            if item.type == "client_report":
                taken.dropped.extend(discarded(item.payload))
                continue
            category = items.category(item)
            messages = items.messages_of(item, identity or "", project.name, drift)
            if messages and not self._entrance.open:
                messages, dropped = self._entrance.let_in(messages, category, client)
                taken.dropped.extend(dropped)
                if not messages:
                    continue
            quantity = len(messages) if items.has_topic(item) else 1
            limit = self._limits.take(project, key, category, quantity, now_s)
            if limit is not None:
                taken.dropped.append(Outcome(category, "rate_limited", quantity, limit.reason))
                taken.limits.append(limit)
            elif items.has_topic(item):
                taken.messages.extend(messages)
                taken.delivered.append(Outcome(category, "accepted", quantity))
            else:
                taken.dropped.append(Outcome(category, "no_topic", quantity))
        return taken


def refused(taken: Taken) -> Rejected | None:
    """Return the rejection of a request of which every item ran into a limit, ``None`` otherwise."""
    if not taken.limits or any(outcome.outcome != "rate_limited" for outcome in (*taken.delivered, *taken.dropped)):
        return None
    seconds = max(limit.seconds for limit in taken.limits)
    return Rejected(
        429, "rate_limited", "over the rate limit of this key", retry_after_s=seconds, rate_limits=limits_header(taken)
    )


def limits_header(taken: Taken) -> str:
    """Return ``X-Sentry-Rate-Limits``, empty where nothing was limited."""
    return header_of(list(dict.fromkeys(taken.limits)))


def _identity(parsed: Envelope) -> str | None:
    event: Item | None = next((item for item in parsed.items if item.type in items.EVENTS), None)
    if event is None:
        return None
    return parsed.header.event_id or items.event_id(event)
