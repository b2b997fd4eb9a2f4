"""One partition's windows: when they fire, when they are silent, when they end, and what is kept of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.alerts.rules import Rules
from pipeline.counts.batch_counts import Counter
from pipeline.counts.known_issues import MAX_ENVIRONMENTS
from pipeline.counts.panes import AHEAD_S
from pipeline.counts.window_state import WindowEntry, decode_key, decode_value, is_progress
from pipeline.counts.windows import SWEEP_S, Windows
from pipeline.errors import Misconfigured
from schemas.alert import Alert, decode_alert, encode_alert
from schemas.counts import partition_of
from tests.occurrences import NOON, SOURCE, Occurrence, counted, rules_of

AA, BB = "aa" * 16, "bb" * 16
LATENESS = 120
BURST = {"name": "burst", "kind": "count", "threshold": 3, "window": "60s", "cooldown": "0s"}
NEW = {"name": "new", "kind": "new_issue"}


class Partition:
    """A partition with one source, whose offsets simply go on."""

    def __init__(self, *tables: dict[str, Any], **settings: Any) -> None:
        self.rules = rules_of(*tables)
        self.settings = settings
        self.offset = 0
        self.source_offset = 0
        self.table: dict[bytes, bytes] = {}
        self.windows = self.start(self.rules)

    def start(self, rules: Rules) -> Windows:
        windows = Windows(rules, 0, **{"partitions": 1, "allowed_lateness_s": LATENESS, **self.settings})
        windows.load(self.table.items())
        return windows

    def restart(self, *tables: dict[str, Any]) -> None:
        """Write everything and start over, with these rules if any are given."""
        self.flush()
        if tables:
            self.rules = rules_of(*tables)
        self.windows = self.start(self.rules)

    def see(self, *occurrences: Occurrence, now: float = NOON) -> list[Alert]:
        """Apply a message with these events."""
        first = self.source_offset
        self.source_offset += len(occurrences)
        self.offset += 1
        return self.windows.apply(counted(self.rules, *occurrences, first=first), self.offset, now)

    def at(self, second: float, events: int = 1, *, now: float | None = None, **fields: Any) -> list[Alert]:
        """Apply a message with some events that happened this long after noon, by default just now."""
        moment = NOON + second
        one = Occurrence(timestamp_ms=int(moment * 1000), **fields)
        return self.see(*[one] * events, now=moment if now is None else now)

    def flush(self) -> None:
        for key, value in self.windows.take_changes():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value

    def known(self) -> list[int]:
        """The issues that have been seen, by the number that is their fingerprint."""
        return [number for number in (1, 2, 3) if ("shop", f"{number:032x}") in self.windows.issues.known]

    def settle(self, second: float) -> list[Alert]:
        """Let it be this long after noon: decide, write, announce."""
        alerts = self.windows.tick(NOON + second)
        self.flush()
        return alerts + self.windows.tick(NOON + second)

    def count(self, second: float, rule: str = "burst", fingerprint: str = AA) -> float:
        return self.windows.count(rule, ("shop", "production", fingerprint), NOON + second)


def states(alerts: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.rule, alert.state) for alert in alerts]


FIRING, RESOLVED = [("burst", "firing")], [("burst", "resolved")]


# Firing


def test_a_count_fires_once_when_it_reaches_its_threshold() -> None:
    partition = Partition(BURST)
    assert partition.at(0, 2) == []
    assert states(partition.at(5)) == FIRING
    assert partition.at(6, 10) == []
    assert partition.settle(7) == []


def test_the_alert_says_what_was_counted() -> None:
    partition = Partition({**BURST, "severity": "critical"})
    partition.at(0, 2, event_id="1")
    (alert,) = partition.at(7, 2, event_id="2", title="Boom", culprit="here", level="fatal", release="9")
    assert (alert.rule, alert.kind, alert.severity, alert.state) == ("burst", "count", "critical", "firing")
    assert (alert.project, alert.environment, alert.fingerprint) == ("shop", "production", AA)
    assert (alert.title, alert.culprit, alert.level, alert.release) == ("Boom", "here", "fatal", "9")
    assert (alert.value, alert.threshold, alert.event_ids) == (4, 3, ["2", "2"])
    assert (alert.window_start.timestamp(), alert.window_end.timestamp()) == (NOON - 50, NOON + 10)
    assert alert.created_at.timestamp() == NOON + 7
    assert decode_alert(encode_alert(alert)) == alert


def test_a_burst_across_the_boundary_of_a_minute_fires() -> None:
    partition = Partition({**BURST, "window": "60s"})
    assert partition.at(59) == partition.at(60) == []
    assert states(partition.at(61)) == FIRING


def test_a_tumbling_window_does_not_reach_across_its_boundary() -> None:
    partition = Partition({**BURST, "hop": "60s"})
    start = NOON // 60 * 60 + 60 - NOON
    assert partition.at(start - 1, 2) == partition.at(start, 2) == []
    assert states(partition.at(start + 59)) == FIRING


def test_events_further_apart_than_the_window_do_not_add_up() -> None:
    partition = Partition(BURST)
    assert partition.at(0, 2) == partition.at(60, 2) == partition.at(120, 2) == []


def test_a_late_event_completes_a_window_that_is_over() -> None:
    partition = Partition(BURST)
    partition.at(0, 2)
    partition.at(100)
    (alert,) = partition.at(10, now=NOON + 100)
    assert alert.window_end.timestamp() == NOON + 15
    assert alert.value == 3


def test_events_out_of_order_count_like_events_in_order() -> None:
    ordered, shuffled = Partition(BURST), Partition(BURST)
    for second in (0, 20, 40, 60, 80):
        ordered.at(second, now=NOON + 90)
    for second in (80, 20, 60, 0, 40):
        shuffled.at(second, now=NOON + 90)
    assert [ordered.count(at) for at in range(0, 150, 5)] == [shuffled.count(at) for at in range(0, 150, 5)]


def test_events_too_late_to_matter_are_left_out_and_counted() -> None:
    partition = Partition(BURST)
    oldest = -60 - LATENESS - AHEAD_S
    partition.at(0)
    partition.at(oldest, 2, now=NOON)
    assert partition.windows.stats.late == 0
    partition.at(oldest - 1, 2, now=NOON)
    assert partition.windows.stats.late == 1


def test_a_clock_that_is_ahead_does_not_push_the_present_out_of_the_window() -> None:
    partition = Partition(BURST, allowed_lateness_s=1)
    partition.at(0, 2, now=NOON + 58)
    partition.at(58 + AHEAD_S, now=NOON + 58)
    assert states(partition.at(58)) == FIRING


def test_an_old_backlog_raises_no_alarm() -> None:
    partition = Partition(BURST, NEW)
    assert partition.at(0, 50, now=NOON + 4000) == []
    assert partition.settle(4001) == []
    assert ("shop", AA) in partition.windows.issues.known


def test_a_window_that_ended_within_the_allowed_lateness_still_fires() -> None:
    assert states(Partition(BURST).at(0, 3, now=NOON + 5 + LATENESS)) == FIRING
    assert Partition(BURST).at(0, 3, now=NOON + 5 + LATENESS + 1) == []


def test_a_burst_that_began_in_the_backlog_and_goes_on_fires_when_it_reaches_the_present() -> None:
    partition = Partition(BURST)
    now = NOON + 300
    assert [states(partition.at(second, 3, now=now)) for second in range(0, 240, 20)] == [[]] * 9 + [FIRING] + [[]] * 2


def test_its_alert_has_the_id_it_would_have_had_in_time() -> None:
    """Although its first windows are long forgotten when it reaches the present."""
    late, in_time = Partition(BURST), Partition(BURST)
    seconds = range(0, 700, 20)
    (first,) = [alert for second in seconds for alert in in_time.at(second, 3)]
    (again,) = [alert for second in seconds for alert in late.at(second, 3, now=NOON + 700)]
    assert first.id == again.id


@pytest.mark.parametrize("between", [(), (100,)])
def test_a_second_burst_of_a_backlog_is_told_from_the_first(between: tuple[int, ...]) -> None:
    """Whether a single event came in between or none at all, and although the first one is still remembered."""
    (first,) = Partition(BURST).at(0, 3)
    partition = Partition(BURST)
    for second in (0, 0, 0, *between):
        assert partition.at(second, now=NOON + 250) == []
    (alert,) = partition.at(150, 3, now=NOON + 250)
    (alone,) = Partition(BURST).at(150, 3)
    assert alert.id == alone.id != first.id


def test_a_long_silence_before_a_burst_does_not_matter() -> None:
    partition = Partition(BURST)
    partition.at(0, 3, now=NOON + 10_000)
    (alert,) = partition.at(9_999, 3, now=NOON + 10_000)
    assert alert.id == Partition(BURST).at(9_999, 3)[0].id


def test_one_message_that_holds_two_bursts_fires_for_the_last() -> None:
    partition = Partition(BURST)
    moments = [Occurrence(timestamp_ms=(NOON + second) * 1000) for second in (0, 0, 0, 100, 100, 100)]
    (alert,) = partition.see(*moments, now=NOON + 100)
    assert alert.id == Partition(BURST).at(100, 3)[0].id
    assert alert.window_end.timestamp() == NOON + 105


def test_groups_and_environments_are_counted_apart() -> None:
    partition = Partition(BURST)
    assert partition.at(0, 2) == partition.at(0, 2, fingerprint=BB) == partition.at(0, 2, environment="staging") == []
    assert [alert.fingerprint for alert in partition.at(0, fingerprint=BB)] == [BB]


def test_a_rule_over_all_events_adds_up_issues() -> None:
    partition = Partition({**BURST, "by": "all"})
    (alert,) = partition.see(*(Occurrence(fingerprint=f"{number:032x}") for number in range(3)))
    assert (alert.fingerprint, alert.value, alert.title) == ("", 3, "TimeoutError: payment")


def test_several_rules_fire_for_one_message() -> None:
    second = {**BURST, "name": "more", "threshold": 4, "match": {"environment": "prod*"}}
    partition = Partition(BURST, second, {**second, "name": "elsewhere", "match": {"environment": "staging"}})
    assert states(partition.at(0, 4)) == [("burst", "firing"), ("more", "firing")]


def test_weights_are_counted() -> None:
    assert states(Partition(BURST).at(0, weight=3)) == FIRING
    assert sum([0.1] * 10) < 1
    assert states(Partition({**BURST, "threshold": 1}).at(0, 10, weight=0.1)) == FIRING
    assert Partition({**BURST, "threshold": 1}).at(0, 9, weight=0.111) == []


# Life cycle


def test_an_alarm_is_resolved_once_when_the_count_has_fallen() -> None:
    partition = Partition(BURST)
    (fired,) = partition.at(0, 3)
    assert partition.settle(59) == []
    (resolved,) = partition.settle(60)
    assert resolved.state == "resolved"
    assert resolved.dedup_key == fired.dedup_key
    assert resolved.id != fired.id
    assert (resolved.value, resolved.threshold, resolved.title) == (0, 3, fired.title)
    assert resolved.window_end.timestamp() == NOON + 65
    assert partition.settle(120) == []


def test_an_end_is_announced_only_after_it_has_been_written() -> None:
    partition = Partition(BURST)
    partition.at(0, 3)
    assert partition.windows.tick(NOON + 60) == partition.windows.tick(NOON + 61) == []
    partition.flush()
    assert states(partition.windows.tick(NOON + 62)) == RESOLVED


def test_an_end_is_announced_with_the_next_message_as_well() -> None:
    partition = Partition(BURST)
    partition.at(0, 3)
    partition.windows.tick(NOON + 60)
    partition.flush()
    assert states(partition.at(61, 3)) == RESOLVED + FIRING


def test_a_count_that_comes_back_before_its_end_was_written_goes_on() -> None:
    partition = Partition(BURST)
    partition.at(0, 3)
    partition.windows.tick(NOON + 60)
    assert partition.at(61, 3) == []
    assert partition.settle(62) == []
    assert states(partition.settle(180)) == RESOLVED


def test_a_late_event_does_not_reopen_what_was_resolved() -> None:
    partition = Partition(BURST)
    partition.at(0, 3)
    partition.settle(60)
    assert partition.at(30, 3, now=NOON + 61) == []


def test_a_late_event_does_not_take_back_an_end() -> None:
    partition = Partition(BURST)
    partition.at(0, 3)
    partition.windows.tick(NOON + 70)
    partition.at(30, now=NOON + 70)
    partition.flush()
    assert states(partition.windows.tick(NOON + 71)) == RESOLVED


def test_a_new_burst_fires_again_as_another_alert() -> None:
    partition = Partition(BURST)
    (first,) = partition.at(0, 3)
    partition.settle(60)
    (second,) = partition.at(100, 3)
    assert (second.state, second.dedup_key) == ("firing", first.dedup_key)
    assert second.id != first.id


def test_the_cooldown_keeps_a_rule_silent_after_an_end() -> None:
    partition = Partition({**BURST, "cooldown": "5m"})
    partition.at(0, 3)
    partition.settle(60)
    assert partition.at(100, 3) == partition.at(354, 2) == partition.at(356) == []
    assert states(partition.at(361)) == FIRING


def test_silence_about_the_past_ends_without_an_alert() -> None:
    partition = Partition(BURST)
    partition.at(0, 3, now=NOON + 200)
    assert partition.settle(200) == []
    assert states(partition.at(201, 3)) == FIRING


# New issues


def test_an_issue_is_new_once_per_project() -> None:
    partition = Partition(NEW)
    (alert,) = partition.at(0, 2)
    assert (alert.rule, alert.kind, alert.state, alert.value, alert.threshold) == ("new", "new_issue", "firing", 2, 1)
    assert (alert.window_start.timestamp(), alert.window_end.timestamp()) == (NOON, NOON + 0.001)
    assert partition.at(1) == partition.at(2, environment="staging") == []
    assert states(partition.at(3, project="blog")) == [("new", "firing")]


def test_an_issue_is_new_in_the_environments_a_rule_is_about() -> None:
    partition = Partition({**NEW, "match": {"environment": "prod*"}}, {**NEW, "name": "any"})
    assert states(partition.at(0, environment="staging")) == [("any", "firing")]
    assert states(partition.at(1, environment="production")) == [("new", "firing")]
    assert partition.at(2, environment="prod-eu") == []


def test_a_new_issue_has_to_match() -> None:
    partition = Partition({**NEW, "match": {"level": "fatal"}}, {**NEW, "name": "slow", "match": {"message": "*time*"}})
    assert partition.at(0, level="error", message="refused") == []
    assert states(partition.at(0, level="fatal", fingerprint=BB)) == [("new", "firing"), ("slow", "firing")]


def test_an_issue_of_long_ago_is_known_but_no_news() -> None:
    partition = Partition({**NEW, "window": "10m"})
    assert partition.at(0, now=NOON + 600 + LATENESS + 1) == []
    assert partition.at(700) == []
    assert states(partition.at(0, fingerprint=BB, now=NOON + 600 + LATENESS)) == [("new", "firing")]


def test_seeded_issues_are_known_in_their_environment() -> None:
    partition = Partition(NEW, {**NEW, "name": "staging", "match": {"environment": "staging"}})
    assert partition.windows.seed_known([("shop", "production", AA), ("shop", "production", AA)]) == 1
    assert partition.at(0) == []
    assert states(partition.at(1, environment="staging")) == [("staging", "firing")]
    partition.windows.seed_known([("shop", "production", BB)])
    partition.restart()
    assert ("shop", BB) in partition.windows.issues.known


def test_only_issues_of_the_partition_are_seeded() -> None:
    issues = [("shop", "production", f"{number:032x}") for number in range(50)]
    here = [issue for issue in issues if partition_of("", *issue, 4) == 0]
    partition = Partition(NEW, partitions=4)
    assert partition.windows.seed_known(issues) == len(here)
    assert 0 < len(here) < len(issues)


# Messages


def test_a_message_sent_twice_counts_once() -> None:
    partition = Partition(BURST)
    batch = counted(partition.rules, Occurrence(), Occurrence())
    assert partition.windows.apply(batch, 1, NOON) == partition.windows.apply(batch, 2, NOON) == []
    assert partition.count(0) == 2
    assert partition.windows.stats.duplicates == 1


def test_sources_are_told_apart_by_topic_incarnation_and_partition() -> None:
    partition = Partition(BURST)
    counter = Counter(partition.rules, 1)
    others = (SOURCE._replace(topic="a"), SOURCE._replace(partition=1), SOURCE._replace(incarnation="new"))
    for offset, source in enumerate((SOURCE, *others)):
        (batch,) = counter.count([Occurrence()], source, 0, 0).values()
        partition.windows.apply(batch, offset, NOON)
    assert partition.count(0) == 4


def test_a_range_that_overlaps_is_applied_and_reported() -> None:
    partition = Partition(BURST)
    partition.windows.apply(counted(partition.rules, Occurrence(), Occurrence()), 1, NOON)
    partition.windows.apply(counted(partition.rules, Occurrence(), Occurrence(), first=1), 2, NOON)
    assert partition.windows.stats.overlapping == 1


def test_counts_for_a_rule_this_worker_does_not_have_are_skipped() -> None:
    partition = Partition(NEW)
    other = rules_of({**BURST, "by": "all"})
    assert partition.windows.apply(counted(other, Occurrence(), Occurrence(), Occurrence()), 1, NOON) == []
    assert partition.windows.stats.unknown_rule == 1


def test_panes_of_another_width_are_put_into_this_rule_s() -> None:
    partition = Partition(BURST)
    finer = rules_of({**BURST, "window": "10s"})
    batch = counted(finer, *(Occurrence(timestamp_ms=(NOON + second) * 1000) for second in range(3)))
    assert states(partition.windows.apply(batch, 1, NOON + 3)) == FIRING
    (kept, *_) = [decode_value(value, WindowEntry) for _, value in partition.windows.take_changes()[:1] if value]
    assert kept.panes == [(NOON, 3)]


# What is kept


def test_everything_goes_on_after_a_restart() -> None:
    partition = Partition(BURST, NEW)
    partition.at(0, 2)
    partition.restart()
    assert states(partition.at(1)) == FIRING
    partition.restart()
    assert partition.at(2) == []
    partition.windows.tick(NOON + 70)
    partition.restart()
    assert states(partition.windows.tick(NOON + 71)) == RESOLVED
    partition.restart()
    assert partition.windows.tick(NOON + 72) == []


def test_a_counts_topic_that_was_made_anew_is_not_taken_for_the_old_one() -> None:
    partition = Partition(BURST, incarnation="old")
    partition.at(0)
    partition.restart()
    partition.offset = 0
    partition.at(1)
    assert partition.count(1) == 1
    partition.settings["incarnation"] = "new"
    partition.restart()
    partition.offset = 0
    partition.at(2)
    assert partition.count(2) == 2


def test_changes_are_taken_once_and_the_sources_come_last() -> None:
    partition = Partition(BURST, NEW)
    partition.at(0)
    changes = partition.windows.take_changes()
    assert [decode_key(key)[0] for key, _ in changes] == ["w", "k", "s"]
    assert [is_progress(key) for key, _ in changes] == [False, False, True]
    assert partition.windows.take_changes() == []


def test_a_changed_rule_starts_from_nothing_and_resolves_what_was_firing() -> None:
    partition = Partition(BURST)
    (fired,) = partition.at(0, 3)
    partition.restart({**BURST, "window": "30s"})
    (resolved,) = partition.windows.tick(NOON + 1)
    assert (resolved.state, resolved.dedup_key) == ("resolved", fired.dedup_key)
    assert partition.count(1) == 0
    partition.restart()
    assert partition.windows.tick(NOON + 2) == []


def test_the_end_of_a_removed_rule_is_announced_before_its_entry_goes() -> None:
    partition = Partition(BURST)
    partition.at(0, 3)
    partition.restart(NEW)
    partition.restart(NEW)
    assert states(partition.windows.tick(NOON + 1)) == RESOLVED
    partition.flush()
    assert [decode_key(key)[0] for key in partition.table] == ["s"]


def test_a_changed_threshold_keeps_the_counts() -> None:
    partition = Partition(BURST)
    partition.at(0, 2)
    partition.restart({**BURST, "threshold": 5})
    assert partition.at(1, 2) == []
    assert states(partition.at(2)) == FIRING


def test_windows_that_ran_empty_are_removed() -> None:
    partition = Partition(BURST)
    partition.at(0, 2)
    partition.settle(60)
    assert len(list(partition.windows.groups())) == 1
    partition.settle(60 + LATENESS + SWEEP_S)
    assert list(partition.windows.groups()) == []
    assert [decode_key(key)[0] for key in partition.table] == ["s"]


def test_the_longest_idle_group_makes_room_for_a_new_one() -> None:
    partition = Partition(BURST, max_groups=2)
    for number in (1, 2, 1, 3):
        partition.at(0, fingerprint=f"{number:032x}")
    assert [int(group[2], 16) for _, group in partition.windows.groups()] == [1, 3]
    assert partition.windows.stats.evicted == 1
    partition.restart()
    assert len(list(partition.windows.groups())) == 2


def test_a_firing_group_is_never_given_up() -> None:
    partition = Partition(BURST, max_groups=1)
    assert states(partition.at(0, 3)) == FIRING
    assert partition.at(0, 3, fingerprint=BB) == []
    assert partition.windows.stats.evicted == 1
    assert states(partition.settle(60)) == RESOLVED


def test_the_longest_idle_issue_is_forgotten_beyond_the_limit() -> None:
    partition = Partition(NEW, max_known=2)
    for number in (1, 2, 1, 3):
        partition.at(0, fingerprint=f"{number:032x}")
        partition.flush()
    assert partition.known() == [1, 3]
    partition.restart()
    assert partition.known() == [1, 3]


def test_an_issue_in_ever_new_environments_stays_small() -> None:
    partition = Partition(NEW, {**NEW, "name": "z", "match": {"environment": "z"}})
    for number in range(MAX_ENVIRONMENTS):
        partition.at(0, environment=f"e{number}")
    partition.flush()
    size = sum(map(len, partition.table.values()))
    assert partition.at(1, environment="e") == partition.at(1, environment="z") == []
    partition.flush()
    assert sum(map(len, partition.table.values())) == size


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\xff", b""),
        (msgspec.msgpack.encode(("s", "t", "i", "0")), b"secret"),
        (msgspec.msgpack.encode(("s", "t", "i", "0")), msgspec.msgpack.encode((2, 7))),
        (msgspec.msgpack.encode(("k", "p", "f")), msgspec.msgpack.encode((1, 7))),
        (msgspec.msgpack.encode(("x",)), msgspec.msgpack.encode((1, 7))),
        (msgspec.msgpack.encode(("s", "t")), msgspec.msgpack.encode((1, 7))),
    ],
)
def test_a_state_that_cannot_be_read_stops_the_start_with_a_remedy(key: bytes, value: bytes) -> None:
    with pytest.raises(Misconfigured, match="delete the topic windows") as caught:
        Windows(Rules(), 0, partitions=1, allowed_lateness_s=1).load([(key, value)])
    assert "secret" not in str(caught.value)
