"""Alert rules as data: the ``[[rule]]`` tables of ``aftershock.toml``, validated and compiled.

Four kinds. ``count`` fires when the events of one issue, or all events that match, reach a threshold within a
window. ``new_issue`` fires when an issue is seen for the first time, ``regressed`` when one comes back that was
resolved, ``unignored`` when one is not ignored any more. docs/alerts.md describes every setting.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NoReturn, cast, get_args

import xxhash

from pipeline.errors import Misconfigured, PlaceOf
from pipeline.payload.matching import HEADER_FIELDS, TAG_PREFIX, TEXT_FIELDS, Condition, Match
from schemas.alert import Kind, Severity

By = Literal["issue", "all"]

MAX_PANES = 120
"""How many panes a window has at most: what a group's window costs in memory."""

_PANES = (86400, 21600, 3600, 600, 300, 60, 30, 10, 5, 1)
_MAX_WINDOW_S = 30 * 86400
_MAX_NAME = 100
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9})([smhd])")
_COMMON_KEYS = ("name", "kind", "severity", "window", "match")
_COUNT_KEYS = (*_COMMON_KEYS, "threshold", "by", "hop", "cooldown")
_NEWS_WINDOWS = {"new_issue": "1h", "regressed": "1d", "unignored": "1d"}
_LEVELS = ("fatal", "error", "warning", "info", "debug")


@dataclass(frozen=True)
class Rule:
    """One rule.

    * ``window_s``: for ``count``, the window's length; for the other kinds, how long ago the events may have happened
      for the issue still to be news. Seconds.
    * ``hop_s``: by how much the window moves, and so the width of the panes it is made of. Divides ``window_s``;
      equal to it, windows tumble.
    * ``cooldown_s``: how long after it was resolved the rule stays silent for that group. Seconds.
    """

    name: str
    kind: Kind
    severity: Severity
    window_s: int
    match: Match = field(default_factory=Match)
    threshold: float = 1
    by: By = "issue"
    hop_s: int = 1
    cooldown_s: int = 0

    @property
    def reads_issue_entries(self) -> bool:
        """Whether the counts of an issue in an environment are all this rule needs."""
        return self.kind == "count" and self.by == "issue" and self.match.by_place

    @property
    def definition(self) -> str:
        """A digest of what its window counts; when this changes, what was counted before no longer fits."""
        conditions = sorted((condition.field, sorted(condition.patterns)) for condition in self.match.conditions)
        return xxhash.xxh3_64_hexdigest(repr((self.by, self.window_s, self.hop_s, conditions)).encode())


def pane_width(window_s: int) -> int:
    """Return the width of a sliding window's panes in seconds: a divisor of it, and at most a twelfth or 1."""
    return next(width for width in _PANES if width == 1 or (width * 12 <= window_s and window_s % width == 0))


DEFAULT_RULES = (
    Rule(name="new issue", kind="new_issue", severity="warning", window_s=3600),
    Rule(name="regressed issue", kind="regressed", severity="warning", window_s=86400),
    Rule(name="issue ignored no more", kind="unignored", severity="warning", window_s=86400),
    Rule(
        name="issue burst",
        kind="count",
        severity="error",
        threshold=100,
        window_s=300,
        hop_s=pane_width(300),
        cooldown_s=600,
    ),
)
"""What runs without a configuration: every issue that is new or comes back, and 100 events of one within 5 minutes."""


@dataclass(frozen=True)
class Rules:
    """All rules of an installation; without an argument, :data:`DEFAULT_RULES`."""

    all: tuple[Rule, ...] = DEFAULT_RULES

    @cached_property
    def counting(self) -> tuple[Rule, ...]:
        """The rules of kind ``count``."""
        return self.of_kind("count")

    @cached_property
    def new_issue(self) -> tuple[Rule, ...]:
        """The rules of kind ``new_issue``."""
        return self.of_kind("new_issue")

    def of_kind(self, kind: Kind) -> tuple[Rule, ...]:
        """Return the rules of one kind."""
        return tuple(rule for rule in self.all if rule.kind == kind)

    @cached_property
    def pane_s(self) -> int:
        """The width in seconds of the panes that batches are counted in: it divides every rule's own."""
        return math.gcd(*(rule.hop_s for rule in self.counting)) or 60

    @classmethod
    def from_toml(cls, tables: Sequence[Mapping[str, Any]], place_of: PlaceOf) -> Rules:
        """Return the rules of the ``[[rule]]`` tables, none for none.

        Raises :class:`~pipeline.errors.Misconfigured` for the first mistake, with place, rule and remedy.
        """
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise Misconfigured(
                f"{place_of(('rule',))}: rule: must be a list of tables: write [[rule]] above each rule"
            )
        names: set[str] = set()
        rules = []
        for index, table in enumerate(tables):
            rule = _Reader(table, index, place_of).rule(names)
            names.add(rule.name)
            rules.append(rule)
        return cls(tuple(rules))


