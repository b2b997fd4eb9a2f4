"""One batch, counted: what is combined, what is looked at one by one, and where it goes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.alerts.rules import Rules
from pipeline.counts.batch_counts import MAX_TEXT, Counter
from schemas.counts import (
    COUNTS_VERSION,
    CountsBatch,
    PartialCount,
    decode_counts,
    encode_counts,
    partition_of,
)
from tests.occurrences import NOON, SOURCE, Occurrence, groups_of, rules_of

AA, BB = "aa" * 16, "bb" * 16
NEW = {"name": "new", "kind": "new_issue"}
BURST = {"name": "burst", "kind": "count", "threshold": 10, "window": "5m"}


def burst(name: str = "burst", **settings: object) -> dict[str, Any]:
    return {**BURST, "name": name, **settings}


def test_events_of_an_issue_in_one_pane_become_one_count() -> None:
    groups = groups_of(
        rules_of(NEW, BURST),
        Occurrence(event_id="1", timestamp_ms=NOON * 1000 + 9999, release="b"),
        Occurrence(event_id="2", timestamp_ms=NOON * 1000, level="warning", title="later"),
        Occurrence(event_id="3", timestamp_ms=NOON * 1000 + 5, weight=2.5),
        Occurrence(event_id="4", timestamp_ms=NOON * 1000 - 1),
    )
    assert groups == {
        ("", "shop", "production", AA): PartialCount(
            rule="",
            project="shop",
            environment="production",
            fingerprint=AA,
            panes=[(NOON - 10, 1), (NOON, 4.5)],
            first_timestamp_ms=NOON * 1000 - 1,
            last_timestamp_ms=NOON * 1000 + 9999,
            event_ids=["1", "2", "3"],
            title="TimeoutError: payment",
            culprit="shop.pay in charge",
            level="error",
            release="b",
            releases=[("b", NOON * 1000 + 9999), ("shop@1.0", NOON * 1000 + 5)],
        )
    }


@pytest.mark.parametrize("milliseconds", [(1, 5, 2, 9), (9, 2, 5, 1), (5, 9, 1, 2), (2, 1, 9, 5)])
def test_the_first_and_the_last_time_are_those_of_all_events_of_a_group(milliseconds: tuple[int, ...]) -> None:
    rules = rules_of(NEW, burst("timeouts", by="all", match={"message": "*timeout*"}))
    releases = ("a", "a", "b", "b")
    groups = groups_of(
        rules,
        *(Occurrence(timestamp_ms=time, release=release) for time, release in zip(milliseconds, releases, strict=True)),
    )
    assert [(group.first_timestamp_ms, group.last_timestamp_ms) for group in groups.values()] == [(1, 9), (1, 9)]


def test_an_issue_is_counted_by_environment() -> None:
    groups = groups_of(rules_of(NEW), Occurrence(), Occurrence(environment="staging"), Occurrence(fingerprint=BB))
    assert [key[2:] for key in groups] == [("production", AA), ("staging", AA), ("production", BB)]


def test_without_rules_nothing_is_counted() -> None:
    assert groups_of(Rules(()), Occurrence()) == {}


def test_an_environment_that_no_rule_is_about_leaves_nothing_to_send() -> None:
    rules = rules_of(burst(match={"environment": "production"}), burst("all", by="all", match={"project": "shop"}))
    assert groups_of(rules, Occurrence(environment="staging", project="blog")) == {}


def test_a_rule_over_all_events_has_one_group_an_environment() -> None:
    rules = rules_of(burst("all", by="all", match={"level": ["error", "fatal"]}))
    groups = groups_of(
        rules,
        Occurrence(event_id="1"),
        Occurrence(event_id="2", fingerprint=BB, level="fatal"),
        Occurrence(event_id="3", level="info"),
        Occurrence(event_id="4", environment="staging"),
    )
    assert {key: (group.panes[0][1], group.event_ids) for key, group in groups.items()} == {
        ("all", "shop", "production", ""): (2, ["1", "2"]),
        ("all", "shop", "staging", ""): (1, ["4"]),
    }


def test_a_rule_on_the_level_counts_only_that_of_an_issue() -> None:
    groups = groups_of(rules_of(burst(match={"level": "fatal"})), Occurrence(), Occurrence(level="fatal"))
    assert {key: group.panes for key, group in groups.items()} == {("burst", "shop", "production", AA): [(NOON, 1)]}


def test_texts_and_tags_are_looked_at_event_by_event() -> None:
    rules = rules_of(burst("slow", match={"message": "*timeout*", "tags.region": "eu-*"}))
    eu, us = {"region": "eu-1"}, [("region", "us-1")]
    groups = groups_of(
        rules,
        Occurrence(event_id="1", tags=us),
        Occurrence(event_id="2", tags=eu, title="second"),
        Occurrence(event_id="3", tags=eu, message="refused"),
        Occurrence(event_id="4", tags=eu, timestamp_ms=NOON * 1000 - 1),
    )
    (group,) = groups.values()
    assert (group.event_ids, group.title, group.panes) == (["2", "4"], "second", [(NOON - 10, 1), (NOON, 1)])
    assert (group.first_timestamp_ms, group.last_timestamp_ms) == (NOON * 1000 - 1, NOON * 1000)


def test_a_rule_about_another_place_never_reads_texts_or_tags() -> None:
    class Unreadable:
        def __getattr__(self, name: str) -> object:
            if name in ("tags", "message"):
                raise AssertionError("read")
            return getattr(Occurrence(), name)

    rules = rules_of(NEW, burst(match={"environment": "staging", "message": "*x*", "tags.a": "b"}))
    unreadable: Any = Unreadable()
    (batch,) = Counter(rules, 1).count([unreadable], SOURCE, 0, 0).values()
    assert len(batch.groups) == 1


def test_each_rule_gets_panes_of_its_own_width() -> None:
    rules = rules_of(burst(), burst("hour", window="1h", match={"level": "error"}))
    groups = groups_of(rules, *(Occurrence(timestamp_ms=(NOON + second) * 1000) for second in (0, 10, 20)))
    assert groups["", "shop", "production", AA].panes == [(NOON, 1), (NOON + 10, 1), (NOON + 20, 1)]
    assert groups["hour", "shop", "production", AA].panes == [(NOON // 300 * 300, 3)]


def test_new_issue_rules_that_look_deeper_are_answered_by_the_first_event() -> None:
    rules = rules_of(
        NEW,
        {"name": "fatal", "kind": "new_issue", "match": {"level": "fatal"}},
        {"name": "slow", "kind": "new_issue", "match": {"message": "*timeout*"}},
        {"name": "staging", "kind": "new_issue", "match": {"environment": "staging", "message": "*timeout*"}},
    )
    groups = groups_of(
        rules,
        Occurrence(message="timeout"),
        Occurrence(level="fatal"),
        Occurrence(fingerprint=BB, level="fatal", message="refused"),
        Occurrence(fingerprint=BB),
    )
    assert {key[3]: group.matched for key, group in groups.items()} == {AA: ["slow"], BB: ["fatal"]}


def test_long_texts_are_cut() -> None:
    occurrence = Occurrence(title="t" * 1000, culprit="c" * 1000, release="r" * 1000)
    (group,) = groups_of(rules_of(NEW), occurrence).values()
    assert {len(group.title), len(group.culprit), len(group.release)} == {MAX_TEXT}


def test_no_event_sends_no_message() -> None:
    assert Counter(rules_of(NEW), 4).count([], SOURCE, 0, 10) == {}


def test_a_message_names_its_source_and_range() -> None:
    (batch,) = Counter(rules_of(NEW), 1).count([Occurrence()], SOURCE, 7, 99).values()
    assert (batch.version, batch.topic, batch.incarnation, batch.partition) == (COUNTS_VERSION, *SOURCE)
    assert (batch.first, batch.last) == (7, 99)


def test_an_issue_meets_in_one_partition_in_every_environment_and_for_every_rule() -> None:
    rules = rules_of(NEW, burst(match={"level": "error"}))
    occurrences = [Occurrence(environment=environment) for environment in "abcdefgh"]
    (batch,) = Counter(rules, 64).count(occurrences, SOURCE, 0, 7).values()
    assert len(batch.groups) == 16


def test_groups_are_where_the_contract_places_them_and_spread() -> None:
    occurrences = [Occurrence(fingerprint=f"{number:032x}") for number in range(200)]
    batches = Counter(rules_of(NEW), 8).count(occurrences, SOURCE, 0, 199)
    assert set(batches) == set(range(8))
    for partition, batch in batches.items():
        for group in batch.groups:
            assert partition_of("", group.project, group.environment, group.fingerprint, 8) == partition


@pytest.mark.parametrize(
    ("group", "partition"),
    [(("", "shop", "production", AA), 5296), (("all", "shop", "production", ""), 8154)],
)
def test_the_placement_never_changes(group: tuple[str, str, str, str], partition: int) -> None:
    """A changed placement would split a group's counts between two partitions during an upgrade."""
    assert partition_of(*group, 10_000) == partition


