"""Sampling: the same part of every trace, and weights that give the whole back."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.inbound import Inbound, InboundPolicy, SampleSettings
from pipeline.inbound.facts import Facts, facts_of
from pipeline.inbound.sampling import Sampler, share
from schemas.event import Event

TRACES = [uuid.UUID(int=number * 7919).hex for number in range(4000)]


def weights(rate: float, kind: str = "transaction", **fields: str) -> list[float]:
    sampler = Sampler([SampleSettings(rate=rate)])
    return [sampler.weight(Facts(kind, "shop", identity=trace, **fields)) for trace in TRACES]  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_weights_give_the_whole_back(rate: float) -> None:
    found = weights(rate)
    assert set(found) == {0.0, 1 / rate}
    spread = (len(TRACES) * (1 - rate) / rate) ** 0.5
    assert abs(sum(found) - len(TRACES)) < 4 * spread


def test_one_keeps_all_and_zero_nothing() -> None:
    assert set(weights(1.0)) == {1.0}
    assert set(weights(0.0)) == {0.0}


@given(st.uuids(), st.floats(0.001, 1), st.floats(0.001, 1))
@settings(max_examples=200, deadline=None)
def test_what_a_rate_keeps_every_higher_rate_keeps_whatever_the_type(trace: uuid.UUID, one: float, two: float) -> None:
    low, high = sorted((one, two))
    kept_low = Sampler([SampleSettings(rate=low)]).weight(Facts("span", "shop", identity=trace.hex)) > 0
    kept_high = Sampler([SampleSettings(rate=high)]).weight(Facts("error", "blog", identity=trace.hex)) > 0
    assert kept_high or not kept_low


def test_what_has_no_id_at_all_is_kept_as_one() -> None:
    assert Sampler([SampleSettings(rate=0.01)]).weight(Facts("span", "shop")) == 1
    assert Sampler([SampleSettings(rate=0)]).weight(Facts("span", "shop")) == 0


def test_a_trace_is_decided_alike_however_it_is_written() -> None:
    trace = uuid.uuid4()
    assert share(str(trace).upper()) == share(trace.hex)


def test_the_first_rule_that_fits_decides() -> None:
    rules = (
        SampleSettings(rate=0, type="transaction", transaction="GET /poll*"),
        SampleSettings(rate=1, environment="staging"),
        SampleSettings(rate=0, project="noisy"),
        SampleSettings(rate=0, release="0.*", type="error"),
    )
    sampler = Sampler(rules)

    def kept(kind: str, project: str = "shop", environment: str = "", release: str = "", name: str = "") -> bool:
        return sampler.weight(Facts(kind, project, environment, release, name, "x")) > 0  # type: ignore[arg-type]

    assert not kept("transaction", name="GET /poll/1", environment="staging")
    assert kept("error", name="GET /poll/1")
    assert kept("log", "noisy", "staging")
    assert not kept("log", "noisy", "production")
    assert not kept("error", release="0.9")
    assert kept("span", release="0.9")


def test_without_a_trace_the_event_decides() -> None:
    assert facts_of(Event(event_id="bb"), "error", "shop").identity == "bb"
    found = facts_of(Event(event_id="bb", trace_id="aa"), "span", "shop")
    assert found.identity == "aa"
    in_context = msgspec.json.decode('{"event_id":"bb","contexts":{"trace":{"trace_id":"aa"}}}', type=Event)
    assert facts_of(in_context, "error", "shop").identity == "aa"


def test_a_verdict_says_why_or_what_it_stands_for() -> None:
    inbound = Inbound(InboundPolicy(samples=(SampleSettings(rate=0.5, type="error"),)))
    verdicts = {inbound.judge(Event(event_id=trace), "error", "shop") for trace in TRACES[:50]}
    assert verdicts == {("sampled", 0.0), ("", 2.0)}
    assert inbound.judge(Event(event_id=TRACES[0]), "transaction", "shop") == ("", 1.0)
