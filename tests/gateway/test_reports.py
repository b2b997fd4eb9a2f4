"""Client reports: the words for reasons and categories that the real SDKs have are kept, and only those."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest
import sentry_sdk

from pipeline.gateway.reports import Outcome, discarded

TYPES = "node_modules/@sentry/core/build/types/types"


def words(source: str, name: str) -> list[str]:
    """Return the words of a type that is a choice of them, in TypeScript or in Python."""
    found = re.search(rf"\b{name} = (?:Literal\[(?P<python>[^\]]*)\]|(?P<typescript>[^;]*);)", source)
    assert found is not None, name
    return re.findall(r"['\"](\w+)['\"]", found["python"] or found["typescript"])


def reported(reason: str, category: str) -> list[Outcome]:
    """Return what becomes of a report of one thing."""
    entry = {"reason": reason, "category": category, "quantity": 2}
    return discarded(json.dumps({"discarded_events": [entry]}).encode())


def test_every_reason_of_the_javascript_sdks_is_kept(node_modules: Path) -> None:
    reasons = words((node_modules / TYPES / "clientreport.d.ts").read_text(), "EventDropReason")
    assert "ratelimit_backoff" in reasons
    for reason in reasons:
        assert reported(reason, "error") == [Outcome("error", f"client_{reason}", 2)]


@pytest.mark.parametrize("sdk", ["javascript", "python"])
def test_every_category_of_the_sdks_is_kept(sdk: str, request: pytest.FixtureRequest) -> None:
    if sdk == "javascript":
        node_modules = request.getfixturevalue("node_modules")
        categories = words((node_modules / TYPES / "datacategory.d.ts").read_text(), "DataCategory")
    else:
        categories = words(inspect.getsource(sentry_sdk._types), "EventDataCategory")
    assert "error" in categories
    for category in categories:
        assert reported("send_error", category) == [Outcome(category, "client_send_error", 2)]


def test_any_other_word_is_not() -> None:
    """What is sent becomes no column's value and no metric's label."""
    assert reported("what a word", "<script>") == [Outcome("other", "client_other", 2)]
