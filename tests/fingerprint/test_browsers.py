"""One error, four browsers: what each writes as its stack trace leads to one fingerprint."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import pytest
from corpus_files import samples

from pipeline.fingerprint import Grouping, Rules
from pipeline.payload.decode import decode

CHROME = """\
TypeError: Cannot read properties of undefined (reading 'price')
    at priceOf (https://shop.example/static/js/main.3f2a9c1b.js:10:21)
    at https://shop.example/static/js/main.3f2a9c1b.js:44:30
    at Array.map (<anonymous>)
    at Cart.total (https://shop.example/static/js/main.3f2a9c1b.js:44:9)
    at async HTMLButtonElement.onClick (https://shop.example/static/js/main.3f2a9c1b.js:80:12)
"""
EDGE = CHROME.replace("    at async HTMLButtonElement.onClick", "    at async onClick")
FIREFOX = """\
priceOf@https://shop.example/static/js/main.3f2a9c1b.js:10:15
total/<@https://shop.example/static/js/main.3f2a9c1b.js:44:22
total@https://shop.example/static/js/main.3f2a9c1b.js:44:4
async*onClick@https://shop.example/static/js/main.3f2a9c1b.js:80:8
"""
SAFARI = """\
priceOf@https://shop.example/static/js/main.3f2a9c1b.js:10:26
@https://shop.example/static/js/main.3f2a9c1b.js:44:38
map@[native code]
total@https://shop.example/static/js/main.3f2a9c1b.js:44:17
asyncFunctionResume@[native code]
promiseReactionJobWithoutPromise@[native code]
"""
"""Safari does not tell who was waiting."""

BROWSERS = {
    "Chrome": ("Cannot read properties of undefined (reading 'price')", CHROME),
    "Edge": ("Cannot read properties of undefined (reading 'price')", EDGE),
    "Firefox": ('can\'t access property "price", order is undefined', FIREFOX),
    "Safari": ("undefined is not an object (evaluating 'order.price')", SAFARI),
}

V8 = re.compile(r"^ +at (?:(?P<function>.+?) \()?(?P<file>[^()]+?)(?::(?P<line>\d+):(?P<column>\d+))?\)?$")
GECKO = re.compile(r"^(?P<function>.*?)@(?P<file>.+?)(?::(?P<line>\d+):(?P<column>\d+))?$")


def frames(stack: str) -> list[dict[str, Any]]:
    """Read a stack trace as it stands in ``error.stack``, oldest call first, as SDKs send it."""
    form = V8 if "\n    at " in stack else GECKO
    found = [match for line in stack.splitlines() if (match := form.match(line))]
    return [
        {
            "function": match["function"] or "?",
            "filename": match["file"],
            "lineno": int(match["line"] or 0),
            "colno": int(match["column"] or 0),
            "in_app": True,
        }
        for match in reversed(found)
    ]


def fingerprint(kind: str, value: str, stack: str) -> str:
    """Return the fingerprint of an error that a browser reports."""
    exception = {"type": kind, "value": value, "stacktrace": {"frames": frames(stack)}}
    payload = json.dumps({"platform": "javascript", "exception": {"values": [exception]}}).encode()
    return Grouping(Rules()).group(decode(payload).event, "shop").fingerprint


def test_the_stack_traces_of_four_browsers_are_one_issue() -> None:
    found = {name: fingerprint("TypeError", message, stack) for name, (message, stack) in BROWSERS.items()}
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("browser", BROWSERS)
def test_another_function_another_property_and_another_type_are_other_issues(browser: str) -> None:
    message, stack = BROWSERS[browser]
    others = [
        fingerprint("TypeError", message, stack),
        fingerprint("TypeError", message, stack.replace("priceOf", "taxOf")),
        fingerprint("ReferenceError", "Can't find variable: price", stack),
        fingerprint("RangeError", message, stack),
    ]
    assert len(set(others)) == len(others)


def test_every_error_that_was_captured_in_several_engines_is_one_issue() -> None:
    """Read by the browser SDK's own parser from raw stack traces: capture/browsers.js."""
    grouping = Grouping(Rules())
    found: dict[str, set[str]] = defaultdict(set)
    for sample in samples():
        if sample.family == "browsers":
            found[sample.bug].add(grouping.group(sample.event).fingerprint)
    assert len(found) > 10
    assert [bug for bug, fingerprints in found.items() if len(fingerprints) > 1] == []
    assert len(set.union(*found.values())) == len(found)
