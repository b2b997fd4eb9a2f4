"""Quotas by day and month, shared by all gateways, and spike protection."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.gateway import ProjectSettings, SpikeSettings
from pipeline.gateway.limits import Limits
from pipeline.gateway.rates import Limit, header_of
from pipeline.gateway.spikes import FEWEST_HOURS, most_in_an_hour
from pipeline.gateway.usage import DAY_S, HOUR_S, Usage, hour, windows_kept

KEY = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 2, 27, 12, tzinfo=UTC).timestamp()


def project(**limits: object) -> ProjectSettings:
    return ProjectSettings(name="shop", id=1, keys=(KEY,), **limits)  # type: ignore[arg-type]


def pass_on(one: Usage, other: Usage, now_s: float) -> None:
    """Let one process hear what another tells."""
    for message in one.tell(now_s):
        other.learn(message.key or b"", message.value or None)


def taken(limits: Limits, of: ProjectSettings, number: int, now_s: float, category: str = "error") -> int:
    return sum(limits.take(of, KEY, category, 1, now_s) is None for _ in range(number))


def test_a_days_quota_ends_with_the_day() -> None:
    limits, shop = Limits(Usage()), project(per_day={"error": 3})
    assert taken(limits, shop, 5, NOON) == 3
    assert limits.take(shop, KEY, "error", 1, NOON) == Limit("error", 3600, "day")
    assert limits.take(shop, KEY, "error", 1, NOON + 12 * HOUR_S - 60) == Limit("error", 60, "day")
    assert taken(limits, shop, 5, NOON, "transaction") == 5
    assert taken(limits, shop, 5, NOON + 12 * HOUR_S) == 3


def test_a_months_quota_goes_on_until_the_next_month_and_counts_all() -> None:
    limits, shop = Limits(Usage()), project(per_month={"all": 4}, per_day={"error": 3})
    assert taken(limits, shop, 5, NOON) == 3
    assert taken(limits, shop, 5, NOON + DAY_S) == 1
    limit = limits.take(shop, KEY, "session", 1, NOON + DAY_S)
    assert limit == Limit("all", 3600, "month")
    assert header_of([limit]) == "3600::key:month"
    march = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert limits.take(shop, KEY, "session", 1, march - 1) == Limit("all", 1, "month")
    assert taken(limits, shop, 5, march, "session") == 4


def test_gateways_share_a_quota_and_a_new_one_knows_what_was_used() -> None:
    first, second = Usage(), Usage()
    shop = project(per_day={"error": 10})
    assert taken(Limits(first), shop, 6, NOON) == 6
    pass_on(first, second, NOON)
    pass_on(first, second, NOON)  # nothing new: nothing is told, and nothing counted twice
    assert taken(Limits(second), shop, 9, NOON) == 4
    pass_on(second, first, NOON)
    assert taken(Limits(first), shop, 1, NOON) == 0


def test_a_new_gateway_knows_what_those_before_it_have_used() -> None:
    topic: dict[bytes, bytes] = {}
    shop = project(per_day={"error": 10})
    for _ in range(4):
        # Each ends and is started again: what a process told last is what the topic keeps of it.
        usage = Usage()
        for key, value in topic.items():
            usage.learn(key, value)
        for _ in range(2):
            taken(Limits(usage), shop, 2, NOON)
            topic |= {message.key or b"": message.value for message in usage.tell(NOON)}
    assert len(topic) == 3
    assert usage.total(f"key:{KEY}", "error", "d20511") == 10


def test_what_is_over_a_limit_counts_nowhere() -> None:
    usage = Usage()
    shop = project(per_minute={"error": 1}, per_day={"error": 5})
    limits = Limits(usage)
    assert taken(limits, shop, 10, NOON) == 1
    assert limits.take(shop, KEY, "error", 5, NOON + 60) is not None
    assert [taken(limits, shop, 10, NOON + 60 * minute) for minute in range(1, 6)] == [1, 1, 1, 1, 0]


def test_usage_of_the_past_is_forgotten_everywhere() -> None:
    first, second = Usage(), Usage()
    limits, shop = Limits(first), project(per_day={"error": 10}, per_month={"error": 100}, spike=SpikeSettings())
    taken(limits, shop, 5, NOON)
    pass_on(first, second, NOON)
    assert second.tell(NOON) == []
    later = NOON + 40 * DAY_S
    buried = second.tell(later)
    assert {message.value for message in buried} == {b""}
    assert len(buried) == 2
    assert second.tell(later) == []
    assert first.tell(later) == []
    assert first._own == {}


def test_memory_is_bounded_by_the_windows_that_are_of_use() -> None:
    usage = Usage()
    limits, shop = Limits(usage), project(per_day={"error": 10**9}, spike=SpikeSettings(least=10**9))
    for step in range(24 * 40):
        limits.take(shop, KEY, "error", 1, NOON + step * HOUR_S)
        usage.tell(NOON + step * HOUR_S)
    kept = [window for counts in usage._own.values() for windows in counts.values() for window in windows]
    assert len(kept) <= len(windows_kept(NOON)) + 1


@given(st.lists(st.integers(0, 5000), max_size=30), st.floats(1, 20), st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_an_hour_may_always_have_its_norm_and_the_floor(before: list[int], times: float, least: int) -> None:
    most = most_in_an_hour(before, times, least)
    known = len(before[:24])
    while known and not before[known - 1]:
        known -= 1
    if known < FEWEST_HOURS:
        assert most is None
    else:
        assert most is not None
        assert most >= least
        assert most >= int(sum(before[:known]) / known)


def test_a_spike_is_cut_to_a_multiple_of_the_norm() -> None:
    limits, shop = Limits(Usage()), project(spike=SpikeSettings(times=5, least=10))
    # Nothing is known of the project: nothing is cut.
    assert taken(limits, shop, 100, NOON) == 100
    for number in range(1, 24):
        assert taken(limits, shop, 100, NOON + number * HOUR_S) == 100
    spiked = NOON + 24 * HOUR_S
    assert taken(limits, shop, 3000, spiked) == 500
    assert limits.take(shop, KEY, "error", 1, spiked + 600) == Limit("error", 3000, "spike", "project")
    assert taken(limits, shop, 10, spiked, "transaction") == 10
    # The next hour's norm has grown by no more than what was let through.
    assert taken(limits, shop, 3000, spiked + HOUR_S) == int((23 * 100 + 500) / 24 * 5)


def test_a_small_project_is_not_cut_for_nothing() -> None:
    limits, shop = Limits(Usage()), project(spike=SpikeSettings(times=5, least=50))
    for number in range(10):
        taken(limits, shop, 1, NOON + number * HOUR_S)
    assert taken(limits, shop, 60, NOON + 10 * HOUR_S) == 50


def test_the_norm_is_that_of_all_gateways_and_outlives_them() -> None:
    usage, shop = Usage(), project(spike=SpikeSettings(times=2, least=1))
    for number in range(12):
        taken(Limits(usage), shop, 100, NOON + number * HOUR_S)
    new = Usage()
    pass_on(usage, new, NOON + 12 * HOUR_S)
    assert taken(Limits(new), shop, 1000, NOON + 12 * HOUR_S) == 200


def test_garbage_on_the_topic_changes_nothing() -> None:
    usage = Usage()
    for key, value in (
        (b"", b"x"),
        (b"\xff/x", b"{}"),
        (b"a/key:x", b'{"counts":{"error":{"d1":"x"}}}'),
        (b"a/b", None),
    ):
        usage.learn(key, value)
    assert usage._sums == {}
    assert hour(NOON) * HOUR_S <= NOON
