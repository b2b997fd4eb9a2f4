"""What a request leads to: messages, outcomes and the answer."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.config.gateway import ProjectSettings
from pipeline.gateway.endpoint import Endpoint, Incoming, Taken, limits_header, refused
from pipeline.gateway.items import Message
from pipeline.gateway.outcomes import Outcomes
from pipeline.gateway.projects import Projects
from pipeline.gateway.rejection import Rejected
from pipeline.gateway.reports import Outcome
from pipeline.inbound import FilterSettings, Inbound, InboundPolicy, SampleSettings

KEY = "0123456789abcdef0123456789abcdef"
ID = "9ec79c33ec9942ab8353589fcb2e04dc"
OTHER_ID = "11111111111111111111111111111111"
TRACE = "4c79f60c11214eb38604f4ae0781bfb2"
NOW = 1_800_000_000.0
AUTH = {"x-sentry-auth": f"Sentry sentry_key={KEY}, sentry_version=7"}
LIMITED = ProjectSettings(name="shop", id=7, keys=(KEY,), per_minute={"error": 2, "session": 0})


def take(*items: tuple[str, Any], endpoint: Endpoint | None = None, now: float = NOW, **header: Any) -> Taken:
    lines = [json.dumps(header).encode()]
    for kind, payload in items:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        lines += [json.dumps({"type": kind, "length": len(data)}).encode(), data]
    chosen = endpoint or Endpoint(Projects(), 1 << 22, Outcomes())
    return chosen.take(Incoming("envelope", "7", AUTH, {}, b"\n".join(lines)), now)


def store(body: bytes) -> Taken:
    return Endpoint(Projects(), 1 << 22, Outcomes()).take(Incoming("store", "7", AUTH, {}, body), NOW)


def test_an_event_goes_to_errors_as_it_came() -> None:
    payload = b'{ "event_id": "' + ID.encode() + b'" ,  "message":"\\u0041 \xc3\xa4", "n": 1.0 }'
    taken = take(("event", payload), event_id=ID)
    assert taken.event_id == ID
    assert taken.messages == [Message("errors", ID.encode(), payload, "7")]
    assert taken.delivered == [Outcome("error", "accepted", 1)]
    assert taken.dropped == []


def test_the_envelopes_event_id_wins_and_nothing_else_changes() -> None:
    taken = take(("event", b'{"event_id":"' + OTHER_ID.encode() + b'","n":1.0,"s":"\\u0041"}'), event_id=ID)
    (message,) = taken.messages
    assert message.key == ID.encode()
    assert message.value == b'{"event_id":"' + ID.encode() + b'","n":1.0,"s":"\\u0041"}'


@pytest.mark.parametrize(
    "payload", [b'{"message":"x"}', b'{"message":"x","event_id":null}', b'{"message":"x","f":NaN}']
)
def test_a_missing_event_id_is_filled_in(payload: bytes) -> None:
    for header in ({"event_id": ID}, {}):
        taken = take(("event", payload), **header)
        assert json.loads(taken.messages[0].value)["event_id"] == taken.event_id
        assert len(taken.event_id or "") == 32
        assert taken.messages[0].key == (taken.event_id or "").encode()


def test_what_is_no_event_is_left_to_the_worker() -> None:
    for payload in (b"", b"not json", b"[1]", b"\xff", b"[" * 5000):
        taken = take(("event", payload), event_id=ID)
        assert [(message.key, message.value) for message in taken.messages] == [(ID.encode(), payload)]


def test_transactions_and_spans_go_to_spans_by_trace() -> None:
    transaction = {"event_id": ID, "type": "transaction", "contexts": {"trace": {"trace_id": TRACE}}}
    spans = {"items": [{"span_id": "a" * 16, "trace_id": TRACE}, {"span_id": "b" * 16, "trace_id": ID}]}
    taken = take(("transaction", transaction), ("span", spans), event_id=ID)
    assert [(message.topic, message.key) for message in taken.messages] == [
        ("spans", TRACE.encode()),
        ("spans", TRACE.encode()),
        ("spans", ID.encode()),
    ]
    assert json.loads(taken.messages[1].value) == spans["items"][0]
    assert taken.delivered == [Outcome("transaction", "accepted", 1), Outcome("span", "accepted", 2)]
    single = take(("span", spans["items"][0]))
    assert (single.event_id, single.messages[0].key) == (None, TRACE.encode())


def test_items_without_a_topic_are_counted_and_dropped() -> None:
    kinds = {
        "attachment": "attachment",
        "profile": "profile",
        "replay_recording": "replay",
        "from_the_future": "default",
    }
    taken = take(*((kind, b"{}") for kind in kinds))
    assert taken.messages == []
    assert taken.event_id is None
    assert taken.dropped == [Outcome(category, "no_topic", 1) for category in kinds.values()]


def test_every_other_item_goes_to_its_topic() -> None:
    logs = {"items": [{"trace_id": TRACE, "body": "a"}, {"trace_id": ID, "body": "b"}]}
    taken = take(
        ("session", {"sid": ID, "init": True}),
        ("sessions", {"aggregates": []}),
        ("log", logs),
        ("check_in", {"check_in_id": ID, "monitor_slug": "nightly", "status": "ok"}),
        ("feedback", {"event_id": ID, "contexts": {"feedback": {"message": "broken"}}}),
        ("user_report", {"event_id": OTHER_ID, "comments": "broken"}),
    )
    assert [(message.topic, message.key) for message in taken.messages] == [
        ("sessions", ID.encode()),
        ("sessions", None),
        ("logs", TRACE.encode()),
        ("logs", ID.encode()),
        ("check-ins", b"nightly"),
        ("feedback", ID.encode()),
        ("feedback", OTHER_ID.encode()),
    ]
    assert json.loads(taken.messages[3].value) == logs["items"][1]
    assert taken.delivered[2] == Outcome("log_item", "accepted", 2)


def test_what_such_an_item_lacks_is_left_to_the_worker() -> None:
    for kind in ("session", "sessions", "log", "check_in", "feedback", "user_report"):
        for payload in (b"", b"not json", b"[1]", b"\xff", b'{"sid":1}', b"[" * 5000):
            (message,) = take((kind, payload)).messages
            assert (message.key, message.value) == (None, payload)


def test_the_times_of_sessions_are_corrected() -> None:
    sent = NOW - 3600
    one, many = take(
        ("session", {"started": sent - 2, "timestamp": sent}),
        ("sessions", {"aggregates": [{"started": sent, "exited": 1}]}),
        sent_at=sent,
    ).messages
    assert json.loads(one.value) == {"started": NOW - 2, "timestamp": NOW}
    assert json.loads(many.value)["aggregates"] == [{"started": NOW, "exited": 1}]


def test_more_than_a_hundred_sessions_are_a_413() -> None:
    for items in ([("session", b"{}")] * 101, [("sessions", {"aggregates": [{}] * 101})]):
        with pytest.raises(Rejected) as caught:
            take(*items)
        assert caught.value.status == 413
    assert len(take(*[("session", b"{}")] * 100, ("sessions", {"aggregates": [{}] * 100})).messages) == 101


def test_client_reports_are_kept_as_outcomes() -> None:
    report = {
        "timestamp": 1.5,
        "discarded_events": [
            {"reason": "sample_rate", "category": "transaction", "quantity": 40},
            {"reason": "what a word", "category": "<script>", "quantity": 2},
        ],
    }
    taken = take(("client_report", report))
    assert taken.dropped == [Outcome("transaction", "client_sample_rate", 40), Outcome("other", "client_other", 2)]
    assert take(("client_report", b"[]")).dropped == [Outcome("internal", "malformed", 1)]


def test_times_of_a_wrong_clock_are_corrected_everywhere() -> None:
    """The client's clock is an hour slow."""
    sent = NOW - 3600
    event = {
        "event_id": ID,
        "timestamp": datetime.fromtimestamp(sent - 1, UTC).isoformat(),
        "breadcrumbs": {"values": [{"timestamp": sent - 2, "message": "m"}]},
    }
    taken = take(("event", event), event_id=ID, sent_at=datetime.fromtimestamp(sent, UTC).isoformat())
    assert json.loads(taken.messages[0].value) == {
        "event_id": ID,
        "timestamp": NOW - 1,
        "breadcrumbs": {"values": [{"timestamp": NOW - 2, "message": "m"}]},
    }
    spans = [{"start_timestamp": sent - 3, "timestamp": sent - 2, "trace_id": TRACE}]
    transaction = {"start_timestamp": sent - 4, "timestamp": sent, "spans": spans, "event_id": ID}
    moved = json.loads(take(("transaction", transaction), event_id=ID, sent_at=sent).messages[0].value)
    assert (moved["start_timestamp"], moved["timestamp"]) == (NOW - 4, NOW)
    assert (moved["spans"][0]["start_timestamp"], moved["spans"][0]["timestamp"]) == (NOW - 3, NOW - 2)


