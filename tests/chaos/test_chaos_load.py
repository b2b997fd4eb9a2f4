"""The load of chaos: a seed has the same events for ever, and groups on both sides of the thresholds."""

from __future__ import annotations

import hashlib
import json
import random
import tomllib

import pytest

from tests.chaos.load import ENVIRONMENTS, FULL, SMALL, Shape, events_of_round, in_class_a
from tests.chaos.settings import VARIANTS, rules, toml, with_worker


def test_a_seed_has_the_events_it_has_always_had() -> None:
    """Evidence of earlier runs names seeds; so the order of draws must stay."""
    events = events_of_round(random.Random(4001))
    text = " ".join(f"{one.id} {one.type} {one.env} {one.user} {one.weight}" for one in events)
    assert len(events) == 9090
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "46c0588623214206ce251c491c1bdbf9bd3e00d36e44349e8165f076bfe3194d"
    )


def test_the_body_of_an_event_follows_from_the_draws() -> None:
    event = events_of_round(random.Random(7))[0]
    body = json.loads(event.body(1_000_000_000.0, random.Random(1)))
    assert event.ms == 999_999_999_596
    assert (body["event_id"], body["timestamp"]) == (event.id, "2001-09-09T01:46:39.596Z")


@pytest.mark.parametrize("shape", [FULL, SMALL, Shape(issues=20)])
def test_groups_of_class_a_have_what_the_thresholds_ask_and_the_others_one_less(shape: Shape) -> None:
    events = events_of_round(random.Random(1), shape)
    for env in ENVIRONMENTS:
        assert sum(one.weight for one in events if one.env == env) == shape.everything
    groups = {(one.env, one.type): one for one in events if not one.burst}
    sums = {group: sum(one.weight for one in events if (one.env, one.type) == group) for group in groups}
    assert {sums[group] for group, one in groups.items() if in_class_a(one)} == {shape.whole}
    assert {sums[group] for group, one in groups.items() if not in_class_a(one)} == {shape.whole - 1}
    halves = {
        sum(one.weight for one in events if (one.env, one.type, one.half) == (*group, "a"))
        for group, example in groups.items()
        if in_class_a(example)
    }
    assert halves == {shape.half}


def test_a_burst_is_sent_all_at_once() -> None:
    events = events_of_round(random.Random(3))
    at = [number for number, one in enumerate(events) if one.type == "Burst1Error"]
    assert at == list(range(at[0], at[0] + FULL.burst))


def test_a_shape_whose_thresholds_would_not_tell_is_refused() -> None:
    with pytest.raises(AssertionError):
        Shape(group=74)
    with pytest.raises(AssertionError):
        Shape(issues=3)
    with pytest.raises(AssertionError):
        Shape(burst=200)


def test_the_settings_are_toml_with_a_rule_for_each_threshold() -> None:
    for variant in VARIANTS:
        read = tomllib.loads(toml(variant, [FULL, SMALL]))
        assert [one["name"] for one in read["project"]] == ["g00", "g01"]
        thresholds = {one["name"]: one["threshold"] for one in read["rule"] if one["kind"] == "count"}
        first = "t00" if variant.thinned else "r00"
        assert thresholds[f"{first} T+1"] - thresholds[f"{first} T-1"] == 2
        assert thresholds[f"{first} T"] == FULL.whole
    assert len(tomllib.loads(rules("p", FULL))["rule"]) == 9


def test_the_worker_s_settings_are_replaced_and_nothing_else_is() -> None:
    text = toml(VARIANTS[1], [FULL])
    changed = tomllib.loads(with_worker(text, "batch_events = 7\n"))
    before = tomllib.loads(text)
    assert changed.pop("worker") == {"batch_events": 7}
    assert before.pop("worker") != {}
    assert changed == before
