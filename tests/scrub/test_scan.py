"""The scan: what Python's own engine finds with the same expressions, Hyperscan reports as well."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pipeline.scrub.candidates import CANDIDATES, Candidate
from pipeline.scrub.scan import compiled
from tests.scrub.corpus import places, survivors, texts

ALL = compiled(list(CANDIDATES))


def payloads() -> list[bytes]:
    events = [{"message": case[1]} for cases in texts.ALL.values() for case in cases]
    events += [event for _, event, _, _ in places.PLACES]
    events += [event if isinstance(event, dict) else {"message": event} for _, event in survivors.TEXTS]
    return [json.dumps(event).encode() for event in events]


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.finder)
def test_scan_misses_nothing_that_re_finds(candidate: Candidate) -> None:
    pattern = re.compile(candidate.expression.encode(), re.IGNORECASE if candidate.caseless else 0)
    alone = compiled([candidate])
    together = ALL
    number = CANDIDATES.index(candidate)
    assert alone is not None
    assert together is not None
    for payload in payloads():
        if pattern.search(payload):
            assert 0 in reported(alone, payload), payload
            assert number in reported(together, payload), payload


def reported(database: Any, payload: bytes) -> set[int]:
    found: set[int] = set()
    database.scan(payload, lambda number, *_: found.add(number))
    return found
