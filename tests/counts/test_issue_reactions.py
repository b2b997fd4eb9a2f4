"""What issues do after people changed them: each comes back once for a change, and only for the right events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.counts.batch_counts import Counter
from pipeline.counts.windows import SWEEP_S, Windows
from pipeline.issues.states import IssueStates
from schemas.alert import Alert
from schemas.counts import CountsBatch
from schemas.issue_change import IssueChange
from tests.occurrences import NOON, SOURCE, Occurrence, rules_of

AA, BB = "aa" * 16, "bb" * 16
RULES = rules_of(
    {"name": "new", "kind": "new_issue"},
    {"name": "back", "kind": "regressed"},
    {"name": "live", "kind": "regressed", "match": {"environment": "production"}},
    {"name": "fatal", "kind": "regressed", "match": {"level": "fatal"}},
    {"name": "loud", "kind": "unignored"},
    {"name": "burst", "kind": "count", "threshold": 3, "window": "60s", "cooldown": "0s"},
)


class Partition:
    """A partition with one source, whose issues people change."""

    def __init__(self) -> None:
        self.states = IssueStates()
        self.table: dict[bytes, bytes] = {}
        self.offset = self.source_offset = self.changes = 0
        self.windows = self.start()

    def start(self) -> Windows:
        windows = Windows(RULES, 0, partitions=1, allowed_lateness_s=60, states=self.states)
        windows.load(self.table.items())
        return windows

    def restart(self) -> None:
        self.flush()
        self.windows = self.start()

    def flush(self) -> None:
        for key, value in self.windows.take_changes():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value

    def change(self, second: float, fingerprint: str = AA, **fields: Any) -> None:
        """Change an issue so long after noon."""
        self.changes += 1
        at = datetime.fromtimestamp(NOON + second, UTC)
        wish = {"project": "shop", "fingerprint": fingerprint, "id": str(self.changes), "changed_at": at, **fields}
        self.states.put("shop", fingerprint, IssueChange(**wish))

    def message(self, *occurrences: Occurrence) -> CountsBatch:
        first = self.source_offset
        self.source_offset += len(occurrences)
        (batch,) = Counter(RULES, 1, self.states).count(occurrences, SOURCE, first, self.source_offset - 1).values()
        return batch

    def see(self, *occurrences: Occurrence) -> list[str]:
        """Apply a message with these events, at the time of the last; return the rules that fired."""
        self.offset += 1
        now = occurrences[-1].timestamp_ms / 1000
        return names(self.windows.apply(self.message(*occurrences), self.offset, now))

    def at(self, second: float, events: int = 1, **fields: Any) -> list[str]:
        return self.see(*[event(second, **fields)] * events)


def event(second: float, **fields: Any) -> Occurrence:
    return Occurrence(timestamp_ms=int((NOON + second) * 1000), **fields)


def names(alerts: list[Alert]) -> list[str]:
    return [alert.rule for alert in alerts if alert.kind != "count"]


@pytest.fixture
def partition() -> Partition:
    made = Partition()
    assert made.at(-100) == ["new"]
    return made


# Regressions


def test_a_resolved_issue_that_comes_back_regresses_once(partition: Partition) -> None:
    partition.change(0, status="resolved")
    assert partition.at(1) == ["back", "live"]
    assert partition.at(2) == []
    partition.restart()
    assert partition.at(3) == []
    assert [one.kind for one in partition.windows.issues.take_reactions()] == []


def test_it_regresses_again_after_it_was_resolved_again(partition: Partition) -> None:
    partition.change(0, status="resolved")
    partition.at(1)
    partition.change(2, status="resolved")
    assert partition.at(1.5) == []
    assert partition.at(3) == ["back", "live"]
    assert [one.change for one in partition.windows.issues.take_reactions()] == ["1", "2"]


def test_an_assignment_does_not_resolve_it_again(partition: Partition) -> None:
    partition.change(0, status="resolved")
    partition.at(1)
    partition.change(0, status="resolved", id="1", assignee="ada")
    assert partition.at(2) == []


def test_late_events_of_before_do_not_bring_it_back(partition: Partition) -> None:
    partition.change(0, status="resolved")
    assert partition.at(-1) == partition.at(0) == []
    assert partition.at(0.001) == ["back", "live"]


def test_a_rule_about_an_environment_waits_for_it(partition: Partition) -> None:
    partition.change(0, status="resolved")
    assert partition.at(1, environment="staging") == ["back"]
    partition.restart()
    assert partition.at(2) == ["live"]
    assert partition.at(3, environment="staging") == partition.at(4, environment="other") == []


def test_a_rule_about_more_than_the_place_looks_at_the_first_event(partition: Partition) -> None:
    partition.change(0, status="resolved")
    assert partition.at(1, level="fatal") == ["back", "live", "fatal"]


def test_an_old_regression_is_noted_but_no_news(partition: Partition) -> None:
    partition.change(0, status="resolved")
    partition.offset += 1
    alerts = partition.windows.apply(partition.message(event(1)), partition.offset, NOON + 90_000)
    assert names(alerts) == []
    assert [one.kind for one in partition.windows.issues.take_reactions()] == ["regressed"]


def test_a_change_that_arrives_after_the_events_finds_them(partition: Partition) -> None:
    partition.at(5)
    partition.change(4, status="resolved")
    assert names(partition.windows.tick(NOON + 6)) == ["back", "live"]
    assert names(partition.windows.tick(NOON + 7)) == partition.at(8) == []


def test_the_alert_is_the_same_wherever_and_whenever_it_is_noticed(partition: Partition) -> None:
    partition.change(0, status="resolved")
    batches = [partition.message(event(1, environment="staging")), partition.message(event(2))]
    ids = []
    for order in (batches, batches[1:], batches[:1]):
        fresh = partition.start()
        fired = [alert for offset, one in enumerate(order, 10) for alert in fresh.apply(one, offset, NOON + 2)]
        ids.append([alert.id for alert in fired if alert.rule == "back"])
    assert len(ids[0]) == 1
    assert ids[0] == ids[1] == ids[2]


def test_what_was_superseded_is_forgotten(partition: Partition) -> None:
    partition.change(0, status="resolved")
    partition.at(1)
    partition.flush()
    size = len(partition.table)
    partition.change(2)
    partition.windows.tick(NOON + SWEEP_S)
    partition.flush()
    assert len(partition.table) == size - 1


# Releases


def in_order(partition: Partition, *releases: str) -> list[bool]:
    return [bool(partition.at(10 + index, release=release)) for index, release in enumerate(releases)]


def test_resolved_in_a_release_waits_for_it_or_a_later_one(partition: Partition) -> None:
    partition.change(0, status="resolved", in_release="shop@1.10.0")
    assert in_order(partition, "shop@1.9.0", "shop@1.10.0-rc.1", "", "shop@1.10.0") == [False, False, False, True]


def test_it_comes_back_in_another_environment_with_the_release_as_well(partition: Partition) -> None:
    partition.change(0, status="resolved", in_release="shop@2.0")
    assert partition.at(1, environment="staging", release="shop@2.0") == ["back"]
    assert partition.at(2, release="shop@1.9") == []
    assert partition.at(3, release="shop@2.0") == ["live"]


def test_resolved_in_the_next_release_waits_for_a_later_one(partition: Partition) -> None:
    partition.change(0, status="resolved", after_release="shop@1.9.0")
    assert in_order(partition, "shop@1.2", "shop@1.9.0", "shop@1.10.0") == [False, False, True]


def test_one_message_with_several_releases_is_looked_at_by_release(partition: Partition) -> None:
    partition.change(0, status="resolved", in_release="shop@2.0")
    assert partition.see(event(1, release="shop@1.0"), event(2, release="shop@2.1")) == ["back", "live"]
    partition.change(10, status="resolved", in_release="shop@2.0")
    assert partition.see(event(9, release="shop@2.1"), event(11, release="shop@1.0")) == []


def test_releases_without_versions_follow_each_other_as_they_were_seen(partition: Partition) -> None:
    seen_at = datetime.fromtimestamp(NOON - 50, UTC)
    partition.change(0, status="resolved", after_release="9f1c", release_first_seen=seen_at)
    for release, at in (("0aaa", -90), ("ffff", 1)):
        batch = partition.message(event(2, release=release))
        assert partition.windows.issues.releases_to_look_up(batch) == {("shop", release)}
        found = [("shop", release, (NOON + at) * 1000)]
        partition.windows.issues.learn_releases(batch, {("shop", release)}, found)
        assert partition.windows.issues.releases_to_look_up(batch) == set()
        partition.offset += 1
        fired = names(partition.windows.apply(batch, partition.offset, NOON + 2))
        assert fired == ([] if at < -50 else ["back", "live"])


def test_of_a_release_that_nobody_has_stored_these_are_the_first_events(partition: Partition) -> None:
    partition.change(0, status="resolved", after_release="9f1c")
    batch = partition.message(event(2, release="ffff"))
    assert partition.windows.issues.releases_to_look_up(batch) == {("shop", "ffff"), ("shop", "9f1c")}
    partition.windows.issues.learn_releases(batch, {("shop", "ffff"), ("shop", "9f1c")}, [])
    assert names(partition.windows.apply(batch, 50, NOON + 2)) == ["back", "live"]


def test_a_release_that_is_still_to_come_is_later_than_all_that_were_seen(partition: Partition) -> None:
    partition.change(0, status="resolved", in_release="beef")
    batch = partition.message(event(2, release="ffff"))
    partition.windows.issues.learn_releases(batch, {("shop", "ffff"), ("shop", "beef")}, [])
    assert names(partition.windows.apply(batch, 50, NOON + 2)) == []
    assert partition.at(3, release="beef") == ["back", "live"]


# Ignored


def test_ignored_for_good_is_ignored(partition: Partition) -> None:
    partition.change(0, status="ignored")
    assert partition.at(1, 50) == partition.at(100_000) == []


def test_ignored_until_so_many_more_events(partition: Partition) -> None:
    partition.change(0, status="ignored", until_count=4)
    assert partition.at(1, 2) == partition.at(2) == []
    partition.restart()
    assert partition.at(3, environment="staging") == ["loud"]
    assert partition.at(4, 9) == []


def test_events_before_the_change_do_not_count(partition: Partition) -> None:
    partition.change(0, status="ignored", until_count=3)
    assert partition.see(event(-40), event(-30), event(1)) == []
    assert partition.see(event(-30), event(15), event(16)) == []
    assert partition.at(20) == ["loud"]


def test_weights_count_until_the_number(partition: Partition) -> None:
    partition.change(0, status="ignored", until_count=10)
    assert partition.at(1, weight=9.5) == []
    assert partition.at(2, weight=0.5) == ["loud"]


def test_counts_applied_again_after_a_crash_count_once(partition: Partition) -> None:
    partition.change(0, status="ignored", until_count=4)
    batch = partition.message(event(1), event(1, environment="staging"))
    partition.windows.apply(batch, 10, NOON + 1)
    partition.flush()
    again = partition.start()
    again._sources.clear()
    assert names(again.apply(batch, 10, NOON + 1)) == []
    assert names(again.apply(partition.message(event(2)), 11, NOON + 2)) == []
    assert names(again.apply(partition.message(event(3)), 12, NOON + 3)) == ["loud"]


def test_ignored_until_it_has_happened_to_so_many_users(partition: Partition) -> None:
    partition.change(0, status="ignored", until_users=3)
    assert partition.see(event(1, user_hash=1), event(1, user_hash=2), event(1, user_hash=0)) == []
    assert partition.at(2, 5, user_hash=2) == []
    partition.restart()
    assert partition.at(3, user_hash=7, environment="staging") == ["loud"]


def test_ignored_until_a_time(partition: Partition) -> None:
    partition.change(0, status="ignored", until=datetime.fromtimestamp(NOON, UTC) + timedelta(hours=1))
    assert partition.at(3600) == []
    assert partition.at(3601) == ["loud"]


def counts_fired(partition: Partition, second: float, events: int) -> bool:
    partition.offset += 1
    batch = partition.message(*[event(second)] * events)
    return any(one.kind == "count" for one in partition.windows.apply(batch, partition.offset, NOON + second))


def test_nothing_is_said_of_the_counts_of_an_ignored_issue(partition: Partition) -> None:
    partition.change(0, status="ignored")
    assert not counts_fired(partition, 1, 9)
    partition.change(2)
    assert counts_fired(partition, 3, 1)


def test_counts_are_heard_again_with_the_event_that_ends_it(partition: Partition) -> None:
    partition.change(0, status="ignored", until_count=4)
    assert not counts_fired(partition, 1, 3)
    assert counts_fired(partition, 2, 1)
    for second in (90, 91):
        partition.windows.tick(NOON + second)
        partition.flush()
    partition.change(100, status="ignored", until=datetime.fromtimestamp(NOON + 200, UTC))
    assert not counts_fired(partition, 110, 9)
    partition.windows.tick(NOON + 190)
    assert counts_fired(partition, 201, 9)


# Merged and deleted


def test_merged_issues_have_one_window_and_are_not_new(partition: Partition) -> None:
    partition.change(0, BB, merged_into=AA)
    assert partition.at(1, 2) == partition.at(2, fingerprint=BB) == []
    assert partition.windows.count("burst", ("shop", "production", AA), NOON + 2) == 3
    assert partition.windows.count("burst", ("shop", "production", BB), NOON + 2) == 0


def test_the_evidence_of_merged_issues_names_all_of_them(partition: Partition) -> None:
    partition.change(0, BB, merged_into=AA)
    (alert,) = partition.windows.apply(partition.message(*[event(1, fingerprint=BB)] * 3), 50, NOON + 1)
    assert alert.fingerprint == AA
    assert f"fingerprint IN ('{AA}', '{BB}')" in alert.query


def test_an_event_of_a_merged_issue_brings_the_whole_back(partition: Partition) -> None:
    partition.change(0, BB, merged_into=AA)
    partition.change(0, status="resolved")
    assert partition.at(1, fingerprint=BB) == ["back", "live"]


def test_after_an_unmerge_each_counts_for_itself(partition: Partition) -> None:
    partition.change(0, BB, merged_into=AA)
    partition.at(1, fingerprint=BB)
    partition.change(2, BB)
    assert partition.at(3, fingerprint=BB) == ["new"]
    assert partition.windows.count("burst", ("shop", "production", BB), NOON + 3) == 1


def test_a_deleted_issue_that_happens_again_is_new_once(partition: Partition) -> None:
    partition.change(0, deleted="once")
    assert partition.at(-1) == []
    assert partition.at(1) == ["new"]
    assert partition.at(2) == []
    partition.restart()
    assert partition.at(3) == []


# Crashes

moves = st.one_of(
    st.tuples(st.just("events"), st.integers(1, 3), st.sampled_from(("production", "staging"))),
    st.tuples(st.just("change"), st.sampled_from(("resolved", "ignored")), st.none()),
    st.tuples(st.sampled_from(("crash", "flush")), st.none(), st.none()),
)


@given(st.lists(moves, max_size=25))
def test_every_alert_is_sent_once_whatever_crashes(script: list[tuple[Any, Any, Any]]) -> None:
    """What is sent is remembered by its id; what was not written is applied again, against the changes of then."""
    partition, calm = Partition(), Partition()
    sent: dict[str, str] = {}
    unwritten: list[tuple[CountsBatch, int]] = []
    expected: dict[str, str] = {}
    for second, (move, what, environment) in enumerate(script, 1):
        now = NOON + second
        if move == "change":
            limit: dict[str, Any] = {"until_count": 2} if what == "ignored" else {}
            for one in (partition, calm):
                one.change(second - 0.5, status=what, **limit)
        elif move == "events":
            batch = partition.message(*[event(second, environment=environment)] * what)
            partition.offset += 1
            unwritten.append((batch, partition.offset))
            sent |= news(partition.windows.apply(batch, partition.offset, now))
            expected |= news(calm.windows.apply(batch, partition.offset, now))
        elif move == "flush":
            partition.flush()
            unwritten.clear()
        else:
            partition.windows = partition.start()
            for batch, offset in unwritten:
                sent |= news(partition.windows.apply(batch, offset, now))
    assert sent == expected


def news(alerts: list[Alert]) -> dict[str, str]:
    return {alert.id: alert.rule for alert in alerts if alert.kind != "count"}
