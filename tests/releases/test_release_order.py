"""Releases in order: the specification's own examples, and that it is an order."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.releases.order import MOST_SEEN, FirstSeen, by_version, newest, parse

# https://semver.org/#spec-item-11
PUBLISHED = (
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
)


def test_the_published_order() -> None:
    for index, one in enumerate(PUBLISHED):
        for other_index, other in enumerate(PUBLISHED):
            assert by_version(one, other) == (index > other_index) - (index < other_index), (one, other)


@pytest.mark.parametrize("number", range(len(PUBLISHED) - 1))
def test_a_package_before_it_and_a_build_behind_it_do_not_change_that(number: int) -> None:
    one, other = (f"shop@{version}+9" for version in PUBLISHED[number : number + 2])
    assert by_version(one, other) == -1


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("1.9", "1.10"),
        ("v1.9.0", "v1.9.1"),
        ("shop@1.2.3.4", "shop@1.2.3.5"),
        ("com.example.shop@2.4+99", "com.example.shop@2.4+100"),
        ("1.0.0-9", "1.0.0-10"),
        ("1.0.0-10", "1.0.0-9a"),
        ("@scope/web@1.2.3", "@scope/web@1.3.0"),
    ],
)
def test_what_sdks_send(earlier: str, later: str) -> None:
    assert (by_version(earlier, later), by_version(later, earlier)) == (-1, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shop@1.0.0", "web@2.0.0"),
        ("shop@1.0.0+a", "shop@1.0.0+b"),
        ("9f1c2a7e", "9f1c2a7f"),
        ("20250101", "20250102"),
        ("1.0.0", ""),
        ("1.0.0-", "1.0.0"),
        ("shop@1.0.0\n", "shop@1.0.0"),
    ],
)
def test_names_that_do_not_tell(one: str, other: str) -> None:
    assert by_version(one, other) is by_version(other, one) is None


def test_a_name_is_the_same_as_itself() -> None:
    assert by_version("9f1c2a7e", "9f1c2a7e") == by_version("", "") == 0


numbers = st.lists(st.integers(0, 12), min_size=2, max_size=4)
identifiers = st.lists(st.sampled_from(("alpha", "rc", "1", "2", "11", "x-y")), max_size=3)
releases = st.builds(
    lambda number, pre: "shop@" + ".".join(map(str, number)) + ("-" + ".".join(pre) if pre else ""),
    numbers,
    identifiers,
)


@given(st.lists(releases, min_size=3, max_size=3))
def test_it_is_an_order(three: list[str]) -> None:
    """Antisymmetric and transitive; the same only for versions that are written differently (1.2 and 1.2.0)."""
    for one, other in permutations(three, 2):
        left, right = by_version(one, other), by_version(other, one)
        if left is None:
            assert right is None
            assert parse(one) == parse(other)
        else:
            assert right == -left
    a, b, c = three
    if by_version(a, b) == -1 and by_version(b, c) == -1:
        assert by_version(a, c) == -1


@given(st.permutations(list(enumerate(PUBLISHED))))
def test_the_newest_is_the_latest_version_whenever_it_was_seen(seen: list[tuple[int, str]]) -> None:
    assert newest({version: at for at, (_, version) in enumerate(seen)}) == PUBLISHED[-1]


def test_the_newest_of_hashes_is_the_one_that_was_first_seen_last() -> None:
    assert newest({"9f1c2a7e": 3, "aaaaaaaa": 9, "ffffffff": 5}) == "aaaaaaaa"
    assert newest({}) == ""


def test_the_newest_is_of_the_package_that_is_asked_for() -> None:
    found = {"shop@1.0": 1, "shop@2.0": 2, "web@7.0": 3, "web@8.0": 2}
    assert newest(found, "shop") == "shop@2.0"
    assert newest(found, "gone") == newest(found) == "web@8.0"


def test_the_earliest_sight_counts_and_only_so_many_are_remembered() -> None:
    seen = FirstSeen()
    for at in (7, 5, 9):
        seen.learn("shop", "a", at)
    assert (seen.get("shop", "a"), seen.get("blog", "a")) == (5, None)
    for number in range(MOST_SEEN):
        seen.learn("shop", str(number), number)
    assert seen.get("shop", "a") is None


def test_published_versions_are_all_understood() -> None:
    assert all(parse(one) != parse(other) for one, other in pairwise(PUBLISHED))
