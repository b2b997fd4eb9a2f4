"""Rules of the configuration: what they match, what they do, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.config.reader import SettingsReader
from pipeline.errors import Misconfigured
from pipeline.fingerprint import Grouped, Grouping, Rules
from pipeline.fingerprint.versions import VERSIONS
from schemas.event import Event


def rules(tmp_path: Path, text: str) -> Rules:
    file = tmp_path / "aftershock.toml"
    file.write_text(text, encoding="utf-8")
    reader = SettingsReader(file)
    return Rules.from_toml(reader.values.get("grouping", {}), reader.place)


def group(rules_: Rules, event: dict[str, Any], project: str = "") -> Grouped:
    return Grouping(rules_).group(msgspec.json.decode(msgspec.json.encode(event), type=Event), project)


def failure(**more: Any) -> dict[str, Any]:
    frames = [
        {"function": "main", "module": "shop.app", "filename": "shop/app.py", "in_app": True},
        {"function": "run", "module": "acme.pool", "filename": "acme/pool.py", "in_app": True},
        {"function": "load", "module": "shop.orders", "filename": "shop/orders.py", "in_app": True},
        {"function": "query", "module": "driver.core", "filename": "driver/core.py", "in_app": False},
    ]
    values = [{"type": "OperationalError", "value": "lock timeout after 3s", "stacktrace": {"frames": frames}}]
    return {"platform": "python", "exception": {"values": values}, **more}


EVERYTHING = {
    "level": "fatal",
    "logger": "shop.db",
    "release": "shop@2.1.0",
    "environment": "production",
    "transaction": "POST /orders",
    "tags": {"region": "eu-1", "shard": "[AB]7"},
}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ('type = "OperationalError"', True),
        ('type = "operational*"', True),
        ('type = "Operational"', False),
        ('type = ["ValueError", "OperationalError"]', True),
        ('value = "*timeout*"', True),
        ('message = "lock * after ?s"', True),
        ('module = "shop.orders"', True),
        ('module = "shop.nothing"', False),
        ('function = "query"', True),
        ('path = "*/orders.py"', True),
        ('level = "fatal"', True),
        ('logger = "shop.*"', True),
        ('release = "shop@2.*"', True),
        ('environment = "prod*"', True),
        ('transaction = "POST *"', True),
        ('platform = "python"', True),
        ('"tags.region" = "eu-[12]"', False),
        ('"tags.region" = ["eu-1", "eu-2"]', True),
        ('"tags.shard" = "[ab]*"', True),
        ('tags = { region = "eu-*" }', True),
        ('"tags.none" = "*"', False),
        ('type = "OperationalError", level = "fatal"', True),
        ('type = "OperationalError", level = "error"', False),
    ],
)
def test_what_a_fingerprint_rule_matches(tmp_path: Path, match: str, expected: bool) -> None:
    text = f'[[grouping.fingerprint]]\nname = "r"\nmatch = {{ {match} }}\nfingerprint = ["x"]\n'
    grouped = group(rules(tmp_path, text), failure(**EVERYTHING))
    assert (grouped.rule == "rule:r") is expected


def test_first_matching_rule_decides_before_the_client(tmp_path: Path) -> None:
    text = """
[[grouping.fingerprint]]
name = "first"
match = { type = "OperationalError" }
fingerprint = ["database", "{{ transaction }}", "{{ tags.region }}"]
[[grouping.fingerprint]]
name = "second"
match = { type = "*" }
fingerprint = ["everything"]
"""
    grouped = group(rules(tmp_path, text), failure(**EVERYTHING, fingerprint=["mine"]))
    assert (grouped.rule, grouped.components) == ("rule:first", ["database", "POST /orders", "eu-1"])


def test_rule_can_add_to_the_default(tmp_path: Path) -> None:
    text = (
        '[[grouping.fingerprint]]\nname = "r"\nmatch = { type = "*" }\n'
        'fingerprint = ["{{ default }}", "{{ tags.region }}"]\n'
    )
    plain = group(Rules(), failure())
    assert group(rules(tmp_path, text), failure(**EVERYTHING)).components == [*plain.components, "eu-1"]


def labels(grouped: Grouped) -> list[str]:
    return [one.removeprefix("frame: ") for one in grouped.components if one.startswith("frame: ")]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('match = { module = "acme.*" }\nin_app = false', ["shop.app in main", "shop.orders in load"]),
        ('match = { module = "acme.*" }\nignore = true', ["shop.app in main", "shop.orders in load"]),
        (
            'match = { module = "driver.*" }\nin_app = true',
            ["shop.app in main", "acme.pool in run", "shop.orders in load", "driver.core in query"],
        ),
        ('match = { function = "run" }\ncut = "above"', ["acme.pool in run", "shop.orders in load"]),
        ('match = { function = "run" }\ncut = "below"', ["shop.app in main", "acme.pool in run"]),
        (
            'match = { path = "*/app.py", platform = "python" }\nignore = true',
            ["acme.pool in run", "shop.orders in load"],
        ),
    ],
)
def test_what_a_stack_trace_rule_does(tmp_path: Path, rule: str, expected: list[str]) -> None:
    grouped = group(rules(tmp_path, f'[[grouping.frames]]\nname = "r"\n{rule}\n'), failure())
    assert labels(grouped) == expected


def test_in_app_of_a_rule_is_what_is_stored(tmp_path: Path) -> None:
    text = '[[grouping.frames]]\nname = "r"\nmatch = { module = "acme.*" }\nin_app = false\n'
    assert group(rules(tmp_path, text), failure()).in_app == [True, False, True, False]


def test_first_rule_that_speaks_of_a_matter_decides_it(tmp_path: Path) -> None:
    text = """