@pytest.mark.parametrize("sent_at", [NOW - 50, NOW + 50, None, "yesterday", True, [1], "9999999-01-01"])
def test_times_are_left_alone_when_the_clock_was_right(sent_at: Any) -> None:
    payload = json.dumps({"event_id": ID, "timestamp": 1.0}).encode()
    assert take(("event", payload), event_id=ID, sent_at=sent_at).messages[0].value == payload


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [("event", 1 << 20, 413), ("transaction", 1 << 20, 413), ("check_in", 102400, 413), ("client_report", 4096, 413)],
)
def test_items_over_their_limit_are_a_413(kind: str, size: int, status: int) -> None:
    assert take((kind, b"x" * size)) is not None
    with pytest.raises(Rejected) as caught:
        take((kind, b"x" * (size + 1)))
    assert caught.value.status == status


def test_too_many_spans_or_logs_in_an_envelope_are_a_413() -> None:
    one = {"span_id": "a", "attributes": {"x": {"value": {}}}}
    assert len(take(("log", {"items": [one] * 2500}), ("span", {"items": [one] * 2500})).messages) == 5000
    with pytest.raises(Rejected) as caught:
        take(*[("log", b'{"items":[' + b"{}," * 999 + b"{}]}")] * 6)
    assert caught.value.status == 413


