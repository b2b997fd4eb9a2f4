"""The comparison of chaos: each thing that may be wrong is found, named and counted."""

from __future__ import annotations

import collections
import random
from typing import Any

import pytest

from tests.chaos.alerts import (
    NEW_ISSUE,
    Group,
    Key,
    all_there,
    compare_alerts,
    compare_new_issues,
    expected_groups,
    repeated,
    said,
)
from tests.chaos.errors import AGGREGATES, compare_rows, expected, required, types_of
from tests.chaos.findings import Finding, compare_sums, runs, tally
from tests.chaos.ledger import Range, compare_ledger, holes, overlaps
from tests.chaos.letters import compare_letters
from tests.chaos.load import SMALL, Event, events_of_round
from tests.chaos.watch import Position, lag_of

TYPES = {
    **{f"f{issue}": f"Failure{issue}Error" for issue in range(SMALL.issues)},
    **{f"b{burst}": f"Burst{burst}Error" for burst in range(SMALL.bursts)},
}
ISSUES = {type_: issue for issue, type_ in TYPES.items()}


def sent() -> list[Event]:
    rng = random.Random(5)
    events = events_of_round(rng, SMALL)
    for number, event in enumerate(events):
        event.body(1_000_000_000, rng)
        event.partition, event.offset = number % 3, number // 3
    return events


def row(event: Event, **other: Any) -> dict[str, Any]:
    stored = {
        "event_id": event.id,
        "type": event.type,
        "environment": event.env,
        "ms": event.ms,
        "weight": event.weight,
        "partition": event.partition,
        "offset": event.offset,
        "fingerprint": ISSUES[event.type],
    }
    return {**stored, **other}


def sorts(findings: list[Finding]) -> dict[str, float]:
    return tally(findings)


def test_rows_as_they_were_sent_are_right() -> None:
    events = sent()
    assert compare_rows([row(one) for one in events], events) == []


def test_a_missing_row_is_lost() -> None:
    events = sent()
    findings = compare_rows([row(one) for one in events[2:]], events)
    assert sorts(findings) == {"lost": 2}
    assert "0/0-0 1/0-0" in findings[0].text


def test_where_noise_is_thinned_rows_may_be_left_out() -> None:
    events = sent()
    assert compare_rows([row(one) for one in events[2:]], events, thinned=True) == []


def test_an_event_that_is_stored_twice_is_doubled_at_whatever_offset() -> None:
    events = sent()
    rows = [row(one) for one in events]
    assert sorts(compare_rows([*rows, rows[0]], events)) == {"doubled": 2}
    assert sorts(compare_rows([*rows, row(events[0], offset=900)], events)) == {"doubled": 1, "row": 1}


@pytest.mark.parametrize("other", [{"ms": 3}, {"environment": "x"}, {"type": "x"}, {"weight": 7}, {"offset": 999}])
def test_a_row_that_differs_is_found(other: dict[str, Any]) -> None:
    events = sent()
    assert sorts(compare_rows([row(events[0], **other), *map(row, events[1:])], events)) == {"row": 1}


def test_a_row_that_nobody_sent_is_found() -> None:
    events = sent()
    assert sorts(compare_rows([*map(row, events), row(events[0], event_id="?", offset=999)], events)) == {"row": 1}


def test_an_event_that_kafka_has_not_acknowledged_makes_the_round_worthless() -> None:
    events = sent()
    events[0].failure = "timed out"
    assert sorts(compare_rows(list(map(row, events)), events)) == {"harness": 1}


def test_an_event_that_nobody_promised_to_keep_may_be_there_or_not() -> None:
    events = sent()
    for event in events[:2]:
        event.may_be_missing = True
    rows = [row(one) for one in events[1:]]
    assert required(events, rows) == events[1:]


def test_two_fingerprints_of_an_issue_are_found() -> None:
    events = sent()
    rows = [row(one) for one in events]
    types, findings = types_of(rows, set(ISSUES))
    assert (types, findings) == (TYPES, [])
    _, findings = types_of([*rows, row(events[0], fingerprint="other")], set(ISSUES))
    assert sorts(findings) == {"row": 1}


def test_sums_are_compared_by_their_keys_with_users() -> None:
    for aggregate in AGGREGATES:
        right = expected(sent(), aggregate)
        assert compare_sums("sums", right, dict(right)) == []
        key = next(iter(right))
        without = {one: value for one, value in right.items() if one != key}
        assert sorts(compare_sums("sums", right, without)) == {"aggregate": 1}
        assert sorts(compare_sums("sums", without, right)) == {"aggregate": 1}
        count, users = right[key]
        assert sorts(compare_sums("sums", right, {**right, key: (count + 1, users)})) == {"aggregate": 1}
        if users is not None:
            assert sorts(compare_sums("sums", right, {**right, key: (count, users - 1)})) == {"aggregate": 1}


def alerts_of(project: str) -> list[dict[str, Any]]:
    """Return the alerts that a round must have."""
    values = {"T": SMALL.whole, "half T": SMALL.half, "all T": SMALL.everything, "burst": SMALL.burst}
    wanted: dict[Key, set[Group]] = {
        **expected_groups(project, SMALL),
        NEW_ISSUE: {("production", type_) for type_ in ISSUES},
    }
    return [
        {
            "id": f"{rule} {state} {env} {type_}",
            "rule": rule,
            "state": state,
            "environment": env,
            "fingerprint": ISSUES.get(type_, type_),
            "value": values.get(rule.removeprefix(f"{project} "), 0),
        }
        for (rule, state), groups in wanted.items()
        for env, type_ in groups
    ]


