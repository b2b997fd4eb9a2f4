"""Policies: what settings say is what happens, and a mistake in them names its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.reader import SettingsReader
from pipeline.errors import Misconfigured
from pipeline.scrub import Policy, Scrubber

EVENT = {
    "message": "jane@example.com called +14155552671 from 203.0.113.77, employee EMP-123456",
    "extra": {"order_ref": "4111111111111111", "build": "4111111111111111", "badge": "x17", "mail": "joe@corp.example"},
    "exception": {"values": [{"stacktrace": {"frames": [{"vars": {"n": "3", "who": {"name": "Jane"}}}]}}]},
    "request": {"data": {"page": 2, "comment": "hello"}, "url": "https://x.example/"},
}


def policy(tmp_path: Path, text: str, hash_key: str = "") -> Policy:
    file = tmp_path / "aftershock.toml"
    file.write_text(text)
    reader = SettingsReader(file)
    return Policy.from_toml(reader.values.get("scrub", {}), reader.place, hash_key)


def scrubbed(policy: Policy, project: str = "", environment: str = "", event: Any = EVENT) -> Any:
    scrubber = Scrubber(policy)
    result = scrubber.scrub(json.dumps(event).encode(), project, environment)
    assert scrubber.scrub(result.payload, project, environment).payload is result.payload
    return json.loads(result.payload)


def test_kind_that_is_off_stays(tmp_path: Path) -> None:
    after = scrubbed(policy(tmp_path, "[scrub.kinds]\nemail = false\n"))
    assert after["message"] == "jane@example.com called [phone] from [ip], employee EMP-123456"


def test_uuids_go_on_request_only(tmp_path: Path) -> None:
    event = {"message": "customer 123e4567-e89b-12d3-a456-426614174000"}
    assert scrubbed(Policy(), event=event) == event
    after = scrubbed(policy(tmp_path, "[scrub.kinds]\nuuid = true\n"), event=event)
    assert after["message"] == "customer [uuid]"


def test_remove_and_mask(tmp_path: Path) -> None:
    after = scrubbed(policy(tmp_path, '[scrub]\nmethod = "remove"\n[scrub.kinds]\nemail = "mask"\n'))
    assert after["message"] == "****@*******.*** called  from , employee EMP-123456"


def test_hash_is_the_same_for_the_same_person_under_the_same_key(tmp_path: Path) -> None:
    text = '[scrub.kinds]\nemail = "hash"\n'
    event = {"message": "jane@example.com wrote JANE@example.com and joe@example.com"}
    first, second, third = (
        scrubbed(policy(tmp_path, text, "k1"), event=event)["message"].replace(" and", " wrote").split(" wrote ")
    )
    assert first == second != third
    assert first.startswith("[email:")
    assert scrubbed(policy(tmp_path, text, "k2"), event=event)["message"].split(" ")[0] != first


def test_ip_addresses_are_truncated_or_kept(tmp_path: Path) -> None:
    event = {"message": "from 203.0.113.77 and 2001:db8:1:2::7"}
    after = scrubbed(policy(tmp_path, '[scrub]\nip = "truncate"\n'), event=event)
    assert after["message"] == "from 203.0.113.0 and 2001:db8:1::"
    assert scrubbed(policy(tmp_path, '[scrub]\nip = "keep"\n'), event=event) == event


def test_own_keys_and_patterns(tmp_path: Path) -> None:
    text = '[scrub]\nkeys = ["badge"]\n[[scrub.patterns]]\nname = "employee"\nregex = "EMP-[0-9]{6}"\n'
    after = scrubbed(policy(tmp_path, text))
    assert after["extra"]["badge"] == "[secret]"
    assert after["message"].endswith("employee [employee]")


def test_own_keys_are_found_in_text_too(tmp_path: Path) -> None:
    event = {"message": "badge=x17 n=1", "extra": {"staffBadge": "x18", "badge": ["x19"]}}
    after = scrubbed(policy(tmp_path, '[scrub]\nkeys = ["badge", "staff_badge"]\n'), event=event)
    assert after == {"message": "badge=[secret] n=1", "extra": {"staffBadge": "[secret]", "badge": ["[secret]"]}}


def test_safe_fields_and_allowed_values_stay(tmp_path: Path) -> None:
    text = '[scrub]\nsafe_fields = ["order_ref", "extra.bui*"]\nallow = ["*@corp.example", "203.0.113.0/24"]\n'
    after = scrubbed(policy(tmp_path, text))
    assert after["extra"] == EVENT["extra"]
    assert after["message"] == "[email] called [phone] from 203.0.113.77, employee EMP-123456"


def test_variables_and_bodies_can_be_left_out(tmp_path: Path) -> None:
    after = scrubbed(policy(tmp_path, "[scrub]\nkeep_variables = false\nkeep_bodies = false\n"))
    frame = after["exception"]["values"][0]["stacktrace"]["frames"][0]
    assert frame["vars"] == {}
    assert after["request"] == {"data": {}, "url": "https://x.example/"}


@pytest.mark.parametrize(
    ("body", "left"),
    [("a=1&b=2", "[body]"), ([1, {"a": "x"}], []), ({}, {}), (None, None), ({"jane@example.com": True}, {})],
)
def test_a_body_that_is_left_out_is_an_empty_one(tmp_path: Path, body: object, left: object) -> None:
    read = policy(tmp_path, "[scrub]\nkeep_bodies = false\n")
    after = scrubbed(read, event={"request": {"data": body, "method": "POST"}, "extra": {"data": body}})
    assert after["request"] == {"data": left, "method": "POST"}
    assert scrubbed(read, event=after) == after


def test_project_and_environment_have_policies_of_their_own(tmp_path: Path) -> None:
    text = """