def test_two_events_in_an_envelope_are_a_400() -> None:
    with pytest.raises(Rejected) as caught:
        take(("event", {}), ("transaction", {}))
    assert caught.value.status == 400


def test_a_limited_category_is_dropped_and_told() -> None:
    endpoint = Endpoint(Projects([LIMITED]), 1 << 20, Outcomes())
    for _ in range(2):
        assert take(("event", {"a": 1}), endpoint=endpoint).limits == []
    over = take(("event", {"a": 1}), ("attachment", b"x"), ("session", b"{}"), endpoint=endpoint, now=NOW + 20)
    assert over.messages == []
    assert over.dropped == [
        Outcome("error", "rate_limited", 1, "minute"),
        Outcome("attachment", "no_topic", 1),
        Outcome("session", "rate_limited", 1, "minute"),
    ]
    assert limits_header(over) == "40:error:key:minute, 40:session:key:minute"
    assert refused(over) is None
    assert take(("event", {"a": 1}), endpoint=endpoint, now=NOW + 60).limits == []


def test_only_when_every_item_is_limited_it_is_a_429() -> None:
    endpoint = Endpoint(Projects([LIMITED]), 1 << 20, Outcomes())
    rejection = refused(take(("session", b"{}"), ("session", b"{}"), endpoint=endpoint))
    assert rejection is not None
    assert (rejection.status, rejection.retry_after_s, rejection.rate_limits) == (429, 60, "60:session:key:minute")
    report = {"discarded_events": [{"reason": "send_error", "category": "error", "quantity": 1}]}
    assert refused(take(("session", b"{}"), ("client_report", report), endpoint=endpoint)) is None
    assert refused(take(endpoint=endpoint)) is None


def test_store_takes_every_form_that_older_sdks_sent() -> None:
    event = json.dumps({"event_id": ID, "message": "x"}).encode()
    for body in (event, b"\n" + event + b"\n", base64.b64encode(event), base64.b64encode(zlib.compress(event))):
        taken = store(body)
        assert taken.event_id == ID
        assert taken.messages == [Message("errors", ID.encode(), event, "7")]
    assert json.loads(store(b'{"message":"x","extra":{"n":Infinity}}').messages[0].value)["message"] == "x"
    assert store(b'{"type":"transaction"}').messages[0].topic == "spans"
    for body in (b"", b"[]", b"{", b"hello", base64.b64encode(b"hello"), b"\xff"):
        with pytest.raises(Rejected) as caught:
            store(body)
        assert caught.value.status == 400