def test_the_same_batch_gives_the_same_bytes() -> None:
    occurrences = [Occurrence(fingerprint=f"{number % 7:032x}", event_id=str(number)) for number in range(50)]
    rules = rules_of(NEW, burst("all", by="all", match={"message": "*"}))
    counter = Counter(rules, 2)
    once, again = (
        {partition: encode_counts(batch) for partition, batch in one.count(occurrences, SOURCE, 0, 49).items()}
        for one in (counter, Counter(rules, 2))
    )
    assert once == again == {p: encode_counts(b) for p, b in counter.count(occurrences, SOURCE, 0, 49).items()}


occurrences = st.builds(
    Occurrence,
    environment=st.sampled_from(["production", "staging", ""]),
    level=st.sampled_from(["error", "fatal", "info"]),
    release=st.sampled_from(["1", "2"]),
    fingerprint=st.sampled_from([AA, BB]),
    message=st.sampled_from(["timeout", "refused"]),
    timestamp_ms=st.integers(NOON * 1000 - 700_000, NOON * 1000 + 700_000),
    weight=st.sampled_from([1, 2]),
)


@settings(deadline=None)
@given(st.lists(occurrences, max_size=30))
def test_counts_are_those_of_a_plain_loop(batch: list[Occurrence]) -> None:
    rules = rules_of(
        burst(),
        burst("errors", window="1h", match={"level": ["error", "fatal"], "release": "1"}),
        burst("all", by="all", window="10s", match={"environment": "prod*"}),
        burst("slow", by="all", window="1m", match={"message": "time*", "level": "error"}),
    )
    expected: defaultdict[tuple[str, str, str, int], float] = defaultdict(float)
    for one in batch:
        second = one.timestamp_ms // 1000
        expected["", one.environment, one.fingerprint, second // 1 * 1] += one.weight
        if one.level in ("error", "fatal") and one.release == "1":
            expected["errors", one.environment, one.fingerprint, second // 300 * 300] += one.weight
        if one.environment == "production":
            expected["all", one.environment, "", second] += one.weight
        if one.message == "timeout" and one.level == "error":
            expected["slow", one.environment, "", second // 5 * 5] += one.weight
    found: defaultdict[tuple[str, str, str, int], float] = defaultdict(float)
    for key, group in groups_of(rules, *batch).items():
        assert group.panes == sorted(group.panes)
        for start, count in group.panes:
            found[key[0], key[2], key[3], start] += count
    assert found == expected


def test_messages_survive_their_bytes() -> None:
    (batch,) = Counter(rules_of(NEW), 1).count([Occurrence(weight=1.5)], SOURCE, 0, 0).values()
    assert decode_counts(encode_counts(batch)) == batch


def empty(version: int) -> CountsBatch:
    return CountsBatch(version, SOURCE.topic, SOURCE.incarnation, SOURCE.partition, 0, 0, [])


def test_bytes_that_are_no_counts_message_are_refused_without_their_content() -> None:
    for data in (
        b"",
        b"secret",
        encode_counts(empty(COUNTS_VERSION))[:-3],
    ):
        with pytest.raises(ValueError, match="not a counts message") as caught:
            decode_counts(data)
        assert "secret" not in str(caught.value)


def test_a_later_version_is_refused_by_name() -> None:
    data = encode_counts(empty(COUNTS_VERSION + 1))
    with pytest.raises(ValueError, match="version 2; this worker reads version 1"):
        decode_counts(data)