def test_the_alerts_that_must_be_there_are_right() -> None:
    alerts = alerts_of("p")
    assert compare_alerts("p", SMALL, alerts, TYPES) == []
    assert all_there("p", SMALL, alerts)
    assert repeated([*alerts, alerts[0]]) == 1


def test_every_alert_is_missed() -> None:
    alerts = alerts_of("p")
    for number in range(len(alerts)):
        rest = alerts[:number] + alerts[number + 1 :]
        assert sorts(compare_alerts("p", SMALL, rest, TYPES)) == {"alert missing": 1}, alerts[number]
        assert not all_there("p", SMALL, rest)


def test_an_alert_too_many_and_a_second_id_are_found() -> None:
    alerts = alerts_of("p")
    for change in ({"rule": "p T+1"}, {"id": "another"}, {"rule": "p nobody's"}):
        more = {**alerts[0], "id": "another", **change}
        assert sorts(compare_alerts("p", SMALL, [*alerts, more], TYPES)) == {"alert extra": 1}
    new = next(one for one in alerts if one["rule"] == NEW_ISSUE[0])
    more = {**new, "id": "another", "environment": "staging"}
    assert sorts(compare_alerts("p", SMALL, [*alerts, more], TYPES)) == {"alert extra": 1}


def test_a_wrong_value_is_found() -> None:
    alerts = alerts_of("p")
    (at,) = [number for number, one in enumerate(alerts) if one["id"].startswith("p all T firing staging")]
    alerts[at] = {**alerts[at], "value": SMALL.everything + 1}
    assert sorts(compare_alerts("p", SMALL, alerts, TYPES)) == {"alert": 1}


def test_new_issues_are_counted_over_environments() -> None:
    found = said(one for one in alerts_of("p") if one["rule"] == NEW_ISSUE[0])[NEW_ISSUE]
    assert compare_new_issues(found, TYPES, len(TYPES)) == []
    assert sorts(compare_new_issues(found, TYPES, len(TYPES) + 1)) == {"alert missing": 1}
    assert sorts(compare_new_issues(found, TYPES, len(TYPES) - 1)) == {"alert extra": 1}


def test_dead_letters_are_those_that_must_be() -> None:
    must = [("errors", 1, 7), ("errors", 2, 9)]
    assert compare_letters(must, must) == []
    assert sorts(compare_letters(must, must[:1])) == {"dead letter": 1}
    assert sorts(compare_letters(must, [*must, must[0]])) == {"dead letter": 1}
    assert sorts(compare_letters([], must)) == {"dead letter": 2}


def test_a_ledger_without_holes_reaches_the_committed_offset() -> None:
    assert holes([Range(0, 9, 1), Range(10, 10, 1), Range(11, 30, 2)], 0, 31) == []
    assert holes([Range(0, 9, 1), Range(5, 14, 2)], 0, 15) == []
    assert holes([Range(0, 9, 1), Range(12, 14, 1)], 0, 15) == [(10, 11)]
    assert holes([Range(0, 9, 1), Range(12, 14, 1)], 0, 11) == [(10, 10)]
    assert holes([Range(3, 9, 1)], 3, 10) == []
    assert holes([Range(3, 9, 1)], 0, 12) == [(0, 2), (10, 11)]
    assert holes([], 0, 1) == [(0, 0)]


def test_batches_of_one_generation_do_not_overlap() -> None:
    assert overlaps([Range(0, 9, 1), Range(0, 9, 1), Range(5, 14, 2)]) == []
    assert overlaps([Range(0, 9, 1), Range(5, 14, 1)]) == [(Range(0, 9, 1), Range(5, 14, 1))]


def test_the_ledger_is_compared_with_what_is_committed_by_partition() -> None:
    ends = {("errors", 0): (0, 20), ("errors", 1): (0, 5), ("errors", 2): (0, 0), ("counts", 0): (0, 9)}
    committed = {("errors", 0): 20, ("errors", 1): 5, ("errors", 2): -1001, ("counts", 0): 9}
    position = Position(0.0, {}, ends, committed)
    ledger = {("errors", 0): [Range(0, 19, 1)], ("errors", 1): [Range(0, 4, 1)]}
    assert compare_ledger(ledger, position) == []
    assert sorts(compare_ledger({**ledger, ("errors", 1): [Range(0, 2, 1)]}, position)) == {"ledger": 2}
    assert lag_of(ends, {**committed, ("errors", 1): -1001}) == {"errors": 5, "counts": 0}


def test_places_are_told_in_short() -> None:
    assert runs([(1, 5), (0, 2), (1, 6), (1, 8)]) == "0/2-2 1/5-6 1/8-8"


def test_the_tally_adds_up_by_sort() -> None:
    findings = [Finding("lost", 2, "a"), Finding("lost", 3, "b"), Finding("alert", 1, "c")]
    assert tally(findings) == collections.Counter({"lost": 5, "alert": 1})
