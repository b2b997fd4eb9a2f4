"""Globs are the same wherever rules have them: brackets are themselves."""

from __future__ import annotations

import pickle

import pytest

from pipeline.alerts.rules import Rules as AlertRules
from pipeline.fingerprint import Rules as GroupingRules
from pipeline.inbound import Inbound
from pipeline.inbound.settings import FilterSettings, InboundPolicy
from pipeline.payload.globs import Globs
from schemas.event import Event


@pytest.mark.parametrize(("value", "covered"), [("[ab]7", True), ("[AB]", True), ("a7", False), ("b", False)])
def test_brackets_are_themselves_in_rules_and_filters(value: str, covered: bool) -> None:
    fingerprint = {"name": "r", "match": {"environment": "[ab]*"}, "fingerprint": ["x"]}
    grouping = GroupingRules.from_toml({"fingerprint": [fingerprint]}, lambda _path: "aftershock.toml")
    alerts = AlertRules.from_toml(
        [{"name": "r", "kind": "new_issue", "match": {"environment": "[ab]*"}}], lambda _path: "aftershock.toml"
    )
    inbound = Inbound(InboundPolicy(FilterSettings(environments=("[ab]*",))))
    assert grouping.fingerprints[0].match["environment"].covers(value) is covered
    assert alerts.all[0].match.environment(value) is covered
    assert (inbound.drops(Event(environment=value, message="m"), "error", "shop") is not None) is covered


def test_globs_survive_pickling() -> None:
    """Settings are pickled on their way to the processes of the stages."""
    globs = pickle.loads(pickle.dumps(Globs(("a*", "b"))))
    assert globs == Globs(("a*", "b")) != Globs(("a*",))
    assert hash(globs) == hash(Globs(("a*", "b")))
    assert [globs.covers(value) for value in ("abc", "B", "bc")] == [True, True, False]
