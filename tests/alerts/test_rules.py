"""Rules as data: what a table means, which mistakes are pointed at, and what a match covers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.alerts.rules import DEFAULT_RULES, MAX_PANES, Rules, pane_width
from pipeline.config.reader import SettingsReader
from pipeline.errors import Misconfigured
from pipeline.payload.globs import compile_globs
from pipeline.payload.matching import Condition, Match
from tests.occurrences import Occurrence, rules_of

EXAMPLES = Path(__file__).parents[2] / "deploy" / "rules"
COUNT = {"name": "a", "kind": "count", "threshold": 10, "window": "5m"}


def test_a_full_table_becomes_a_rule() -> None:
    (rule,) = rules_of(
        {
            "name": "checkout errors",
            "kind": "count",
            "severity": "critical",
            "threshold": 2.5,
            "window": "1h",
            "by": "all",
            "hop": "10m",
            "cooldown": "2m",
            "match": {"environment": "prod*", "tags": {"region": "eu-*"}, "tags.zone": ["a", "b"]},
        }
    ).all
    assert (rule.name, rule.kind, rule.severity, rule.threshold) == ("checkout errors", "count", "critical", 2.5)
    assert (rule.window_s, rule.by, rule.hop_s, rule.cooldown_s) == (3600, "all", 600, 120)
    assert [(c.field, c.patterns) for c in rule.match.conditions] == [
        ("environment", ("prod*",)),
        ("tags.region", ("eu-*",)),
        ("tags.zone", ("a", "b")),
    ]


def test_what_is_left_out_has_defaults() -> None:
    counting, new = rules_of(COUNT, {"name": "n", "kind": "new_issue"}).all
    assert (counting.severity, counting.by, counting.cooldown_s, counting.hop_s) == ("warning", "issue", 600, 10)
    assert (new.severity, new.window_s) == ("warning", 3600)


def test_what_comes_back_is_news_for_a_day() -> None:
    rules = rules_of({"name": "r", "kind": "regressed"}, {"name": "u", "kind": "unignored", "window": "2h"})
    assert [(rule.kind, rule.window_s) for rule in rules.all] == [("regressed", 86400), ("unignored", 7200)]
    assert rules.of_kind("regressed") == rules.all[:1]


def test_without_tables_there_are_no_rules_and_without_a_file_the_defaults() -> None:
    assert rules_of().all == ()
    assert Rules().all == DEFAULT_RULES
    assert [rule.kind for rule in DEFAULT_RULES] == ["new_issue", "regressed", "unignored", "count"]


@pytest.mark.parametrize(
    ("change", "key", "remedy"),
    [
        ({"name": ""}, "name", "name = "),
        ({"name": 7}, "name", "name = "),
        ({"name": "x" * 101}, "name", "1 to 100"),
        ({"kind": "cuont"}, "kind", '"count", "new_issue"'),
        ({"kind": ["count"]}, "kind", '"count", "new_issue"'),
        ({"severity": "high"}, "severity", '"critical"'),
        ({"threshold": 0}, "threshold", "threshold = 100"),
        ({"threshold": True}, "threshold", "threshold = 100"),
        ({"threshold": "many"}, "threshold", "threshold = 100"),
        ({"threshold": float("nan")}, "threshold", "threshold = 100"),
        ({"threshold": float("inf")}, "threshold", "threshold = 100"),
        ({"window": "5 minutes"}, "window", 'window = "5m"'),
        ({"window": 300}, "window", 'window = "5m"'),
        ({"window": "0s"}, "window", 'window = "5m"'),
        ({"window": "31d"}, "window", "30d"),
        ({"window": "3607s"}, "window", "whole minutes"),
        ({"hop": "7s"}, "hop", "divide"),
        ({"hop": "1s"}, "hop", "divide"),
        ({"cooldown": "-1m"}, "cooldown", 'cooldown = "5m"'),
        ({"by": "user"}, "by", '"issue", "all"'),
        ({"treshold": 5}, "treshold", 'did you mean "threshold"?'),
        ({"colour": "red"}, "colour", "known settings"),
        ({"match": "production"}, "match", "match = {"),
        ({"match": {"user": "x"}}, "match.user", "known fields"),
        ({"match": {"tags.": "x"}}, "match.tags.", "known fields"),
        ({"match": {"level": "err"}}, "match.level", "fatal, error"),
        ({"match": {"message": 5}}, "match.message", "glob"),
        ({"match": {"message": []}}, "match.message", "glob"),
        ({"match": {"message": ["a", 5]}}, "match.message", "glob"),
    ],
)
def test_a_mistake_is_named_with_its_setting_and_the_remedy(change: dict[str, Any], key: str, remedy: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        rules_of({**COUNT, **change})
    message = str(caught.value)
    assert message.startswith("aftershock.toml: rule ")
    assert f": {key}: " in message
    assert remedy in message
    assert "\n" not in message


@pytest.mark.parametrize("key", ["threshold", "window"])
def test_a_count_needs_a_threshold_and_a_window(key: str) -> None:
    table = {name: value for name, value in COUNT.items() if name != key}
    with pytest.raises(Misconfigured, match=f'rule "a": {key}: must be'):
        rules_of(table)


@pytest.mark.parametrize("key", ["threshold", "by", "hop", "cooldown"])
def test_a_new_issue_refuses_what_only_a_count_has(key: str) -> None:
    value = {"threshold": 1, "by": "issue", "hop": "1m", "cooldown": "1m"}[key]
    with pytest.raises(Misconfigured, match=f'{key}: has no meaning for kind = "new_issue": remove it'):
        rules_of({"name": "n", "kind": "new_issue", key: value})


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match='rule "a": name: is used by an earlier rule'):
        rules_of(COUNT, COUNT)


def test_a_single_table_instead_of_a_list_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"write \[\[rule\]\]"):
        Rules.from_toml(COUNT, lambda _path: "aftershock.toml")  # type: ignore[arg-type]


def test_the_line_of_a_mistake_is_named(tmp_path: Path) -> None:
    file = tmp_path / "aftershock.toml"
    file.write_text(
        '[[rule]]\nname = "a"\nkind = "new_issue"\n\n[[rule]]\nname = "b"\nkind = "count"\nthreshold = -1\n'
    )
    reader = SettingsReader(file)
    values = reader.values
    with pytest.raises(Misconfigured, match=r'^aftershock.toml:7: rule "b": window: '):
        Rules.from_toml([values["rule"][0], {**values["rule"][1], "window": "x"}], lambda _path: "aftershock.toml:7")
    values["rule"][1]["window"] = "5m"
    with pytest.raises(Misconfigured, match=r':8: rule "b": threshold: must be a number above 0'):
        Rules.from_toml(values["rule"], reader.place)


@settings(deadline=None)
@given(st.integers(1, 30 * 86400))
def test_panes_divide_their_window(window_s: int) -> None:
    width = pane_width(window_s)
    assert window_s % width == 0
    assert width == 1 or width * 12 <= window_s


@pytest.mark.parametrize("window", ["10s", "1m", "90s", "5m", "7m", "15m", "1h", "6h", "1d", "7d", "30d"])
def test_windows_people_choose_have_few_panes(window: str) -> None:
    (rule,) = rules_of({**COUNT, "window": window}).all
    assert rule.window_s // rule.hop_s <= min(MAX_PANES, 60)


def test_the_common_pane_divides_every_rule_s() -> None:
    rules = rules_of(
        COUNT, {**COUNT, "name": "b", "window": "60s", "hop": "12s"}, {**COUNT, "name": "c", "window": "1h"}
    )
    assert [rule.hop_s for rule in rules.all] == [10, 12, 300]
    assert rules.pane_s == 2
    assert rules_of({"name": "n", "kind": "new_issue"}).pane_s == 60


def test_a_definition_changes_with_what_is_counted_and_with_nothing_else() -> None:
    (rule,) = rules_of({**COUNT, "match": {"level": ["error", "fatal"]}}).all
    same = {**COUNT, "match": {"level": ["fatal", "error"]}, "threshold": 99, "severity": "info", "cooldown": "1s"}
    assert rules_of(same).all[0].definition == rule.definition
    others: list[dict[str, Any]] = [{"window": "10m"}, {"by": "all"}, {"hop": "20s"}, {"match": {"level": "error"}}]
    assert all(rules_of({**same, **other}).all[0].definition != rule.definition for other in others)


@pytest.mark.parametrize(
    ("pattern", "value", "covered"),
    [
        ("production", "production", True),
        ("production", "Production", True),
        ("PROD", "prod", True),
        ("production", "production-eu", False),
        ("prod*", "production", True),
        ("*timeout*", "a Timeout\nhappened", True),
        ("*a*b*c*", "xxaxbxcx", True),
        ("*a*b*c*", "xxcxbxax", False),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("eu-?", "eu-1", True),
        ("eu-?", "eu-12", False),
        ("a?b*", "a\nb\nc", True),
        ("*ab*b", "ab", False),
        ("eu-?*9", "eu-123459", True),
        ("?*?", "a", False),
        ("?*?", "ab", True),
        ("*?b", "ab", True),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("(x+)*", "(x+)(", True),
    ],
)
def test_a_glob_covers_the_whole_value(pattern: str, value: str, covered: bool) -> None:
    assert compile_globs([pattern])(value) is covered


@settings(max_examples=500, deadline=None)
@given(st.text("ab?*", max_size=7), st.text("ab", max_size=8))
def test_globs_agree_with_the_plain_regular_expression(pattern: str, value: str) -> None:
    plain = "".join({"*": ".*", "?": "."}.get(character, character) for character in pattern)
    assert compile_globs([pattern])(value) is (re.fullmatch(plain, value) is not None)


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*a*b", "*a?*a?*a?*a?*a?*a?*a?*b*", "a*" * 30 + "b"])
def test_a_glob_of_many_stars_ends_on_a_long_value(pattern: str) -> None:
    """A backtracking matcher would be at it for years; that this ends at all is the test."""
    assert not compile_globs([pattern])("a" * 5000)


def test_lists_mean_any_of_and_fields_mean_all_of() -> None:
    (rule,) = rules_of({**COUNT, "match": {"level": ["error", "fatal"], "message": "*timeout*"}}).all
    match = rule.match
    assert match.header("shop", "production", "fatal", "")
    assert not match.header("shop", "production", "warning", "")
    assert match.details(Occurrence(message="read TIMEOUT"))
    assert not match.details(Occurrence(message="refused"))


@pytest.mark.parametrize("make", [dict, list])
def test_tags_are_matched_as_a_mapping_and_as_pairs(make: type) -> None:
    match = Match((Condition("tags.region", ("eu-*",)),))
    assert match.details(Occurrence(tags=make([("zone", "a"), ("region", "eu-1")])))
    assert not match.details(Occurrence(tags=make([("region", "us-1")])))


def test_a_tag_that_is_not_there_is_not_covered_by_any_glob() -> None:
    assert not Match((Condition("tags.region", ("*",)),)).details(Occurrence())


def test_conditions_as_sql_are_quoted() -> None:
    match = Match(
        (
            Condition("project", ("shop",)),
            Condition("level", ("error", "fatal")),
            Condition("message", ("100%_a\\b*'?",)),
            Condition("tags.it's", ("x",)),
        )
    )
    assert match.sql() == [
        "(level ILIKE 'error' OR level ILIKE 'fatal')",
        r"message ILIKE '100\\%\\_a\\\\b%\'_'",
        r"mapContains(tags, 'it\'s') AND tags['it\'s'] ILIKE 'x'",
    ]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_example_rules_are_valid(file: Path) -> None:
    reader = SettingsReader(file)
    values = reader.values
    assert set(values) == {"rule"}
    assert len(Rules.from_toml(values["rule"], reader.place).all) == len(values["rule"]) >= 2


def test_there_are_example_rules() -> None:
    assert len(list(EXAMPLES.glob("*.toml"))) == 3
