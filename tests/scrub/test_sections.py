"""Findings are counted under the place they are in, however the event is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.scrub import Policy, Scrubber
from pipeline.scrub.sections import Sections

EXAMPLES = sorted((Path(__file__).parents[2] / "schemas" / "examples" / "errors").glob("*.json"))
SCRUBBER = Scrubber(Policy())


def findings(text: str) -> Any:
    return SCRUBBER.scrub(text.encode(), "shop", "production").findings


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_white_space_changes_no_place(example: Path) -> None:
    event = json.loads(example.read_bytes())
    event["extra"] = {"note": "mail ada@example.com", "card": "4111 1111 1111 1111"}
    event["user"] = {"email": "ada@example.com", "id": "7"}
    compact = findings(json.dumps(event, separators=(",", ":")))
    assert compact
    assert findings(json.dumps(event)) == compact
    assert findings(json.dumps(event, indent=2)) == compact
    assert findings(json.dumps(event, separators=(" , ", "\n:\t"))) == compact


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"user":777,"a":"x"}',
        b'{ "a" : 1 , "user" : 777 , "a" : 1 }',
        b'{"a":123,"user":777,"a":1}',
        b'{"\\u0061":1, "user":777}',
        b'{"a":{"user":[1,2]},"user":[777],"a":{}}',
        b'{"a": true, "user": 777}',
        b'{"a": false ,"user": "777"}',
        b'{"user": {"x": "1"}, "a": 1, "user": {"x": 777}}',
    ],
)
def test_keys_that_are_repeated_or_escaped_move_no_boundary(text: bytes) -> None:
    assert Sections(text).section_at(text.index(b"777")) == "user"