def test_a_wrong_key_is_refused_before_its_body_is_decoded() -> None:
    endpoint = Endpoint(Projects([LIMITED]), 1 << 20, Outcomes())
    stranger = {"x-sentry-auth": f"Sentry sentry_key={'a' * 32}", "content-encoding": "gzip"}
    with pytest.raises(Rejected) as caught:
        endpoint.take(Incoming("envelope", "7", stranger, {}, b"no gzip at all"), NOW)
    assert caught.value.status == 403


def test_a_tunnels_envelope_brings_its_own_dsn() -> None:
    endpoint = Endpoint(Projects([LIMITED]), 1 << 20, Outcomes())
    body = json.dumps({"dsn": f"https://{KEY}@host/7"}).encode() + b'\n{"type":"event"}\n{"message":"x"}'
    assert endpoint.take(Incoming("envelope", None, {}, {}, body), NOW).messages[0].project == "shop"


def let_in(*items: tuple[str, Any], user_agent: str = "", address: str = "", **policy: Any) -> Taken:
    """Take an envelope under filters and sampling rules."""
    endpoint = Endpoint(Projects(), 1 << 22, Outcomes(), Inbound(InboundPolicy(**policy)))
    lines = [json.dumps({"event_id": ID}).encode()]
    for kind, payload in items:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        lines += [json.dumps({"type": kind, "length": len(data)}).encode(), data]
    headers = {**AUTH, "user-agent": user_agent}
    return endpoint.take(Incoming("envelope", "7", headers, {}, b"\n".join(lines), address), NOW)


def test_what_a_filter_drops_is_answered_as_taken_and_counted() -> None:
    taken = let_in(("event", {"message": "noise 1"}), filter=FilterSettings(messages=("noise*",)))
    assert (taken.messages, taken.event_id, refused(taken)) == ([], ID, None)
    assert taken.dropped == [Outcome("error", "filtered", 1, "messages")]
    crawler = let_in(("event", {"platform": "javascript"}), user_agent="Bot/1", filter=FilterSettings(crawlers=True))
    assert crawler.dropped == [Outcome("error", "filtered", 1, "crawlers")]
    inside = let_in(("event", {}), address="10.1.1.1", filter=FilterSettings(addresses=("10.0.0.0/8",)))
    assert inside.dropped == [Outcome("error", "filtered", 1, "addresses")]


def test_what_sampling_keeps_carries_its_weight() -> None:
    traces = [f"{number:032x}" for number in range(200)]
    spans = {"items": [{"span_id": "a" * 16, "trace_id": trace} for trace in traces]}
    taken = let_in(("span", spans), samples=(SampleSettings(rate=0.25, type="span"),))
    assert {message.weight for message in taken.messages} == {"4"}
    kept = len(taken.messages)
    assert 20 < kept < 80
    assert taken.delivered == [Outcome("span", "accepted", kept)]
    assert taken.dropped == [Outcome("span", "sampled", 200 - kept)]


def test_what_cannot_be_decoded_is_left_to_the_worker_by_filters_too() -> None:
    for payload in (b"not json", b"[1]", b"[" * 5000):
        taken = let_in(("event", payload), filter=FilterSettings(messages=("*",)))
        assert [message.value for message in taken.messages] == [payload]
    mended = let_in(("event", b'{"release": {}, "message": "x"}'), filter=FilterSettings(messages=("x",)))
    assert mended.messages == []


def test_what_is_filtered_is_not_counted_against_a_limit() -> None:
    endpoint = Endpoint(
        Projects([LIMITED]), 1 << 20, Outcomes(), Inbound(InboundPolicy(FilterSettings(messages=("noise",))))
    )
    for _ in range(5):
        assert take(("event", {"message": "noise"}), endpoint=endpoint).limits == []
    assert len(take(("event", {"message": "signal"}), endpoint=endpoint).messages) == 1