[[grouping.frames]]
name = "ours"
match = { module = "driver.core" }
in_app = true
[[grouping.frames]]
name = "drivers"
match = { module = "driver.*" }
in_app = false
"""
    assert group(rules(tmp_path, text), failure()).in_app[-1] is True


def test_each_project_uses_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version stands beside the others, and its name is part of the fingerprint."""
    monkeypatch.setitem(VERSIONS, "v1a", VERSIONS["v1"])
    found = rules(tmp_path, '[grouping]\nversion = "v1"\n[grouping.projects]\nshop = "v1a"\n')
    shop, bank = group(found, failure(), "shop"), group(found, failure(), "bank")
    assert (shop.version, bank.version) == ("v1a", "v1")
    assert shop.components == bank.components
    assert shop.fingerprint != bank.fingerprint


def test_tests_beside_a_rule_pass(tmp_path: Path) -> None:
    text = """
[[grouping.fingerprint]]
name = "r"
match = { type = "Op*" }
fingerprint = ["x"]
tests = [
  { event = { exception = { values = [{ type = "OpError" }] } }, matches = true },
  { event = { message = "x", contexts = { trace = { op = "x" } } }, matches = false },
]
[[grouping.frames]]
name = "f"
match = { path = "*/vendor/*" }
in_app = false
tests = [{ frame = { filename = "a/vendor/b.c" }, matches = true }, { frame = { filename = "a" }, matches = false }]
"""
    assert len(rules(tmp_path, text).fingerprints) == 1


HEAD = '[[grouping.fingerprint]]\nname = "r"\n'
FRAME_HEAD = '[[grouping.frames]]\nname = "r"\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[grouping]\nversion = "v9"\n', 2, "unknown grouping version"),
        ('[grouping]\nverzion = "v1"\n', 2, "unknown key 'verzion'"),
        ('[grouping.projects]\nshop = "v9"\n', 2, "unknown grouping version"),
        ('[grouping]\nfingerprint = "x"\n', 2, "[[grouping.fingerprint]]"),
        ('[[grouping.fingerprint]]\nmatch = { type = "x" }\nfingerprint = ["x"]\n', 1, "needs a name"),
        (HEAD + 'fingerprint = ["x"]\n', 1, "match must name at least one field"),
        (HEAD + 'match = {}\nfingerprint = ["x"]\n', 3, "match must name at least one field"),
        (HEAD + 'match = { typo = "x" }\nfingerprint = ["x"]\n', 3, "unknown field 'typo'"),
        (HEAD + 'match = { type = 3 }\nfingerprint = ["x"]\n', 3, "a pattern must be a text"),
        (HEAD + 'match = { tags = "x" }\nfingerprint = ["x"]\n', 3, "write tags ="),
        (HEAD + 'match = { type = "x" }\n', 1, "fingerprint must be a list"),
        (HEAD + 'match = { type = "x" }\nfingerprint = []\n', 4, "fingerprint must be a list"),
        (HEAD + 'match = { type = "x" }\nfingerprint = ["{{ typ }}"]\n', 4, "unknown variable {{ typ }}"),
        (HEAD + 'match = { type = "x" }\nfingerprint = ["x"]\nbogus = 1\n', 5, "unknown key 'bogus'"),
        (
            HEAD
            + 'match = { type = "x" }\nfingerprint = ["x"]\ntests = [{ event = { message = "m" }, matches = true }]\n',
            5,
            "its test number 1 fails: the rule does not match, but should",
        ),
        (
            HEAD + 'match = { message = "m" }\nfingerprint = ["x"]\n'
            'tests = [{ event = { message = "m" }, matches = false }]\n',
            5,
            "matches, but should not",
        ),
        (
            HEAD + 'match = { type = "x" }\nfingerprint = ["x"]\ntests = [{ event = 3, matches = true }]\n',
            5,
            "not valid",
        ),
        (HEAD + 'match = { type = "x" }\nfingerprint = ["x"]\ntests = [{ event = {} }]\n', 5, "a test is"),
        (FRAME_HEAD + 'match = { path = "x" }\n', 1, "the rule does nothing"),
        (FRAME_HEAD + 'match = { path = "x" }\nin_app = "yes"\n', 1, "must be true or false"),
        (FRAME_HEAD + 'match = { path = "x" }\ncut = "left"\n', 4, 'cut must be "above"'),
        (FRAME_HEAD + 'match = { type = "x" }\nignore = true\n', 3, "unknown field 'type'"),
        (
            FRAME_HEAD
            + 'match = { path = "x" }\nignore = true\ntests = [{ frame = { filename = "y" }, matches = true }]\n',
            5,
            "its test number 1 fails",
        ),
    ],
)
def test_wrong_rule_is_refused_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        rules(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'aftershock.toml'}:{line}: ")
    assert said in str(caught.value)


def test_rules_of_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "grouping.md").read_text(encoding="utf-8")
    toml = text.partition("```toml\n")[2].partition("```")[0]
    found = rules(tmp_path, toml)
    assert [rule.name for rule in found.fingerprints] == ["database-timeouts"]
    assert [rule.name for rule in found.frames] == ["our fork", "plumbing"]