[scrub]
allow = ["203.0.113.77"]
[scrub.environment.development.kinds]
phone = false
[scrub.project.shop.kinds]
email = false
[scrub.project.shop.environment.production.kinds]
email = true
"""
    read = policy(tmp_path, text)
    assert scrubbed(read)["message"].startswith("[email] called [phone] from 203.0.113.77")
    assert scrubbed(read, "other", "development")["message"].startswith("[email] called +1415")
    assert scrubbed(read, "shop", "staging")["message"].startswith("jane@example.com called [phone]")
    assert scrubbed(read, "shop", "production")["message"].startswith("[email] called [phone]")
    assert scrubbed(read, "shop", "development")["message"].startswith("jane@example.com called [phone]")


@pytest.mark.parametrize(
    ("text", "line", "setting"),
    [
        ("[scrub]\n\nkindz = 1\n", 3, "scrub.kindz"),
        ('[scrub]\nmethod = "burn"\n', 2, "scrub.method"),
        ("[scrub.kinds]\nemail = 3\n", 2, "scrub.kinds.email"),
        ("[scrub.kinds]\nfax = true\n", 2, "scrub.kinds.fax"),
        ('[scrub]\nip = "hide"\n', 2, "scrub.ip"),
        ('[scrub]\nkeys = "badge"\n', 2, "scrub.keys"),
        ('[scrub]\nkeep_bodies = "no"\n', 2, "scrub.keep_bodies"),
        ('[scrub]\nmethod = "hash"\n', 2, "scrub.method"),
        ('[[scrub.patterns]]\nname = "a b"\nregex = "x"\n', 2, "scrub.patterns.0.name"),
        ('[[scrub.patterns]]\nname = "ok"\nregex = "("\n', 3, "scrub.patterns.0.regex"),
        ('[[scrub.patterns]]\nname = "ok"\nregex = "x*"\n', 3, "scrub.patterns.0.regex"),
        ('[[scrub.patterns]]\nname = "ok"\nregex = "(?<=a)b"\n', 3, "scrub.patterns.0.regex"),
        ('[scrub.project.shop]\nmethod = "burn"\n', 2, "scrub.project.shop.method"),
    ],
)
def test_mistake_names_its_line_and_setting(tmp_path: Path, text: str, line: int, setting: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        policy(tmp_path, text)
    assert str(wrong.value).startswith(f"{tmp_path / 'aftershock.toml'}:{line}: {setting}: ")