class _Reader:
    """Reads one ``[[rule]]`` table; every mistake ends in one :class:`Misconfigured` that says where."""

    def __init__(self, table: Mapping[str, Any], index: int, place_of: PlaceOf) -> None:
        self._table = table
        self._index = index
        self._place_of = place_of
        name = table.get("name")
        self._label = f'"{name}"' if isinstance(name, str) and name else f"number {index + 1}"

    def rule(self, taken: set[str]) -> Rule:
        """Return the rule; ``taken`` holds the names of the rules before it."""
        name = self._name(taken)
        kind = cast("Kind", self._choice("kind", get_args(Kind), None))
        self._check_keys(kind)
        severity = cast("Severity", self._choice("severity", get_args(Severity), "warning"))
        match = Match(tuple(self._conditions()))
        if kind != "count":
            return Rule(name, kind, severity, self._duration("window", _NEWS_WINDOWS[kind]), match)
        window_s = self._duration("window", None)
        return Rule(
            name=name,
            kind=kind,
            severity=severity,
            window_s=window_s,
            match=match,
            threshold=self._threshold(),
            by=cast("By", self._choice("by", get_args(By), "issue")),
            hop_s=self._hop(window_s),
            cooldown_s=self._duration("cooldown", "10m", least=0),
        )

    def _fail(self, key: str | tuple[str, ...], problem: str) -> NoReturn:
        path = (key,) if isinstance(key, str) else key
        place = self._place_of(("rule", self._index, *path))
        raise Misconfigured(f"{place}: rule {self._label}: {'.'.join(path)}: {problem}")

    def _name(self, taken: set[str]) -> str:
        name = self._table.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > _MAX_NAME:
            self._fail("name", f'must be a text of 1 to {_MAX_NAME} characters: name = "checkout errors"')
        if name in taken:
            self._fail("name", "is used by an earlier rule: give each rule a name of its own")
        return name

    def _choice(self, key: str, choices: tuple[str, ...], default: str | None) -> str:
        value = self._table.get(key, default)
        if value not in choices:
            listed = ", ".join(f'"{choice}"' for choice in choices)
            self._fail(key, f"must be one of {listed}")
        return str(value)

    def _check_keys(self, kind: Kind) -> None:
        allowed = _COUNT_KEYS if kind == "count" else _COMMON_KEYS
        for key in self._table:
            if key in allowed:
                continue
            if key in _COUNT_KEYS:
                self._fail(key, f'has no meaning for kind = "{kind}": remove it')
            close = difflib.get_close_matches(key, allowed, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"known settings: {', '.join(allowed)}"
            self._fail(key, f"is not a setting of a rule; {hint}")

    def _threshold(self) -> float:
        value = self._table.get("threshold")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            self._fail("threshold", "must be a number above 0: threshold = 100")
        return value

    def _duration(self, key: str, default: str | None, least: int = 1) -> int:
        value = self._table.get(key, default)
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        seconds = int(found[1]) * _UNITS[found[2]] if found else -1
        if not least <= seconds <= _MAX_WINDOW_S:
            self._fail(key, f'must be a duration from {least}s to 30d in s, m, h or d: {key} = "5m"')
        return seconds

    def _hop(self, window_s: int) -> int:
        if "hop" not in self._table:
            width = pane_width(window_s)
            if window_s > width * MAX_PANES:
                self._fail("window", "divides badly: choose whole minutes, hours or days, or set hop as well")
            return width
        hop_s = self._duration("hop", None)
        if window_s % hop_s or window_s > hop_s * MAX_PANES:
            self._fail("hop", f"must divide the window into at most {MAX_PANES} equal parts: hop = window to tumble")
        return hop_s

    def _conditions(self) -> list[Condition]:
        match = self._table.get("match", {})
        if not isinstance(match, dict):
            self._fail("match", 'must be a table: match = { environment = "production" }')
        conditions = []
        for key, value in match.items():
            if key == "tags" and isinstance(value, dict):
                conditions += [
                    self._condition(f"{TAG_PREFIX}{tag}", one, ("match", "tags", tag)) for tag, one in value.items()
                ]
            else:
                conditions.append(self._condition(key, value, ("match", key)))
        return conditions

    def _condition(self, key: str, value: object, path: tuple[str, ...]) -> Condition:
        known = (*HEADER_FIELDS, *TEXT_FIELDS)
        if key not in known and not (key.startswith(TAG_PREFIX) and key != TAG_PREFIX):
            self._fail(path, f'cannot be matched; known fields: {", ".join(known)}, "tags.<name>"')
        values = value if isinstance(value, list) else [value]
        patterns = [one for one in values if isinstance(one, str)]
        if not patterns or len(patterns) < len(values):
            self._fail(path, f'must be a glob or a list of globs: {key} = ["a", "b*"]')
        if key == "level":
            self._check_levels(patterns)
        return Condition(key, tuple(patterns))

    def _check_levels(self, patterns: list[str]) -> None:
        for pattern in patterns:
            if not set(pattern) & set("*?") and pattern.lower() not in _LEVELS:
                self._fail(("match", "level"), f"has no such level; levels are {', '.join(_LEVELS)}")
